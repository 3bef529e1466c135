"""Figures of a piece and of pairs of pieces: pitch, rhythm, length, interval.

Drums have no pitch: they count in rhythm alone. Axes: `n` notes, `m` bars,
`q` positions of a bar. Sources: Wu and Yang, "The Jazz Transformer on the
Front Line", ISMIR 2020, section 4 (grooving patterns); Wu and Yang,
"MuseMorphose", IEEE/ACM TASLP 2023, section V (similarity of chroma, bar by
bar); Yang and Lerch, "On the evaluation of generative models in music",
Neural Computing and Applications 2020, section 3.1 (features of a piece).
"""

from collections.abc import Mapping

import numpy as np

from aurl_jax.music import time
from aurl_jax.music.notes import Notes

POSITIONS = 64
"""Of a bar, in a grooving pattern: as many as in the paper."""
WIDEST = 24
"""Semitones; wider intervals count as this."""
_CLASSES = 12
_LENGTHS = 2.0 ** np.arange(-3.5, 4)
"""Beats: edges between notes of 1/16, 1/8, 1/4 … 8 beats and 16."""
FEATURES = (
  'pitch_class',
  'range',
  'density',
  'length',
  'interval',
  'groove',
)
"""What `features` tells of a piece."""


def features(notes: Notes) -> Mapping[str, np.ndarray]:
  """Returns the features of a piece, float64 `[d]` each.

  `pitch_class` [12] shares of the pitch classes; `range` [1] semitones from
  the lowest to the highest note; `density` [1] notes a beat; `length` [9]
  shares of note lengths, in octaves of beats; `interval` [49] shares of the
  steps of the upper line of each track, in semitones, -24..24; `groove` [64]
  shares of the bars that have an onset there. All but `pitch_class` stay
  when the piece is transposed.

  Without notes (for `interval`: without two in a row) a feature is `nan`.
  """
  found = (
    shares(chroma(notes).sum(axis=0)),
    np.array([pitch_range(notes)]),
    np.array([onset_density(notes)]),
    length_histogram(notes),
    interval_histogram(notes),
    _mean(grooves(notes)) if len(notes) else np.full(POSITIONS, np.nan),
  )
  return dict(zip(FEATURES, found, strict=True))


def chroma(notes: Notes) -> np.ndarray:
  """Returns the notes of each pitch class that begin in each bar, `[m, 12]`."""
  pitched = ~notes.is_drum
  bar, _, count = _places(notes)
  table = np.zeros((count, _CLASSES))
  np.add.at(table, (bar[pitched], notes.pitch[pitched] % _CLASSES), 1)
  return table


def chroma_similarity(one: Notes, other: Notes) -> float:
  """Returns how alike the pitch classes of two pieces are, bar by bar.

  The mean cosine of their chroma, 0..1, over the bars that both have; a bar
  that both leave empty counts 1, one that one of them does 0. It is 1 for a
  piece and itself, and stays when both are transposed alike. `nan` if one of
  them has no notes.
  """
  if not (len(one) and len(other)):
    return float('nan')
  a, b = chroma(one), chroma(other)
  bars = min(len(a), len(b))
  return float(np.mean(_cosines(a[:bars], b[:bars])))


def grooves(notes: Notes, positions: int = POSITIONS) -> np.ndarray:
  """Returns where in each bar anything begins, bool `[m, q]`.

  A bar of whatever meter has so many positions.
  """
  bar, inside, count = _places(notes)
  table = np.zeros((count, positions), np.bool_)
  table[bar, np.minimum((inside * positions).astype(int), positions - 1)] = True
  return table


def groove_similarity(notes: Notes, positions: int = POSITIONS) -> float:
  """Returns how alike the grooving patterns of a piece's bars are, 0..1.

  The mean over all pairs of bars of the share of positions that are the
  same: 1 for a steady rhythm. As most positions of a bar are empty in any
  music, values below .8 are rare. `nan` with fewer than two bars, or without
  notes.
  """
  table = grooves(notes, positions)
  bars = len(table)
  if bars < 2 or not len(notes):
    return float('nan')
  # A position that k of m bars have differs in k (m - k) pairs.
  used = table.sum(axis=0)
  differ = (used * (bars - used)).sum() / positions
  return float(1 - differ / (bars * (bars - 1) / 2))


