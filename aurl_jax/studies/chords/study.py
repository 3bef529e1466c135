"""`Chords`: the study of chords, local keys, numerals and progressions."""

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from aurl_jax.music import chords as chords_lib
from aurl_jax.music.notes import Notes
from aurl_jax.studies.chords import overlap, progressions
from aurl_jax.studies.chords.finding import Harmony, key_name
from aurl_jax.studies.chords.listener import Listener
from aurl_jax.studies.chords.numerals import numeral

if TYPE_CHECKING:
  from matplotlib.axes import Axes

_NAN = float('nan')


_WIDE = 2.5
"""Seconds of a chord whose name may lie in a picture."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chords:
  """Hears chords and keys; a `studies.study.Study`.

  Attributes:
    listener: What hears them.
    patterns: How many progressions are told.
  """

  listener: Listener = dataclasses.field(default_factory=Listener)
  patterns: int = 10

  def analyse(self, notes: Notes) -> Harmony:
    """Returns the chords and local keys of a piece.

    Example:
      >>> triads = Notes.build(1, {
      ...   'onset': [0, 0, 0, 4, 4, 4, 8, 8, 8], 'duration': 4,
      ...   'pitch': [48, 64, 67, 43, 62, 71, 48, 64, 67]})
      >>> Chords().analyse(triads).labels()
      ['C:maj', 'G:maj', 'C:maj']
    """
    return self.listener.hear(notes)

  def told(self, found: Harmony) -> dict[str, Any]:
    """Returns 'chords', 'key', 'numerals' and 'progressions'."""
    spans = [
      {'start': round(start, 4), 'end': round(end, 4)}
      for start, end in zip(
        found.starts.tolist(), found.ends.tolist(), strict=True
      )
    ]
    names = _numerals(found)
    pairs = zip(spans, found.labels(), strict=True)
    steps = zip(spans, names, found.key.tolist(), strict=True)
    return {
      'chords': [{**span, 'label': label} for span, label in pairs],
      'key': [
        {'start': round(start, 4), 'end': round(end, 4), 'key': key_name(key)}
        for start, end, key in found.key_runs()
      ],
      'numerals': [
        {**span, 'numeral': name, 'key': key_name(key)}
        for span, name, key in steps
        if key >= 0
      ],
      'progressions': self._patterns(found),
    }

  def features(self, found: Harmony) -> dict[str, float]:
    """Returns what numbers tell of a piece's harmony.

    `chord_rate` is changes of chord a minute; `chord_kinds` different chords;
    `chord_sevenths`, `chord_inverted` and `chord_silent` shares of time;
    `chord_own` the share of time whose chord is made of the local key's tones;
    `key_changes` changes of key a minute; `chord_surprise` the entropy of a
    chord's successor, in bits.
    """
    total = float(found.lengths.sum())
    if total <= 0:
      return dict.fromkeys(_NAMES, _NAN)
    chords = found.chords()
    time = found.lengths / total

    def share(facts: list[bool]) -> float:
      return float(time[np.array(facts, np.bool_)].sum())

    values = (
      60 * (len(found) - 1) / total,
      float(len(set(found.chord.tolist()))),
      share([len(chord.pitch_classes()) > 3 for chord in chords]),
      share([chord.bass not in (None, chord.root) for chord in chords]),
      share([chord.root is None for chord in chords]),
      share(_own(found)),
      60 * max(len(found.key_runs()) - 1, 0) / total,
      _surprise(progressions.sequences(found)),
    )
    return dict(zip(_NAMES, values, strict=True))

  def compare(self, one: Harmony, other: Harmony) -> dict[str, float]:
    """Returns how much alike chords, transitions and their pace are.

    `chords` and `transitions` are the overlap of what is heard, by time and by
    count, chords as seen from their keys; `chord_pace` is the smaller rate of
    changes by the larger.
    """
    counts = [_used(harmony) for harmony in (one, other)]
    steps = [_steps(harmony) for harmony in (one, other)]
    rates = [self.features(h)['chord_rate'] for h in (one, other)]
    rates = [0.0 if np.isnan(rate) else rate for rate in rates]
    return {
      'chords': _overlap(*counts),
      'transitions': _overlap(*steps),
      'chord_pace': min(rates) / max(rates) if max(rates) > 0 else 1.0,
    }

  def validate(self, found: Harmony, truth: Harmony) -> dict[str, float]:
    """Returns the weighted overlap: 'root', 'majmin', 'sevenths', 'key'."""
    return overlap.scores(found, truth)

  def draw(self, found: Harmony, axes: 'Axes') -> None:
    """Draws chords above, coloured by root, and local keys below."""
    from matplotlib import colormaps

    colours = colormaps['hsv']
    for start, length, chord in zip(
      found.starts.tolist(), found.lengths.tolist(), found.chords(), strict=True
    ):
      shade = '0.9' if chord.root is None else colours(_wheel(chord.root))
      axes.broken_barh([(start, length)], (1, 1), color=shade, alpha=0.6)
      # Upright where there is no room for it to lie.
      turned = 90 if length < _WIDE else 0
      axes.text(
        start, 1.5, chord.label(), fontsize=6, clip_on=True, rotation=turned
      )
    for start, end, key in found.key_runs():
      shade = colours(_wheel(key))
      axes.broken_barh([(start, end - start)], (0, 1), color=shade, alpha=0.3)
      axes.text(start, 0.5, key_name(key), fontsize=6, clip_on=True)
    axes.set_yticks([0.5, 1.5], ['key', 'chord'])
    axes.set_ylim(0, 2)
    axes.set_xlabel('seconds')

  def _patterns(self, found: Harmony) -> list[dict[str, Any]]:
    """Returns the progressions that return, most frequent first."""
    heard = progressions.patterns(
      progressions.sequences(found), sizes=(3, 4, 5, 6, 7, 8)
    )
    return [
      {'chords': list(pattern.tokens), 'count': pattern.count}
      for pattern in heard[: self.patterns]
    ]


_NAMES = (
  'chord_rate',
  'chord_kinds',
  'chord_sevenths',
  'chord_inverted',
  'chord_silent',
  'chord_own',
  'key_changes',
  'chord_surprise',
)
_SCALES = (
  frozenset({0, 2, 4, 5, 7, 9, 11}),
  frozenset({0, 2, 3, 5, 7, 8, 10, 11}),
)


def _numerals(found: Harmony) -> list[str]:
  """Returns the numeral of each chord; 'N' where no key is told."""
  return [
    numeral(chord, key) if key >= 0 else 'N'
    for chord, key in zip(found.chords(), found.key.tolist(), strict=True)
  ]


def _own(found: Harmony) -> list[bool]:
  """Returns whether each chord is made of its key's tones."""
  facts = []
  for index, key in zip(found.chord.tolist(), found.key.tolist(), strict=True):
    minor, tonic = divmod(max(key, 0), 12)
    tones = chords_lib.from_index(index).pitch_classes()
    steps = {(tone - tonic) % 12 for tone in tones}
    facts.append(bool(tones) and steps <= _SCALES[minor])
  return facts


