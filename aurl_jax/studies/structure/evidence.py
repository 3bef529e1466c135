"""What tells that a phrase begins at a bar line.

How the melody breathes there, what changes, where stretches that come again
begin and end, and how new the bars behind are. Axes: `m` bars, `f` facts, `l`
notes of the melody.
"""

import numpy as np

from aurl_jax.studies.structure import alike
from aurl_jax.studies.structure.views import Views

BLOCK, _MARGIN = 384, 64
"""Bars that are compared with each other; a longer piece is seen in blocks
that overlap by twice the margin, so that work grows evenly with its length."""
_FAR = 4.0
"""Bars: no silence counts as longer."""
_TOP = 6
_SIZES = (2, 4, 8)
_NEVER = -1.0


def facts(views: Views) -> np.ndarray:
  """Returns all facts of each bar line, [m, f] float64."""
  plain = np.concatenate([gaps(views), changes(views), places(views)], axis=1)
  return np.concatenate([plain, _in_blocks(views)], axis=1)


def repeated(found: dict[str, np.ndarray]) -> np.ndarray:
  """Returns the facts that matrices of `alike.matrices` tell, [m, f]."""
  new = [
    novelty(found[name], size)
    for name in ('all', 'tune', 'harmony', 'texture')
    for size in _SIZES
  ]
  again = [returns(found[name]) for name in ('all', 'tune', 'harmony')]
  return np.concatenate([np.stack(new, axis=1), *again], axis=1)


def _in_blocks(views: Views) -> np.ndarray:
  """Returns `repeated` of a piece of any length."""
  count, parts = len(views), []
  for low, high, first, last in blocks(count):
    part = repeated(alike.matrices(views[low:high]))
    parts.append(part[first - low : last - low])
  return np.concatenate(parts)


def blocks(count: int) -> list[tuple[int, int, int, int]]:
  """Returns blocks of bars: from, to, and which of them are told, from, to.

  Example:
    >>> blocks(100)
    [(0, 100, 0, 100)]
    >>> blocks(700)
    [(0, 384, 0, 320), (256, 640, 320, 576), (512, 700, 576, 700)]
  """
  found, first = [], 0
  while True:
    low = max(0, first - _MARGIN)
    high = min(count, low + BLOCK)
    last = count if high == count else high - _MARGIN
    found.append((low, high, first, last))
    if last == count:
      return found
    first = last


def novelty(matrix: np.ndarray, size: int) -> np.ndarray:
  """Returns Foote's novelty at the start of each bar, [m], -1/2..1/2.

  Similarity within `size` bars before and within `size` behind less that
  between them, tapered (Foote, "Automatic audio segmentation using a measure
  of audio novelty", ICME 2000).
  """
  count = len(matrix)
  place = np.arange(-size, size) + 0.5
  taper = np.exp(-0.5 * (place / (0.5 * size)) ** 2) * np.sign(place)
  kernel = np.outer(taper, taper)
  padded = np.pad(matrix, size, mode='edge')
  shape = (2 * size, 2 * size)
  windows = np.lib.stride_tricks.sliding_window_view(padded, shape)
  found = np.einsum('iiab,ab->i', windows, kernel)[:count]
  return np.asarray(found / np.abs(kernel).sum())


def gaps(views: Views) -> np.ndarray:
  """Returns how the melody breathes at each bar line, [m, 9], in bars.

  Of two windows, mostly before and mostly behind the line: the longest time
  between onsets that ends there, the longest rest, and where it ends. Then the
  time since the last onset, since its end, and to the next onset.
  """
  count = len(views)
  start, end = views.sung[:, 0], views.sung[:, 1]
  found = np.zeros((count, 9))
  if len(start) < 2:
    return found
  line = np.arange(count)
  for column, (low, high) in enumerate([(-0.55, 0.3), (-0.3, 0.55)]):
    part = slice(3 * column, 3 * column + 3)
    found[:, part] = _longest(start, end, line, (low, high))
  behind = np.searchsorted(start, line - 0.001)
  before, sung = behind - 1, behind < len(start)
  found[:, 6] = np.where(before < 0, _FAR, line - start[before])
  found[:, 7] = np.where(before < 0, _FAR, line - end[before])
  after = start[np.minimum(behind, len(start) - 1)] - line
  found[:, 8] = np.where(sung, after, _FAR)
  found[:, 6:] = np.clip(found[:, 6:], -2, _FAR)
  return found


