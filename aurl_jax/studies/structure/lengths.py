"""Phrases by the shortest description of a piece.

After Dai, Zhang and Dannenberg, "Automatic Analysis and Influence of
Hierarchical Structure on Melody, Rhythm and Harmony in Popular Music" (CSMC and
MuMe 2020): stretches of bars that match each other are phrases of one letter,
and of all ways to cover a piece with them the one is best that is described
most shortly. As in the program the authors published, each bar of a letter is
described once and each phrase costs a fixed amount; bars that no phrase covers
are described one by one. Matches are ours (similarity of tune, rhythm and
harmony); so is the search, a beam over sets of matching stretches instead of
their A*. Bars without a melody between phrases are a phrase of their own, as
there. Axes: `m` bars, `s` phrases.
"""

import dataclasses
import itertools

import numpy as np

from aurl_jax.studies.structure import alike, evidence
from aurl_jax.studies.structure.views import Views

_WIDTH, _SETS = 160, 160
_SUNG = 0.2
"""Share of a bar from which it counts as sung."""
_LATE = 10 / 16
"""Bars behind the bar line by which a phrase has begun."""
_CLOSE = 4 / 16
"""Bars of a note, and the rest behind it, that may end a phrase."""
_USUAL = 0.3
"""Bars that a set is worth more whose phrases have 4 bars or a multiple of 8,
as in the published program."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shortest:
  """Finds the phrases whose description is shortest.

  The numbers were chosen on training songs of POP909
  (`tools/structure_study.py --tune`).

  Attributes:
    match: Least mean similarity of bars of phrases of one letter, 0..1.
    phrase: What a phrase costs, in bars.
    shortest: Bars of a phrase that may come again, at least.
    longest: And at most.
  """

  match: float = 0.75
  phrase: float = 0.25
  shortest: int = 4
  longest: int = 16

  def find(self, views: Views) -> np.ndarray:
    """Returns the first bar of each phrase, [s] int64; the first one is 0."""
    found = []
    for low, high, first, last in evidence.blocks(len(views)):
      part = self._cover(views[low:high]) + low
      found.append(part[(part >= first) & (part < last)])
    return np.unique(np.concatenate([[0], *found])).astype(np.int64)

  def _cover(self, views: Views) -> np.ndarray:
    """Returns where phrases begin in a block."""
    made = alike.matrices(views)
    matrix = (made['tune'] + made['rhythm'] + made['harmony']) / 3
    spans = self._search(self._sets(matrix, *_edges(views)))
    return _filled(spans, views.sums[:, 4] >= _SUNG)

  def _sets(
    self, matrix: np.ndarray, begins: np.ndarray, ends: np.ndarray
  ) -> list[tuple[float, int, list[tuple[int, int]]]]:
    """Returns sets of stretches: bars saved, their bars as bits, and spans."""
    count, found = len(matrix), {}
    for size in range(self.shortest, min(self.longest, count // 2) + 1):
      mean = alike.along(matrix, 0, size)[
        : count - size + 1, : count - size + 1
      ]
      able = begins[: len(mean)] & ends[size - 1 :]
      mean = np.where(able, mean, 0)
      for first in np.flatnonzero(able).tolist():
        starts = _apart(first, mean[first], size, self.match)
        saved = (len(starts) - 1) * size - (len(starts) - 1) * self.phrase
        closeness = float(mean[first, starts].mean())
        if len(starts) > 1 and saved > 0:
          key = (size, tuple(starts))
          usual = size == 4 or size % 8 == 0
          found[key] = saved * closeness + _USUAL * usual * len(starts)
    best = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:_SETS]
    return [
      (value, _bits(size, starts), [(s, s + size) for s in starts])
      for (size, starts), value in best
    ]

  def _search(
    self, sets: list[tuple[float, int, list[tuple[int, int]]]]
  ) -> list[tuple[int, int]]:
    """Returns the spans of the best compatible sets, by a beam."""
    states: list[tuple[float, int, tuple[int, ...]]] = [(0.0, 0, ())]
    best = states[0]
    while states:
      grown: dict[int, tuple[float, int, tuple[int, ...]]] = {}
      for value, bits, used in states:
        first = used[-1] + 1 if used else 0
        for number in range(first, len(sets)):
          more, mask, _ = sets[number]
          if mask & bits:
            continue
          state = (value + more, bits | mask, (*used, number))
          if state[0] > grown.get(state[1], (-1.0,))[0]:
            grown[state[1]] = state
      states = sorted(grown.values(), reverse=True)[:_WIDTH]
      if states and states[0][0] > best[0]:
        best = states[0]
    return sorted(itertools.chain(*(sets[number][2] for number in best[2])))


def _edges(views: Views) -> tuple[np.ndarray, np.ndarray]:
  """Returns in which bars a phrase may begin, and in which it may end."""
  count = len(views)
  place = np.arange(views.rhythm.shape[1]) / views.rhythm.shape[1]
  line = np.flatnonzero(views.rhythm) / len(place)
  begins = np.asarray(views.rhythm[:, place < _LATE].any(axis=1))
  ends = np.asarray(views.sums[:, 4] < _SUNG)
  if len(line):
    length = np.diff(line, append=count)
    last = np.minimum((line + length - 1e-6).astype(int), count - 1)
    ends[last[length >= _CLOSE]] = True
    ends[line[length >= _CLOSE].astype(int)] = True
  return begins, ends


def _apart(first: int, row: np.ndarray, size: int, match: float) -> list[int]:
  """Returns where stretches like that at `first` begin, none overlapping."""
  chosen = [first]
  able = np.flatnonzero(row >= match)
  for place in able[np.argsort(-row[able], kind='stable')].tolist():
    if all(abs(place - other) >= size for other in chosen):
      chosen.append(place)
  return sorted(chosen)


def _bits(size: int, starts: tuple[int, ...]) -> int:
  """Returns the bars of stretches as bits of a number."""
  return sum(((1 << size) - 1) << start for start in starts)


def _filled(spans: list[tuple[int, int]], sung: np.ndarray) -> np.ndarray:
  """Returns where phrases begin, those between the spans among them."""
  begins, at = {0}, 0
  for low, high in [*spans, (len(sung), len(sung))]:
    turns = at + 1 + np.flatnonzero(np.diff(sung[at:low].astype(int)))
    begins.update(turns.tolist())
    begins.update({at, low, high})
    at = high
  return np.array(sorted(b for b in begins if b < len(sung)), np.int64)