def _surprise(pieces: list[progressions.Tokens]) -> float:
  """Returns the mean entropy of a chord's successor, in bits."""
  _, counts = progressions.transitions(pieces)
  total = counts.sum()
  if not total:
    return _NAN
  chance = progressions.chances(counts)
  bits = -np.sum(chance * np.log2(np.where(chance > 0, chance, 1)), axis=1)
  return float((counts.sum(axis=1) / total) @ bits)


def _used(found: Harmony) -> dict[Any, float]:
  """Returns seconds of each chord, as seen from its key."""
  used: dict[Any, float] = {}
  for index, key, time in zip(
    found.chord.tolist(),
    found.key.tolist(),
    found.lengths.tolist(),
    strict=True,
  ):
    chord = chords_lib.from_index(index)
    step = -1 if chord.root is None else (chord.root - max(key, 0)) % 12
    token = (step, chord.quality)
    used[token] = used.get(token, 0.0) + time
  return used


def _steps(found: Harmony) -> dict[Any, float]:
  """Returns how often each chord follows each."""
  counts: dict[Any, float] = {}
  for tokens in progressions.sequences(found):
    for pair in itertools.pairwise(tokens):
      counts[pair] = counts.get(pair, 0.0) + 1
  return counts


def _overlap(one: dict[Any, float], other: dict[Any, float]) -> float:
  """Returns what two distributions share, 0..1; 1 if both are empty."""
  totals = sum(one.values()), sum(other.values())
  if min(totals) <= 0:
    return float(max(totals) <= 0)
  shared = sum(
    min(one[key] / totals[0], other[key] / totals[1])
    for key in one.keys() & other.keys()
  )
  return min(float(shared), 1.0)


def _wheel(tonic: int) -> float:
  """Returns the place of a tonic on the circle of fifths, 0..1."""
  return 7 * tonic % 12 / 12
