"""How music goes on over a bar line: what seams of infilled bars are judged by.

Measures of one bar line, and of a set of them with the band in which those of
real music lie. What is compared across a line are the outer voices and the
time between neighbouring onsets, and of the two bars the number of onsets and
the pitch classes (cosine of bar-wise chroma, as in Wu and Yang,
"MuseMorphose", IEEE/ACM TASLP 2023, section V). The band is of a percentile
bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993,
chapter 13). Axes: `n` bar lines.
"""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float

from aurl_jax.evaluation import structure
from aurl_jax.music.notes import Notes

MEASURES = ('upper', 'lower', 'density', 'wait', 'chroma')
"""Columns of a table of bar lines, see `seam`."""
OCTAVE = 12.0
_CLASSES = 12
Table = Float[np.ndarray, 'n 5']
_STATISTICS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
  'upper': lambda x: np.abs(x[..., 0]),
  'upper_leaps': lambda x: _over(np.abs(x[..., 0]), OCTAVE),
  'lower': lambda x: np.abs(x[..., 1]),
  'lower_leaps': lambda x: _over(np.abs(x[..., 1]), OCTAVE),
  'density': lambda x: np.abs(x[..., 2]),
  'drift': lambda x: x[..., 2],
  'wait': lambda x: x[..., 3],
  'chroma': lambda x: x[..., 4],
}
STATISTICS = tuple(_STATISTICS)
"""Of a set of lines, see `summary`."""


def seam(
  notes: Notes, start: int, line: int, end: int
) -> tuple[float, float, float, float, float]:
  """Returns the `MEASURES` of a bar line.

  `upper` and `lower`: semitones, upwards positive, from the highest (lowest)
  pitch that sounds at the last onset before the line to that at the first one
  behind it. `density`: octaves from the onsets of the bar before, plus one, to
  those of the bar behind, plus one. `wait`: beats between these two onsets.
  `chroma`: cosine of the times that the pitch classes sound in either bar, 1
  if both have none, 0 if one has. Drums have no pitch. What there is none of
  is `nan`.

  Args:
    notes: The piece.
    start: Tick at which the bar before begins.
    line: Tick of the line.
    end: Tick at which the bar behind ends.
  """
  onset = notes.onset
  early, late = onset[onset < line], onset[onset >= line]
  upper = lower = wait = float('nan')
  if len(early) and len(late):
    last, first = int(early.max()), int(late.min())
    wait = (first - last) / notes.ticks_per_beat
    one, other = _sounding(notes, last), _sounding(notes, first)
    if len(one) and len(other):
      upper = float(other.max() - one.max())
      lower = float(other.min() - one.min())
  before = ((onset >= start) & (onset < line)).sum()
  behind = ((onset >= line) & (onset < end)).sum()
  density = float(np.log2((behind + 1) / (before + 1)))
  chroma = _cosine(_chroma(notes, start, line), _chroma(notes, line, end))
  return upper, lower, density, wait, chroma


def lines(notes: Notes, *, rests: bool = True) -> Table:
  """Returns the measures of all bar lines between two bars of a piece.

  Bars are those up to the last onset; of fewer than two there is no line.

  Args:
    notes: The piece.
    rests: Whether lines count beside which is a bar in which nothing begins.
  """
  if not len(notes):
    return np.zeros((0, len(MEASURES)))
  edges = structure.edges(notes)
  count, _ = np.histogram(notes.onset, edges)
  return table(
    [
      seam(notes, *edges[at - 1 : at + 2].tolist())
      for at in range(1, len(count))
      if rests or count[at - 1 : at + 1].all()
    ]
  )


def table(rows: list[tuple[float, float, float, float, float]]) -> Table:
  """Returns what `seam` told of some lines as one table."""
  return np.array(rows, float).reshape(-1, len(MEASURES))


def summary(measures: Table) -> dict[str, float]:
  """Returns the `STATISTICS` of a set of lines.

  Means, over the lines that have the measure: of `upper` and `lower` in size,
  semitones; `upper_leaps` and `lower_leaps`, the shares larger than an octave;
  `density` in size, octaves, and `drift` with its sign, positive where more
  notes follow; `wait`, beats; `chroma`, 0..1. `nan` where no line has it.
  """
  found = _statistics(measures[None])
  return {name: float(found[name][0]) for name in STATISTICS}


def band(
  measures: Table,
  count: int,
  *,
  level: float = 0.95,
  samples: int = 2000,
  seed: int = 0,
) -> dict[str, tuple[float, float]]:
  """Returns within what bounds statistics of so many lines of a corpus lie.

  Args:
    measures: All lines of the corpus, of which sets are drawn at random, with
      replacement.
    count: Lines of a set.
    level: Share of the sets that lie between the bounds of a statistic.
    samples: How many sets are drawn.
    seed: Of the draws, `default_rng(seed).integers(0, n, (samples, count))`.

  Raises:
    ValueError: There is no line, or no such number or level.
  """
  if not len(measures) or count < 1 or samples < 1 or not 0 < level < 1:
    raise ValueError(
      f'{samples} sets of {count} out of {len(measures)} lines, level {level}: '
      'there must be one of each, and the level in (0, 1)'
    )
  draws = np.random.default_rng(seed).integers(
    0, len(measures), (samples, count)
  )
  ends = (1 - level) / 2, (1 + level) / 2
  found = _statistics(measures[draws])
  bounds = {name: np.quantile(part, ends) for name, part in found.items()}
  return {
    name: (float(low), float(high)) for name, (low, high) in bounds.items()
  }


def _statistics(sets: np.ndarray) -> dict[str, np.ndarray]:
  """Returns the statistics of sets of lines, `[s, n, 5]`, each `[s]`."""
  return {name: _means(of(sets)) for name, of in _STATISTICS.items()}


def _means(values: np.ndarray) -> np.ndarray:
  """Returns the mean of each row over what is a number; `nan` for none."""
  there = np.isfinite(values)
  total = np.where(there, values, 0).sum(axis=-1)
  count = there.sum(axis=-1)
  return np.asarray(np.where(count, total / np.maximum(count, 1), np.nan))


def _over(values: np.ndarray, most: float) -> np.ndarray:
  return np.where(np.isfinite(values), values > most, np.nan)


def _sounding(notes: Notes, at: int) -> np.ndarray:
  """Returns the pitches that sound at a tick; a note's end is past it."""
  stop = notes.onset + np.maximum(notes.duration, 1)
  rows = (notes.onset <= at) & (stop > at) & ~notes.is_drum
  return notes.pitch[rows]


def _chroma(notes: Notes, start: int, end: int) -> np.ndarray:
  """Returns how long each pitch class sounds from start to end, `[12]`."""
  stop = np.minimum(notes.onset + notes.duration, end)
  length = np.maximum(stop - np.maximum(notes.onset, start), 0)
  length = np.where(notes.is_drum, 0, length)
  return np.bincount(notes.pitch % _CLASSES, length, _CLASSES)


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
  size = float(np.linalg.norm(one) * np.linalg.norm(other))
  if size:
    return float(one @ other) / size
  return float(not one.any() and not other.any())
