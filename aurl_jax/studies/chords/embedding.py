"""Chords as vectors: near where they are used alike.

`of_counts` factors the positive pointwise mutual information of neighbours
(Levy and Goldberg, "Neural word embedding as implicit matrix factorization",
NIPS 2014); `learned` fits a skip-gram (Mikolov et al., "Efficient estimation
of word representations in vector space", 2013; for chords Madjiheurem, Qu and
Walder, "Chord2Vec", NIPS workshop 2016). The vocabulary of chords is so small
that the skip-gram's softmax is not sampled and each step sees all pairs.
Axes: `v` tokens, `d` dimensions.
"""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

_TINY = 1e-12


@dataclasses.dataclass(frozen=True, eq=False)
class Embedding:
  """Tokens and where they lie.

  Attributes:
    tokens: The vocabulary.
    vectors: [v, d] float64.
  """

  tokens: tuple[str, ...]
  vectors: np.ndarray

  def likeness(self, one: str, other: str) -> float:
    """Returns the cosine of two tokens, -1..1.

    Raises:
      KeyError: A token is not in the vocabulary.
    """
    a, b = self._row(one), self._row(other)
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), _TINY))

  def nearest(self, token: str, count: int = 5) -> list[tuple[str, float]]:
    """Returns the tokens used most alike, and their cosines."""
    others = [other for other in self.tokens if other != token]
    ranked = [(other, self.likeness(token, other)) for other in others]
    return sorted(ranked, key=lambda pair: (-pair[1], pair[0]))[:count]

  def _row(self, token: str) -> np.ndarray:
    if token not in self.tokens:
      raise KeyError(f'{token!r} is none of the {len(self.tokens)} tokens')
    return np.asarray(self.vectors[self.tokens.index(token)])


def neighbours(
  pieces: Iterable[Sequence[str]], window: int = 2
) -> tuple[tuple[str, ...], np.ndarray]:
  """Returns the vocabulary and how often tokens stand near each other.

  Args:
    pieces: Sequences of tokens.
    window: How far to either side, 1 or more.

  Returns:
    Tokens, ascending; and [v, v] float64, symmetric.
  """
  if window < 1:
    raise ValueError(f'a window is 1 or more tokens, not {window}')
  pieces = [tuple(tokens) for tokens in pieces]
  vocabulary = tuple(sorted({token for tokens in pieces for token in tokens}))
  place = {token: row for row, token in enumerate(vocabulary)}
  counts = np.zeros((len(vocabulary), len(vocabulary)))
  for tokens in pieces:
    rows = np.array([place[token] for token in tokens], np.int64)
    for step in range(1, window + 1):
      np.add.at(counts, (rows[:-step], rows[step:]), 1)
      np.add.at(counts, (rows[step:], rows[:-step]), 1)
  return vocabulary, counts


def information(counts: np.ndarray, shift: float = 0.0) -> np.ndarray:
  """Returns the positive pointwise mutual information, [v, v], in nats.

  Args:
    counts: [v, v] of `neighbours`.
    shift: Taken off before what is negative becomes 0.
  """
  total = max(float(counts.sum()), _TINY)
  expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / total
  some = counts > 0
  ratio = np.where(some, counts, 1) / np.where(some, expected, 1)
  return np.where(some, np.maximum(np.log(ratio) - shift, 0), 0.0)


def of_counts(
  pieces: Iterable[Sequence[str]], size: int = 8, window: int = 2
) -> Embedding:
  """Returns the embedding by the information of neighbours.

  Args:
    pieces: Sequences of tokens.
    size: Dimensions; at most as many as tokens.
    window: See `neighbours`.
  """
  tokens, counts = neighbours(pieces, window)
  if not tokens:
    return Embedding((), np.zeros((0, size)))
  left, values, _ = np.linalg.svd(information(counts))
  kept = min(size, len(tokens))
  return Embedding(tokens, left[:, :kept] * np.sqrt(values[:kept]))


def learned(
  pieces: Iterable[Sequence[str]],
  size: int = 8,
  window: int = 2,
  *,
  steps: int = 400,
  seed: int = 0,
) -> Embedding:
  """Returns the embedding of a skip-gram, fitted by Adam.

  Args:
    pieces: Sequences of tokens.
    size: Dimensions.
    window: See `neighbours`.
    steps: Of fitting; each sees all pairs.
    seed: Of where it begins.
  """
  tokens, counts = neighbours(pieces, window)
  random = np.random.default_rng(seed)
  shape = (2, len(tokens), size)
  vectors = random.normal(0, 0.3, shape)
  mean, square = np.zeros(shape), np.zeros(shape)
  for step in range(1, steps + 1):
    slope = _slope(vectors, counts) + 1e-4 * vectors
    mean = 0.9 * mean + 0.1 * slope
    square = 0.99 * square + 0.01 * slope**2
    spread = np.sqrt(square / (1 - 0.99**step)) + 1e-8
    vectors = vectors - 0.03 * mean / (1 - 0.9**step) / spread
  return Embedding(tokens, vectors[0])


def _slope(vectors: np.ndarray, counts: np.ndarray) -> np.ndarray:
  """Returns the slope of the mean loss of all pairs, [2, v, d]."""
  inner, outer = vectors
  scores = inner @ outer.T
  scores = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-700))
  chance = scores / np.maximum(scores.sum(axis=1, keepdims=True), _TINY)
  error = chance * counts.sum(axis=1, keepdims=True) - counts
  error /= max(float(counts.sum()), 1.0)
  return np.stack([error @ outer, error.T @ inner])
