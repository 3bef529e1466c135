"""What follows what: transitions, patterns and known progressions.

A piece is a sequence of tokens, chords as seen from their key: 'V:7' in any
key is one token. Immediate repetitions are one, and no chord parts a sequence
in two. Axis: `v` tokens of a vocabulary.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from aurl_jax.music import chords as chords_lib
from aurl_jax.studies.chords.finding import Harmony

_DEGREES = (
  'I', 'bII', 'II', 'bIII', 'III', 'IV', '#IV', 'V', 'bVI', 'VI', 'bVII',
  'VII',
)  # fmt: skip

Tokens = tuple[str, ...]

TEMPLATES: dict[str, Tokens] = {
  'authentic cadence': ('V', 'I'),
  'plagal cadence': ('IV', 'I'),
  'deceptive cadence': ('V', 'VI'),
  'two five one': ('II', 'V', 'I'),
  'four five one': ('IV', 'V', 'I'),
  'axis': ('I', 'V', 'VI', 'IV'),
  'sensitive axis': ('VI', 'IV', 'I', 'V'),
  'doo-wop': ('I', 'VI', 'IV', 'V'),
  'royal road': ('IV', 'V', 'III', 'VI'),
  'pachelbel': ('I', 'V', 'VI', 'III', 'IV', 'I', 'IV', 'V'),
  'circle of fifths': ('VI', 'II', 'V', 'I'),
  'andalusian': ('I', 'bVII', 'bVI', 'V'),
  'lament of major': ('I', 'V', 'bVII', 'IV'),
  'backdoor': ('IV', 'bVII', 'I'),
}
"""Known progressions, by roots above the tonic."""


@dataclasses.dataclass(frozen=True)
class Pattern:
  """A progression that returns.

  Attributes:
    tokens: What it is made of.
    count: How often it is heard, overlaps among it.
    pieces: In how many sequences.
  """

  tokens: Tokens
  count: int
  pieces: int


def sequences(harmony: Harmony) -> list[Tokens]:
  """Returns the tokens of a piece, parted by silence.

  Example:
    >>> import numpy as np
    >>> c, g7 = (chords_lib.parse(text).index for text in ('C', 'G7'))
    >>> sequences(Harmony(np.arange(3.), np.arange(1., 4.),
    ...   np.array([c, g7, c]), np.full(3, -1), np.zeros(3, int), np.zeros(1)))
    [('I:maj', 'V:7', 'I:maj')]
  """
  found: list[list[str]] = [[]]
  for index, key in zip(
    harmony.chord.tolist(), harmony.key.tolist(), strict=True
  ):
    chord = chords_lib.from_index(index)
    if chord.root is None:
      found.append([])
      continue
    degree = _DEGREES[(chord.root - max(key, 0)) % 12]
    token = f'{degree}:{chord.quality}'
    if not found[-1] or found[-1][-1] != token:
      found[-1].append(token)
  return [tuple(tokens) for tokens in found if tokens]


def roots(tokens: Sequence[str]) -> Tokens:
  """Returns the degrees alone, each once where it is held.

  Example:
    >>> roots(['II:min', 'V:maj', 'V:7', 'I:maj'])
    ('II', 'V', 'I')
  """
  degrees = [token.partition(':')[0] for token in tokens]
  pairs = zip(['', *degrees], degrees, strict=False)
  return tuple(now for before, now in pairs if now != before)


def transitions(
  pieces: Iterable[Sequence[str]],
) -> tuple[Tokens, np.ndarray]:
  """Returns the vocabulary, and how often each token follows each.

  Returns:
    Tokens, ascending; and [v, v] int64, counts of row then column.
  """
  pieces = [tuple(tokens) for tokens in pieces]
  vocabulary = tuple(sorted({token for tokens in pieces for token in tokens}))
  place = {token: row for row, token in enumerate(vocabulary)}
  counts = np.zeros((len(vocabulary), len(vocabulary)), np.int64)
  for tokens in pieces:
    rows = np.array([place[token] for token in tokens], np.int64)
    np.add.at(counts, (rows[:-1], rows[1:]), 1)
  return vocabulary, counts


def chances(counts: np.ndarray, smooth: float = 0.0) -> np.ndarray:
  """Returns the chance of each successor, [v, v] float64, rows of sum 1.

  A row that was never left is even.

  Args:
    counts: [v, v], of `transitions`.
    smooth: Added to each count (Laplace).
  """
  rows = counts + float(smooth)
  total = rows.sum(axis=1, keepdims=True)
  even = np.full(rows.shape, 1 / max(rows.shape[1], 1))
  return np.where(total > 0, rows / np.maximum(total, 1e-300), even)


def patterns(
  pieces: Sequence[Sequence[str]],
  sizes: Sequence[int] = (2, 3, 4, 5, 6, 7, 8),
  least: int = 2,
) -> list[Pattern]:
  """Returns the progressions that are heard at least so often.

  Only those that tell more than a longer one: a pattern that stands in a
  longer one of the same count is left out (closed sequential patterns: Yan,
  Han and Afshar, "CloSpan", SDM 2003, of runs without gaps). Most frequent
  first, longer first where equal.

  Args:
    pieces: Sequences of tokens.
    sizes: Lengths that are looked at.
    least: Times, 1 or more.
  """
  if least < 1 or any(size < 1 for size in sizes):
    raise ValueError(f'patterns of {tuple(sizes)} tokens, {least} times')
  counts: Counter[Tokens] = Counter()
  homes: Counter[Tokens] = Counter()
  for tokens in pieces:
    runs = [
      tuple(tokens[at : at + size])
      for size in sizes
      for at in range(len(tokens) - size + 1)
    ]
    counts.update(runs)
    homes.update(set(runs))
  kept = {run for run, count in counts.items() if count >= least}
  inner = {
    part
    for run in kept
    for part in (run[1:], run[:-1])
    if counts[part] == counts[run]
  }
  found = [Pattern(run, counts[run], homes[run]) for run in kept - inner]
  return sorted(found, key=lambda p: (-p.count, -len(p.tokens), p.tokens))


def templates(
  pieces: Iterable[Sequence[str]],
  known: dict[str, Tokens] | None = None,
) -> dict[str, int]:
  """Returns how often each known progression is heard, by roots alone.

  Example:
    >>> templates([('II:min7', 'V:7', 'I:maj')])['two five one']
    1
  """
  known = TEMPLATES if known is None else known
  found = dict.fromkeys(known, 0)
  for tokens in pieces:
    degrees = roots(tokens)
    for name, wanted in known.items():
      spots = range(len(degrees) - len(wanted) + 1)
      found[name] += sum(
        degrees[at : at + len(wanted)] == wanted for at in spots
      )
  return found
