"""What is drawn anew when a piece has failed: a little safer each time.

A piece has failed if the network gave no numbers on its way (`not_finite`), if
its steps were spent before its bars were written (`stalled`), if a rule of a
wish is broken that has to hold (`wish`), or if more notes begin at once than
its request has room for (`crowd`). Each further try has another seed,
a lower temperature and a smaller nucleus, which keeps it nearer to what the
model is sure of (Holtzman et al. 2020, section 3). Of what does not succeed
at all, the try with the fewest faults is kept.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from aurl_jax.generation.constraints import Length
from aurl_jax.generation.decode import Batch, Sample, Writer, check_finite
from aurl_jax.generation.sampling import Sampler

REASONS = ('not_finite', 'stalled', 'wish', 'crowd')
_COOLER = 0.8
"""What the temperature is multiplied with at each try."""
_UNSURE = 0.5
"""The temperature in place of 0: what is greedy would fail in the same way."""
_NUCLEUS = 0.95
"""The share that is kept at the first further try."""
_NARROWER = 0.05
"""How much smaller it is at each one behind it."""


class Retry(NamedTuple):
  """A further try, and why it was made.

  Attributes:
    reason: Of `REASONS`: what was wrong with the try before.
    seed: By which it was drawn.
    temperature: At which it was.
    top_p: The share of the likeliest ids that it was drawn from.
  """

  reason: str
  seed: int
  temperature: float
  top_p: float


class Faults(NamedTuple):
  """How much is wrong with a try; less is better, the first counts most.

  Attributes:
    not_finite: 1 if the network gave no numbers.
    stalled: Steps of its length that it lacks; bars, where they are events.
    wish: How often rules are broken that have to hold.
    crowd: Notes too many where most begin at once.
  """

  not_finite: int = 0
  stalled: int = 0
  wish: int = 0
  crowd: int = 0

  @property
  def reason(self) -> str:
    """What is wrong, of `REASONS`; '' for nothing."""
    wrong = zip(self._fields, self, strict=True)
    return next((name for name, count in wrong if count), '')


class Try(NamedTuple):
  """A piece that was drawn, None where the network gave no numbers.

  Attributes:
    piece: A dataclass with a field `retries`.
    faults: What is wrong with it.
  """

  piece: Any
  faults: Faults


def mend(
  first: Sequence[Try],
  most: Sequence[int],
  again: Callable[[list[int], int], list[tuple[Try, Retry]]],
) -> list[Any]:
  """Returns the best piece of each row, after further tries where it failed.

  Args:
    first: What has been drawn.
    most: How many further tries each row has.
    again: Draws some of the rows anew, given their indices and the number of
      the try. What it tells as the reason is not looked at.

  Raises:
    DecodeError: In no try of a row the network gave numbers.
  """
  rows = [Tries(one, count) for one, count in zip(first, most, strict=True)]
  while due := [row for row, tries in enumerate(rows) if tries.due]:
    # All that are still due have had as many tries.
    for row, (new, how) in zip(due, again(due, rows[due[0]].due), strict=True):
      rows[row].take(new, how)
  return [tries.best() for tries in rows]


class Tries:
  """All tries of one row."""

  def __init__(self, first: Try, most: int) -> None:
    """Takes what has been drawn, and how many further tries there may be."""
    self._best, self._last, self._most = first, first.faults, most
    self._told: tuple[Retry, ...] = ()

  @property
  def due(self) -> int:
    """Number of the next try, from 1 on; 0 for none."""
    attempt = len(self._told) + 1
    return attempt if self._best.faults.reason and attempt <= self._most else 0

  def take(self, new: Try, how: Retry) -> None:
    """Takes a further try; the reason that `how` tells is not looked at."""
    self._told += (how._replace(reason=self._last.reason),)
    self._last = new.faults
    self._best = min(self._best, new, key=lambda one: one.faults)

  def best(self) -> Any:
    """Returns the best piece, which tells its tries.

    Raises:
      DecodeError: In no try the network gave numbers.
    """
    check_finite(np.array([self._best.piece is None], bool))
    return dataclasses.replace(self._best.piece, retries=self._told)


def anew(
  writer: Writer, batch: Batch, attempt: int
) -> tuple[Writer, Batch, Retry]:
  """Returns what writes the one row of a batch anew, and how it does.

  Args:
    writer: What wrote it first.
    batch: The row.
    attempt: Number of the try, from 1 on.
  """
  sampler, seed = safer(writer.sampler, attempt), seed_of(batch.seed, attempt)
  how = Retry('', seed, sampler.temperature, sampler.top_p)
  return (
    dataclasses.replace(writer, sampler=sampler),
    dataclasses.replace(batch, seeds=[seed]),
    how,
  )


def stalled(writer: Writer, sample: Sample) -> int:
  """Returns how much of the length that was asked for a sample lacks."""
  lacks = [0 if sample.ended else 1]
  for rule in writer.constraints:
    if isinstance(rule, Length):
      kind = sample.ids[:, 0]
      counted = (kind >= rule.low) & (kind < rule.high)
      lacks.append(int(rule.most) - int(counted.sum()))
  return max(lacks)


def safer(sampler: Sampler, attempt: int) -> Sampler:
  """Returns how a further try is drawn.

  Args:
    sampler: How the first one was.
    attempt: Number of the try, from 1 on.

  Example:
    >>> found = safer(Sampler(temperature=1.0), 2)
    >>> round(found.temperature, 2), round(found.top_p, 2)
    (0.64, 0.9)
  """
  temperature = sampler.temperature or _UNSURE
  nucleus = max(0.5, _NUCLEUS - _NARROWER * (attempt - 1))
  return dataclasses.replace(
    sampler,
    temperature=float(temperature) * _COOLER**attempt,
    top_p=min(float(sampler.top_p), nucleus),
  )


def seed_of(seed: int, attempt: int) -> int:
  """Returns the seed of a further try, which no neighbour of `seed` has.

  Args:
    seed: Of the first one.
    attempt: Number of the try, from 1 on.

  Example:
    >>> seed_of(7, 1) == seed_of(7, 1), seed_of(7, 1) == seed_of(7, 2)
    (True, False)
  """
  drawn = np.random.SeedSequence([seed, attempt]).generate_state(1, np.uint64)
  return int(drawn[0]) >> 1