def _longest(
  start: np.ndarray,
  end: np.ndarray,
  line: np.ndarray,
  window: tuple[float, float],
) -> np.ndarray:
  """Returns longest step, longest rest and where that step ends, [m, 3]."""
  begin = start[1:]
  step = np.minimum(np.diff(start), _FAR)
  rest = np.clip(begin - end[:-1], 0, _FAR)
  first = np.searchsorted(begin, line + window[0])
  last = np.searchsorted(begin, line + window[1])
  found = np.zeros((len(line), 3))
  for bar in np.flatnonzero(last > first).tolist():
    here = slice(first[bar], last[bar])
    longest = first[bar] + step[here].argmax()
    found[bar] = step[longest], rest[here].max(), begin[longest] - bar
  return found


def returns(matrix: np.ndarray) -> np.ndarray:
  """Returns how repetition begins and ends at each bar line, [m, f].

  For stretches of 2, 4 and 8 bars: how well those behind and before the line
  are found elsewhere, and how much better the one is found than the other.
  """
  count = len(matrix)
  line = np.arange(count)
  away = np.abs(np.subtract.outer(line, line))
  columns = []
  for size in _SIZES:
    behind, before = alike.along(matrix, 0, size), alike.along(matrix, -size, 0)
    for least in (size, 2 * size):
      columns += _edges(behind, before, away >= least)
    for lag in (size, -size):
      there = line + lag
      inside = (there >= 0) & (there < count)
      near = np.where(inside, behind[line, there.clip(0, count - 1)], 0)
      columns.append(near)
  often = np.where(away >= _SIZES[1], matrix**4, 0).sum(axis=1)
  return np.stack([*columns, np.minimum(often / 10, _FAR)], axis=1)


def _edges(
  behind: np.ndarray, before: np.ndarray, far: np.ndarray
) -> list[np.ndarray]:
  """Returns six facts of where repetition begins and ends, [m] each."""
  rise = np.where(far, behind - before, _NEVER)
  fall = np.where(far, before - behind, _NEVER)
  top = np.zeros((len(rise), _TOP))
  some = min(_TOP, len(rise))
  top[:, :some] = -np.sort(np.partition(-rise, some - 1, axis=1)[:, :some])
  return [
    np.where(far, behind, 0).max(axis=1),
    np.where(far, before, 0).max(axis=1),
    top[:, 0],
    top[:, :3].mean(axis=1),
    top.mean(axis=1),
    fall.max(axis=1),
  ]


def changes(views: Views) -> np.ndarray:
  """Returns sums of bars, and how they change within 1, 2, 4 bars, [m, 20]."""
  sums = views.sums * np.array([0.1, 1, 4, 1, 2])
  total = np.vstack([np.zeros(sums.shape[1]), sums.cumsum(axis=0)])
  count = len(sums)
  line = np.arange(count)
  columns = [sums]
  for size in (1, 2, 4):
    low, high = np.maximum(line - size, 0), np.minimum(line + size, count)
    behind = (total[high] - total[line]) / (high - line)[:, None]
    before = (total[line] - total[low]) / np.maximum(line - low, 1)[:, None]
    columns.append(behind - before)
  return np.concatenate(columns, axis=1)


def places(views: Views) -> np.ndarray:
  """Returns where each bar lies in the piece and its melody, [m, 14].

  The last nine tell whether a number of bars since the piece or its melody
  began is a multiple of 2, 4 and 8.
  """
  count = len(views)
  line = np.arange(count)
  sung = np.flatnonzero(views.sums[:, 4] > 0.2)
  first, last = (sung[0], sung[-1]) if len(sung) else (0, count)
  since = line - first
  columns = [
    line / count,
    np.minimum(line, 16) / 8,
    np.minimum(count - line, 16) / 8,
    np.clip(since, -8, 16) / 8,
    np.clip(last - line, -8, 16) / 8,
  ]
  for period in _SIZES:
    columns += [since % period == 0, (since - 1) % period == 0]
    columns.append(line % period == 0)
  return np.stack([np.asarray(c, np.float64) for c in columns], axis=1)
