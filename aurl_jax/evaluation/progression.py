"""How usual a piece's progressions are, by a model of those of a corpus.

Chords are heard by the study of chords and told from their local key: 'V:7' is
the same chord in all keys (`studies.chords.progressions`). The model is of
n-grams, smoothed by interpolation as Witten and Bell do ("The zero-frequency
problem", IEEE Transactions on Information Theory 1991, method C; interpolated:
Chen and Goodman, "An empirical study of smoothing techniques for language
modeling", 1999, section 2.5), down to an even chance of all chords, so that no
chord is impossible. A chord follows a change, so none follows itself. Axes: `h`
chords before.
"""

import dataclasses
import functools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from aurl_jax.music import chords as chords_lib
from aurl_jax.music.notes import Notes
from aurl_jax.studies import chords
from aurl_jax.studies.chords import progressions

ORDER = 3
"""Chords of an n-gram: two before the one that is told."""
CHORDS = 12 * len(chords_lib.QUALITIES)
"""Chords that there are, above a key."""
_START = ''
Tokens = tuple[str, ...]
Counts = Mapping[Tokens, Mapping[str, int]]
"""What comes before -> what follows -> how often."""


def of(notes: Notes) -> list[Tokens]:
  """Returns the chords of a piece, parted where there are none."""
  found = _listener().analyse(notes)
  return progressions.sequences(found)


@functools.cache
def _listener() -> chords.Chords:
  return chords.Chords()


@dataclasses.dataclass(frozen=True)
class Progressions:
  """A model of what follows what.

  Attributes:
    counts: Of n-grams of all lengths up to `order`.
    order: Chords of the longest.
  """

  counts: Counts
  order: int = ORDER

  def nats(self, sequences: Sequence[Tokens], *, own: bool = False) -> float:
    """Returns the mean cost of a chord, in nats; `nan` where there is none.

    Args:
      sequences: Of a piece, as of `of`.
      own: Whether they are of the pieces that the model is of: it is then told
        as if it had not known this one (leave-one-out).
    """
    less = counted(sequences, self.order) if own else {}
    costs = [
      -math.log(self._chance(word, before, less))
      for tokens in sequences
      for before, word in _steps(tokens, self.order)
    ]
    return sum(costs) / len(costs) if costs else math.nan

  def chance(self, word: str, before: Tokens) -> float:
    """Returns how likely a chord is after others, above 0 and at most 1.

    Args:
      word: A chord, such as 'V:7'.
      before: Chords in a row, the last one last; a piece begins after ''.
    """
    return self._chance(word, before[-(self.order - 1) :], {})

  def _chance(self, word: str, before: Tokens, less: Counts) -> float:
    # From no context to the whole one.
    found = 1 / CHORDS
    for known in range(len(before) + 1):
      context = before[len(before) - known :]
      rest, own = self.counts.get(context, {}), less.get(context, {})
      left = {w: n - own.get(w, 0) for w, n in rest.items()}
      total = sum(left.values())
      kinds = sum(n > 0 for n in left.values())
      if total:
        found = (left.get(word, 0) + kinds * found) / (total + kinds)
    return found


def fit(pieces: Iterable[Sequence[Tokens]], order: int = ORDER) -> Progressions:
  """Returns the model of a corpus.

  Args:
    pieces: The chords of each, as of `of`.
    order: Chords of an n-gram, at least 1.

  Raises:
    ValueError: The order is below 1.

  Example:
    >>> cadence = ('II:min7', 'V:7', 'I:maj')
    >>> model = fit([[cadence]] * 50)
    >>> model.chance('I:maj', ('II:min7', 'V:7')) > 0.9
    True
    >>> model.nats([cadence]) < model.nats([cadence[::-1]])
    True
  """
  if order < 1:
    raise ValueError(f'an n-gram has 1 chord or more, not {order}')
  total: dict[Tokens, Counter[str]] = defaultdict(Counter)
  for sequences in pieces:
    for context, row in counted(sequences, order).items():
      total[context].update(row)
  return Progressions(dict(total), order)


def counted(
  sequences: Sequence[Tokens], order: int
) -> dict[Tokens, Counter[str]]:
  """Returns what follows what in a piece, for all contexts below `order`."""
  found: dict[Tokens, Counter[str]] = defaultdict(Counter)
  for tokens in sequences:
    for before, word in _steps(tokens, order):
      for known in range(len(before) + 1):
        found[before[len(before) - known :]][word] += 1
  return dict(found)


def _steps(tokens: Tokens, order: int) -> list[tuple[Tokens, str]]:
  """Returns each chord with those before it, '' before the first."""
  padded = (_START,) * (order - 1) + tuple(tokens)
  return [(padded[at : at + order - 1], word) for at, word in enumerate(tokens)]