def groove_likeness(
  one: Notes, other: Notes, positions: int = POSITIONS
) -> float:
  """Returns how alike the rhythms of two pieces are, bar by bar, 0..1.

  The mean share of positions that are the same, over the bars that both
  have; 1 for a piece and itself. `nan` if one of them has no notes.
  """
  if not (len(one) and len(other)):
    return float('nan')
  a, b = grooves(one, positions), grooves(other, positions)
  bars = min(len(a), len(b))
  return float((a[:bars] == b[:bars]).mean())


def onset_density(notes: Notes) -> float:
  """Returns the notes a beat, up to the last end; `nan` without notes."""
  if not len(notes):
    return float('nan')
  return len(notes) * notes.ticks_per_beat / max(1, notes.end)


def pitch_range(notes: Notes) -> float:
  """Returns the semitones from the lowest pitch to the highest, or `nan`."""
  pitch = notes.pitch[~notes.is_drum]
  return float(np.ptp(pitch)) if len(pitch) else float('nan')


def mean_length(notes: Notes) -> float:
  """Returns the mean length of a pitched note in beats, or `nan`."""
  length = notes.duration[~notes.is_drum] / notes.ticks_per_beat
  return float(length.mean()) if len(length) else float('nan')


def length_histogram(notes: Notes) -> np.ndarray:
  """Returns the shares of note lengths, float64 `[9]`, or `nan`.

  From 1/16 beat and less to 16 beats and more, an octave each; drums apart.
  """
  beats = notes.duration[~notes.is_drum] / notes.ticks_per_beat
  bins = np.searchsorted(_LENGTHS, beats)
  return shares(np.bincount(bins, minlength=len(_LENGTHS) + 1))


def upper(notes: Notes) -> np.ndarray:
  """Returns the notes of the upper line of each track, int64 `[k]`.

  Indices of the highest note of each onset, track by track, in order of time;
  drums have no line.
  """
  rows = np.flatnonzero(~notes.is_drum)
  order = np.lexsort([notes.pitch[rows], notes.onset[rows], notes.track[rows]])
  rows = rows[order]
  track, onset = notes.track[rows], notes.onset[rows]
  same = (track[1:] == track[:-1]) & (onset[1:] == onset[:-1])
  return np.asarray(rows[np.append(~same, True)[: len(rows)]])


def intervals(notes: Notes) -> np.ndarray:
  """Returns the steps of the `upper` line of each track, int64 semitones.

  Upwards is positive.
  """
  rows = upper(notes)
  inside = notes.track[rows][1:] == notes.track[rows][:-1]
  return np.asarray(np.diff(notes.pitch[rows])[inside])


def interval_histogram(notes: Notes) -> np.ndarray:
  """Returns the shares of `intervals`, float64 `[49]` from -24 to 24."""
  steps = np.clip(intervals(notes), -WIDEST, WIDEST) + WIDEST
  return shares(np.bincount(steps, minlength=2 * WIDEST + 1))


def shares(counts: np.ndarray) -> np.ndarray:
  """Returns counts by their sum; all `nan` if that is 0."""
  total = counts.sum()
  if not total:
    return np.full(len(counts), np.nan)
  return np.asarray(counts / total)


def _places(notes: Notes) -> tuple[np.ndarray, np.ndarray, int]:
  """Returns bar and place in it, in [0, 1), of notes; how many bars begin.

  Bars after the last onset are none.
  """
  if not len(notes):
    return np.zeros(0, np.int64), np.zeros(0), 0
  starts = time.bar_starts(notes, int(notes.onset[-1]) + 1)
  changes = time.meter_changes(notes)
  later = [tick for tick, *_ in changes if tick > starts[-1]]
  _, numerator, denominator = changes[len(changes) - len(later) - 1]
  full = -(-4 * notes.ticks_per_beat * numerator // denominator)
  end = min([int(starts[-1]) + full, *later])
  bar = np.searchsorted(starts, notes.onset, side='right') - 1
  length = np.diff(np.append(starts, end))[bar]
  return bar, (notes.onset - starts[bar]) / length, len(starts)


def _cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  """Returns the cosine of each two rows; 1 if both are 0, else 0 if one."""
  product = (a * b).sum(axis=1)
  size = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
  both = (a == 0).all(axis=1) & (b == 0).all(axis=1)
  return np.where(both, 1.0, product / np.where(size > 0, size, 1))


def _mean(table: np.ndarray) -> np.ndarray:
  return np.asarray(table.mean(axis=0))
