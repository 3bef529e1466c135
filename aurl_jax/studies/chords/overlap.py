"""How much of the time two findings agree, as mir_eval counts it.

The weighted overlap of McFee and Raffel et al., "mir_eval: a transparent
implementation of common MIR metrics", ISMIR 2014: of the time whose true chord
a measure can judge, the share where the heard one counts as the same. Chords
that a measure has no name for (a diminished chord among major and minor) are
not judged. Axis: `p` stretches in which neither finding changes.
"""

import numpy as np

from aurl_jax.music import chords as chords_lib
from aurl_jax.studies.chords.finding import Harmony

_FAMILY = {
  'maj': 'maj',
  '7': 'maj',
  'maj7': 'maj',
  'maj6': 'maj',
  'min': 'min',
  'min7': 'min',
  'minmaj7': 'min',
  'min6': 'min',
}
_SEVENTHS = {
  'maj': 'maj',
  'min': 'min',
  'maj7': 'maj7',
  'min7': 'min7',
  '7': '7',
}


def scores(found: Harmony, truth: Harmony) -> dict[str, float]:
  """Returns 'root', 'majmin', 'sevenths' and 'key', 0..1; NaN unjudged.

  Args:
    found: What was heard.
    truth: What people wrote; its range is judged, silence in `found` is no
      chord.
  """
  weight, one, other = pair(found, truth)
  root = [_root(index) for index in range(chords_lib.SIZE)]
  result = {'root': _share(weight, _mapped(root, one), _mapped(root, other))}
  for name, table in (('majmin', _FAMILY), ('sevenths', _SEVENTHS)):
    kinds = [_kind(index, table) for index in range(chords_lib.SIZE)]
    result[name] = _share(weight, _mapped(kinds, one), _mapped(kinds, other))
  weight, one, other = pair(found, truth, keys=True)
  result['key'] = _share(weight, one, other)
  return result


def pair(
  found: Harmony, truth: Harmony, keys: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns seconds of each stretch, and what both say there, [p] each.

  Args:
    found: What was heard; 0 (no chord) or -1 (no key) where it says nothing.
    truth: What is true; stretches that it leaves out are left out.
    keys: Whether keys are told, not chords.
  """
  edges = np.unique(
    np.concatenate([found.starts, found.ends, truth.starts, truth.ends])
  )
  middle = (edges[:-1] + edges[1:]) / 2
  weight = np.diff(edges)
  silent = -1 if keys else 0
  heard = _at(found, found.key if keys else found.chord, middle, silent)
  true = _at(truth, truth.key if keys else truth.chord, middle, -2)
  judged = true > -2
  return weight[judged], heard[judged], true[judged]


def _at(
  harmony: Harmony, values: np.ndarray, times: np.ndarray, silent: int
) -> np.ndarray:
  """Returns the value at each time, `silent` between chords."""
  if not len(harmony):
    return np.full(len(times), silent)
  row = np.searchsorted(harmony.starts, times, side='right') - 1
  inside = (row >= 0) & (times < harmony.ends[np.maximum(row, 0)])
  return np.where(inside, values[np.maximum(row, 0)], silent)


def _root(index: int) -> int:
  """Returns the root as a number, 12 for no chord."""
  root = chords_lib.from_index(index).root
  return 12 if root is None else root


def _kind(index: int, table: dict[str, str]) -> int:
  """Returns root and kind as a number; -1 if the measure has no such kind."""
  chord = chords_lib.from_index(index)
  if chord.root is None:
    return 12
  kind = table.get(chord.quality)
  if kind is None:
    return -1
  return 16 * (1 + sorted(set(table.values())).index(kind)) + chord.root


def _mapped(table: list[int], index: np.ndarray) -> np.ndarray:
  """Returns the table's value of each chord; -1 for what is no chord's."""
  return np.append(np.array(table), -1)[index]


def _share(weight: np.ndarray, heard: np.ndarray, true: np.ndarray) -> float:
  """Returns the share of the judged time in which both are the same."""
  judged = true >= 0
  total = float(weight[judged].sum())
  if total <= 0:
    return float('nan')
  return float(weight[judged & (heard == true)].sum()) / total
