"""Metrics of rhythm: emptiness, groove, drum patterns, intervals of onsets.

A beat is a quarter note. `empty_beat_rate`, `empty_bar_rate`,
`groove_consistency` and the drum patterns are those of MusPy (Dong et al.,
ISMIR 2020), whose values they equal in pieces of one meter; of others, bars are
taken as they are. Drum patterns: Dong et al., "MuseGAN", AAAI 2018. Grooves: Wu
and Yang, "The Jazz Transformer on the Front Line", ISMIR 2020, section 4.
Entropy of intervals between onsets, as a figure of how varied a rhythm is:
Eerola and North, "Expectancy-based model of melodic complexity", ICMPC 2000.
"""

import math

import numpy as np

from aurl_jax.evaluation.musical import shares
from aurl_jax.evaluation.pitch import entropy
from aurl_jax.music import time
from aurl_jax.music.notes import Notes

_CELLS = 12
"""Parts of a beat in which intervals between onsets are counted: 16ths and
triplets of 8ths are whole numbers of them."""
_LONGEST = 8 * _CELLS
"""Longer intervals count as this."""


def empty_beat_rate(notes: Notes) -> float:
  """Returns the share of the beats in which nothing sounds, or `nan`.

  As in MusPy, the beat in which a note ends is not empty, even if it ends where
  that begins.
  """
  beat = notes.ticks_per_beat
  return _empty(notes, notes.onset // beat, _ends(notes) // beat)


def empty_bar_rate(notes: Notes) -> float:
  """Returns the share of the bars in which nothing sounds, or `nan`.

  The bar in which a note ends is not empty, as in `empty_beat_rate`.
  """
  starts = time.bar_starts(notes, notes.end + 1)
  bars = (
    np.searchsorted(starts, ticks, side='right') - 1
    for ticks in (notes.onset, _ends(notes))
  )
  return _empty(notes, *bars)


def groove_consistency(notes: Notes) -> float:
  """Returns how alike neighbouring bars are in rhythm, 0..1, or `nan`.

  1 less the mean share of the ticks at which something begins in one of two
  neighbours only: the more ticks a beat has, the nearer to 1. Bars of unlike
  lengths are compared as far as the shorter one reaches.
  """
  longest = max(
    4 * notes.ticks_per_beat * above // below
    for _, above, below in time.meter_changes(notes)
  )
  # And the one behind the last, where that ends.
  starts = time.bar_starts(notes, notes.end + longest + 2)
  count = int(np.searchsorted(starts, notes.end, side='right'))
  if count < 2:
    return math.nan
  size = np.diff(starts[: count + 1])
  bar = np.searchsorted(starts, notes.onset, side='right') - 1
  inside = notes.onset - starts[bar]
  both = np.minimum(size[:-1], size[1:])
  unlike = 0
  # A beginning at place p of bar b differs unless bar b - 1, or b + 1, has one.
  places = set(zip(bar.tolist(), inside.tolist(), strict=True))
  for number, place in places:
    for other in (number - 1, number + 1):
      pair = min(number, other)
      if 0 <= pair < len(both) and place < both[pair]:
        unlike += (other, place) not in places
  return float(1 - unlike / both.sum())


def drum_pattern_rate(notes: Notes, parts: int) -> float:
  """Returns the share of the drum notes that begin on a part of a beat.

  Args:
    notes: The piece; `nan` if it has no drums.
    parts: Of a beat, all alike; only places between them that fall on ticks.
  """
  onset = notes.onset[notes.is_drum]
  if not len(onset):
    return math.nan
  beat = notes.ticks_per_beat
  if beat % parts:
    return float((onset % beat == 0).mean())
  return float((onset % (beat // parts) == 0).mean())


def drum_pattern_consistency(notes: Notes) -> float:
  """Returns the larger share of drums in 16ths or in triplets of 8ths."""
  beat = notes.ticks_per_beat
  duple = 4 if beat % 4 == 0 else 2
  return max(drum_pattern_rate(notes, duple), drum_pattern_rate(notes, 3))


def onset_intervals(notes: Notes) -> np.ndarray:
  """Returns the intervals between onsets that follow each other, int64 ticks.

  Of all tracks together; notes that begin at once are one onset.
  """
  return np.diff(np.unique(notes.onset))


def onset_entropy(notes: Notes) -> float:
  """Returns the entropy of `onset_intervals` in bits, or `nan` without any.

  They are rounded to twelfths of a beat; those of eight beats and more are one.
  """
  ticks = onset_intervals(notes)
  cells = np.rint(ticks * (_CELLS / notes.ticks_per_beat)).astype(int)
  return entropy(shares(np.bincount(np.minimum(cells, _LONGEST))))


def onsets_a_second(notes: Notes) -> float:
  """Returns the notes a second, up to the last end; `nan` without notes."""
  seconds = time.duration_seconds(notes)
  return len(notes) / seconds if len(notes) and seconds else math.nan


def _ends(notes: Notes) -> np.ndarray:
  return notes.onset + notes.duration


def _empty(notes: Notes, first: np.ndarray, last: np.ndarray) -> float:
  """Returns the share of places, up to the last end, that no note is in."""
  if not notes.end:
    return math.nan
  count = int(last.max()) + 1
  change = np.bincount(first, minlength=count + 1)[: count + 1]
  change = change - np.bincount(last + 1, minlength=count + 1)
  return float((change.cumsum()[:count] == 0).mean())
