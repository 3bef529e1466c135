"""How varied a set of pieces is: whether it says one thing over and over.

Self-BLEU: Zhu et al., "Texygen: a benchmarking platform for text generation
models", SIGIR 2018, of BLEU as in Papineni et al., "BLEU: a method for
automatic evaluation of machine translation", ACL 2002; distinct n-grams: Li et
al., "A diversity-promoting objective function for neural conversation models",
NAACL 2016. A word is a step of the upper line of a track: its interval and the
time to the next onset, so that transposition changes nothing. Beside each
figure belongs that of the reference. Axes: `n` pieces, `w`
words, `r` rows.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from aurl_jax.evaluation import musical
from aurl_jax.music.notes import Notes

ORDERS = (1, 2, 3, 4)
"""Lengths of the n-grams of BLEU."""
_CELLS = 12
"""Parts of a beat to which times are rounded."""
_LONGEST = 4 * _CELLS
"""Longer times count as this."""

Word = tuple[int, int]
_GAPS = _LONGEST + 1
_INTERVALS = 2 * 127 + 1


class _Grams(NamedTuple):
  """The n-grams of a set, one row of each piece and n-gram, by n-gram.

  Attributes:
    gram: Number of the n-gram, ascending.
    piece: Number of the piece.
    often: How often the piece has it, descending within an n-gram.
  """

  gram: Int[np.ndarray, ' r']
  piece: Int[np.ndarray, ' r']
  often: Int[np.ndarray, ' r']


def words(notes: Notes) -> list[list[Word]]:
  """Returns the words of each track that has some, in order of time.

  Example:
    >>> tune = Notes.build(
    ...   4, {'onset': [0, 4, 6], 'duration': 2, 'pitch': [60, 64, 62]})
    >>> words(tune)
    [[(4, 12), (-2, 6)]]
  """
  return [list(map(tuple, line.tolist())) for line in _lines(notes)]


def _lines(notes: Notes) -> list[Int[np.ndarray, 'w 2']]:
  """Returns the words of each track that has some, as arrays."""
  rows = musical.upper(notes)
  track, onset = notes.track[rows], notes.onset[rows]
  gap = np.rint(np.diff(onset) * (_CELLS / notes.ticks_per_beat)).astype(int)
  steps = np.stack([np.diff(notes.pitch[rows]), gap.clip(max=_LONGEST)], axis=1)
  ends = np.flatnonzero(np.diff(track))
  lines = np.split(steps, np.sort(np.append(ends, ends + 1)))
  # Every other part is the step from one track to the next.
  return [line for line in lines[::2] if len(line)]


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
  texts = [text for text in map(_lines, pieces) if text]
  if len(texts) < 2:
    return math.nan
  sizes = [sum(map(len, text)) for text in texts]
  logs = np.zeros(len(texts))
  for order in orders:
    logs += np.log(_precisions(_grams(texts, order), len(texts)))
  short = [_brevity(size, number, sizes) for number, size in enumerate(sizes)]
  return float(np.mean(np.exp(logs / len(orders)) * short))


def distinct(pieces: Sequence[Notes], order: int = 4) -> float:
  """Returns the share of a set's n-grams that are different, or `nan`."""
  found = _grams(list(map(_lines, pieces)), order)
  total = int(found.often.sum())
  return (int(found.gram[-1]) + 1) / total if total else math.nan


def _grams(texts: Sequence[Sequence[np.ndarray]], order: int) -> _Grams:
  """Returns the n-grams of the words of pieces."""
  lines = [(piece, line) for piece, text in enumerate(texts) for line in text]
  whole = [np.zeros((0, 2), np.int64), *(line for _, line in lines)]
  word = np.concatenate(whole) @ [_GAPS, 1] + (_INTERVALS // 2) * _GAPS
  long = [len(line) for _, line in lines]
  number = np.repeat(np.arange(len(lines)), long)
  gram = word
  for further in range(1, order):
    # Numbers of those that there are stay small, however long n-grams are.
    both = gram[:-1] * (_INTERVALS * _GAPS) + word[further:]
    gram = np.unique(both, return_inverse=True)[1]
  start = len(word) - len(gram)
  inside = number[: len(gram)] == number[start:]
  owner = np.repeat(np.array([p for p, _ in lines], np.int64), long)
  gram, owner = gram[inside], owner[: len(inside)][inside]
  # All n-grams of one piece, once each, with their counts.
  gram = np.unique(gram, return_inverse=True)[1]
  key, count = np.unique(gram * len(texts) + owner, return_counts=True)
  gram, owner = key // max(len(texts), 1), key % max(len(texts), 1)
  by = np.lexsort((-count, gram))
  return _Grams(gram[by], owner[by], count[by])


def _precisions(found: _Grams, pieces: int) -> Float[np.ndarray, ' n']:
  """Returns the share of each piece's n-grams that some other has as often.

  1 of a piece without any; that of none counts as half an n-gram.
  """
  first = np.flatnonzero(np.diff(found.gram, prepend=-1))
  many = np.diff(np.append(first, len(found.gram)))
  next_one = np.minimum(first + 1, max(len(found.gram) - 1, 0))
  second = np.where(many > 1, found.often[next_one], 0)
  # Whoever has most of an n-gram is held against the one behind it.
  other = np.repeat(found.often[first], many)
  other[first] = second
  hits, total = (
    np.bincount(found.piece, weights=rows, minlength=pieces)
    for rows in (np.minimum(found.often, other), found.often)
  )
  return np.where(total > 0, np.maximum(hits, 0.5) / np.maximum(total, 1), 1.0)


def _brevity(size: int, number: int, sizes: list[int]) -> float:
  """Returns what a piece shorter than the nearest other is punished by."""
  nearest = min(_others(sizes, number), key=lambda other: abs(other - size))
  return 1.0 if size >= nearest else math.exp(1 - nearest / size)


def _others(sizes: list[int], number: int) -> Iterator[int]:
  return (size for i, size in enumerate(sizes) if i != number)
