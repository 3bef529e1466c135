"""Interval n-grams: the words of a melody, whatever its key and speed.

A word is so many steps from note to note: semitones, and how the time to the
next onset compares with the one before (Downie, "Evaluating a simple approach
to music information retrieval: conceiving melodic n-grams as text", PhD thesis,
1999). Axes: `n` notes, `w` words.
"""

import collections

import numpy as np

from aurl_jax.studies.melody.line import Line

RATIOS = (-1.5, -0.5, 0.5, 1.5)
"""Octaves of time between the classes of ratios: much shorter .. longer."""
_BASE, _CLASSES = 49, 5


def intervals(line: Line) -> np.ndarray:
  """Returns semitones from note to note, [n - 1] int64."""
  return np.diff(line.pitch)


def ratios(line: Line) -> np.ndarray:
  """Returns the class of each gap against the one before, [n - 1] int64.

  0 much shorter, 1 shorter, 2 equal, 3 longer, 4 much longer; the first is 2.
  """
  gaps = np.maximum(np.diff(line.onset), 1e-6)
  if not len(gaps):
    return np.zeros(0, np.int64)
  octaves = np.append(0.0, np.diff(np.log2(gaps)))
  return np.searchsorted(RATIOS, octaves, side='right').astype(np.int64)


def words(line: Line, steps: int, *, rhythm: bool = True) -> np.ndarray:
  """Returns the n-grams of a line as numbers, [w] int64, in order of time.

  Equal numbers are equal words; intervals beyond two octaves count as two.

  Args:
    line: The notes.
    steps: Steps of a word, 1..8.
    rhythm: Whether ratios are part of it.

  Raises:
    ValueError: `steps` is out of range.

  Example:
    >>> from aurl_jax.music.notes import Notes
    >>> from aurl_jax.studies.melody import line
    >>> tune = Notes.build(1, {'onset': range(7), 'duration': 1,
    ...                        'pitch': [60, 62, 64, 60, 65, 67, 69]})
    >>> found = words(line.of(tune), 2)
    >>> bool(found[0] == found[4]), len(found)
    (True, 5)
  """
  if not 1 <= steps <= 8:
    raise ValueError(f'a word has 1..8 steps, not {steps}')
  step = np.clip(intervals(line), -24, 24) + 24
  one = step * _CLASSES + ratios(line) if rhythm else step
  many = len(one) - steps + 1
  if many < 1:
    return np.zeros(0, np.int64)
  base = _BASE * (_CLASSES if rhythm else 1)
  rows = np.lib.stride_tricks.sliding_window_view(one, steps)
  # A word stands alone: no step before it tells its first ratio.
  if rhythm:
    rows = rows.copy()
    rows[:, 0] = rows[:, 0] // _CLASSES * _CLASSES + 2
  # Eight steps of both are 63.5 bits.
  return (rows.astype(np.uint64) @ _powers(base, steps)).astype(np.int64)


def _powers(base: int, steps: int) -> np.ndarray:
  return np.array([base**place for place in range(steps)], np.uint64)


def entropy(line: Line, steps: int = 2) -> float:
  """Returns the entropy of a line's intervals n-grams, bits; NaN if none."""
  counts = np.array(
    list(
      collections.Counter(words(line, steps, rhythm=False).tolist()).values()
    ),
    np.float64,
  )
  if not len(counts):
    return float('nan')
  share = counts / counts.sum()
  return float(-(share * np.log2(share)).sum())
