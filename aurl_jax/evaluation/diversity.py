"""How varied a set of pieces is: whether it says one thing over and over.

Self-BLEU: Zhu et al., "Texygen: a benchmarking platform for text generation
models", SIGIR 2018, of BLEU as in Papineni et al., "BLEU: a method for
automatic evaluation of machine translation", ACL 2002; distinct n-grams: Li et
al., "A diversity-promoting objective function for neural conversation models",
NAACL 2016. A word is a step of the upper line of a track: its interval and the
time to the next onset, so that transposition changes nothing. Beside each
figure belongs that of the reference. Axes: `n` pieces.
"""

import collections
import math
from collections.abc import Iterator, Sequence

import numpy as np

from aurl_jax.evaluation import musical
from aurl_jax.music.notes import Notes

ORDERS = (1, 2, 3, 4)
"""Lengths of the n-grams of BLEU."""
_CELLS = 12
"""Parts of a beat to which times are rounded."""
_LONGEST = 4 * _CELLS
"""Longer times count as this."""

Word = tuple[int, int]
Counts = collections.Counter[tuple[Word, ...]]


def words(notes: Notes) -> list[list[Word]]:
  """Returns the words of each track that has some, in order of time.

  Example:
    >>> tune = Notes.build(
    ...   4, {'onset': [0, 4, 6], 'duration': 2, 'pitch': [60, 64, 62]})
    >>> words(tune)
    [[(4, 12), (-2, 6)]]
  """
  rows = musical.upper(notes)
  track, onset = notes.track[rows], notes.onset[rows]
  gap = np.rint(np.diff(onset) * (_CELLS / notes.ticks_per_beat)).astype(int)
  steps = np.stack([np.diff(notes.pitch[rows]), gap.clip(max=_LONGEST)], axis=1)
  ends = np.flatnonzero(np.diff(track))
  lines = np.split(steps, np.sort(np.append(ends, ends + 1)))
  # Every other part is the step from one track to the next.
  return [list(map(tuple, line.tolist())) for line in lines[::2] if len(line)]


def self_bleu(pieces: Sequence[Notes], orders: Sequence[int] = ORDERS) -> float:
  """Returns how much pieces repeat each other, 0..1; 1 if all are one.

  The mean BLEU of each piece against all others; `nan` with fewer than two
  that have a word. Precisions of 0 count as half an n-gram (Chen and Cherry, "A
  systematic comparison of smoothing techniques for sentence-level BLEU", WMT
  2014, method 1).

  Args:
    pieces: The set.
    orders: Lengths of n-grams, which count alike.
  """
  texts = [text for text in map(words, pieces) if text]
  if len(texts) < 2:
    return math.nan
  sizes = [sum(map(len, text)) for text in texts]
  logs = np.zeros(len(texts))
  for order in orders:
    counts = [_counts(text, order) for text in texts]
    best = _largest(counts)
    logs += [
      math.log(_precision(own, number, best))
      for number, own in enumerate(counts)
    ]
  short = [_brevity(size, number, sizes) for number, size in enumerate(sizes)]
  return float(np.mean(np.exp(logs / len(orders)) * short))


def distinct(pieces: Sequence[Notes], order: int = 4) -> float:
  """Returns the share of a set's n-grams that are different, or `nan`."""
  total: Counts = collections.Counter()
  for notes in pieces:
    total += _counts(words(notes), order)
  count = sum(total.values())
  return len(total) / count if count else math.nan


def _counts(text: list[list[Word]], order: int) -> Counts:
  return collections.Counter(
    tuple(line[i : i + order])
    for line in text
    for i in range(len(line) - order + 1)
  )


def _largest(
  counts: Sequence[Counts],
) -> dict[tuple[Word, ...], tuple[int, int, int]]:
  """Returns of each n-gram the largest count, whose it is, and the next one."""
  best: dict[tuple[Word, ...], tuple[int, int, int]] = {}
  for number, own in enumerate(counts):
    for gram, count in own.items():
      most, holder, second = best.get(gram, (0, -1, 0))
      if count > most:
        best[gram] = (count, number, most)
      elif count > second:
        best[gram] = (most, holder, count)
  return best


def _precision(
  own: Counts,
  number: int,
  best: dict[tuple[Word, ...], tuple[int, int, int]],
) -> float:
  """Returns the share of a piece's n-grams that some other has as often."""
  total = sum(own.values())
  if not total:
    return 1.0
  hits = 0
  for gram, count in own.items():
    most, holder, second = best[gram]
    hits += min(count, second if holder == number else most)
  return max(hits, 0.5) / total


def _brevity(size: int, number: int, sizes: list[int]) -> float:
  """Returns what a piece shorter than the nearest other is punished by."""
  nearest = min(_others(sizes, number), key=lambda other: abs(other - size))
  return 1.0 if size >= nearest else math.exp(1 - nearest / size)


def _others(sizes: list[int], number: int) -> Iterator[int]:
  return (size for i, size in enumerate(sizes) if i != number)
