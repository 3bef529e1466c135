"""What answers come to, of each kind of test.

A listener is what was sampled, so each gives one number a question
(`evaluation.raters`); pieces are counted the same way beside it. Axes: `r`
listeners, `u` pairs of pieces, or pieces.
"""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from aurl_jax.evaluation import agreement, preference, raters, statistics
from aurl_jax.evaluation.raters import RatingError
from aurl_jax.listening.design import REFERENCE, Test


class Heard(NamedTuple):
  """An answer that is no check, and what it was about.

  Attributes:
    rater: Whose it is, by number.
    unit: Which pair of pieces, or piece.
    systems: Whose pieces they are, in the order of the test.
    value: Of a choice 1 for the first system, 0 for the second, 0.5 for none; a
      rating; or 1 for `human` and 0 for `machine`.
    shown: The answer as it was given.
  """

  rater: int
  unit: str
  systems: tuple[str, ...]
  value: float
  shown: str


def results(test: Test, heard: Sequence[Heard], seed: int) -> dict[str, Any]:
  """Returns all that answers say, in JSON's own types.

  Args:
    test: What they are of.
    heard: Answers that are no checks, each listener's to each trial.
    seed: Of bootstraps and permutations.

  Returns:
    `listeners`, `answers`, `contrasts`, `agreement`, and what its kind has
    besides; or `why` there is nothing to tell.
  """
  listeners = len({answer.rater for answer in heard})
  if listeners < 2:
    return {'why': f'{listeners} listeners are too few; there must be two'}
  kinds = {'ab': _ab, 'mos': _mos, 'turing': _turing}
  found = kinds[test.kind](test, heard, seed)
  metric = 'ordinal' if test.kind == 'mos' else 'nominal'
  table = _table(heard)
  told = _or_why(lambda: agreement.interval(table, metric, seed=seed))
  if not isinstance(told, dict):
    told = {'alpha': [told.estimate, told.low, told.high], 'metric': metric}
  answers = {'listeners': listeners, 'answers': len(heard)}
  return answers | found | {'agreement': told}


def _ab(test: Test, heard: Sequence[Heard], seed: int) -> dict[str, Any]:
  """Returns preferences of each two systems, strengths, and the side."""
  pairs = list(itertools.combinations(test.systems, 2))
  shares = {
    f'{one} over {other}': [a for a in heard if a.systems == (one, other)]
    for one, other in pairs
  }
  place = {name: number for number, name in enumerate(test.systems)}
  told = preference.Answers(
    np.array([place[a.systems[0]] for a in heard]),
    np.array([place[a.systems[1]] for a in heard]),
    np.array([a.value for a in heard]),
    np.array([a.rater for a in heard]),
  )
  names = list(test.systems)
  sides = [a for a in heard if a.shown != 'none']
  return {
    'contrasts': _preferences(shares, seed),
    'bradley_terry': _or_why(
      lambda: preference.as_dict(preference.strengths(told, len(names)), names)
    ),
    # Of those who prefer either; balanced orders keep it out of the contrasts.
    'chose_first_side': sum(a.shown == 'first' for a in sides)
    / max(1, len(sides)),
  }


def _mos(test: Test, heard: Sequence[Heard], seed: int) -> dict[str, Any]:
  """Returns mean opinions, and the difference of each two systems."""
  groups = _by_system(test, heard)
  found: dict[str, Any] = {'means': _intervals(groups, seed)}
  if len(groups) > 1:
    pairs = {
      f'{one} - {other}': (groups[one], groups[other])
      for one, other in itertools.combinations(test.systems, 2)
    }
    found['contrasts'] = _differences(pairs, seed)
  return found


def _turing(test: Test, heard: Sequence[Heard], seed: int) -> dict[str, Any]:
  """Returns how often each was taken for human, and if it was told apart."""
  groups = _by_system(test, heard)
  people = groups[REFERENCE]
  machines = [name for name in test.systems if name != REFERENCE]
  pairs = {f'{REFERENCE} - {name}': (people, groups[name]) for name in machines}
  return {
    'taken_for_human': _intervals(groups, seed),
    'contrasts': _differences(pairs, seed),
    'detection': {name: _detection(people, groups[name]) for name in machines},
  }


def _by_system(test: Test, heard: Sequence[Heard]) -> dict[str, list[Heard]]:
  return {
    name: [answer for answer in heard if answer.systems == (name,)]
    for name in test.systems
  }


def _detection(
  people: Sequence[Heard], machine: Sequence[Heard]
) -> dict[str, float]:
  """Returns how well music of people is told from a system's."""
  hits = int(sum(answer.value for answer in people))
  wrong = int(sum(answer.value for answer in machine))
  return raters.detection(hits, len(people), wrong, len(machine))._asdict()


def _preferences(
  groups: Mapping[str, Sequence[Heard]], seed: int
) -> dict[str, Any]:
  """Returns shares less a half, by listeners, and by pairs of pieces beside."""
  told = raters.contrasts(
    {name: _by_rater(heard, 0.5) for name, heard in groups.items()}, seed=seed
  )
  found = {}
  for name, each in told.items():
    pieces = _by_piece(groups[name], 0.5)
    beside = _or_why(functools.partial(_judged, pieces))
    found[name] = each.as_dict() | {'by_piece': beside}
  return found


def _differences(
  groups: Mapping[str, tuple[Sequence[Heard], Sequence[Heard]]], seed: int
) -> dict[str, Any]:
  """Returns differences of means, by listeners, and by pieces beside."""
  told = raters.contrasts(
    {
      name: _by_rater(one) - _by_rater(other)
      for name, (one, other) in groups.items()
    },
    seed=seed,
  )
  found = {}
  for name, each in told.items():
    pieces = [_by_piece(heard) for heard in groups[name]]
    beside = _or_why(functools.partial(_judged, *pieces))
    found[name] = each.as_dict() | {'by_piece': beside}
  return found


def _judged(one: np.ndarray, other: np.ndarray | None = None) -> dict[str, Any]:
  """Returns whether means of pieces differ from 0, or from each other."""
  sizes = [len(one)] if other is None else [len(one), len(other)]
  if min(sizes) < 2:
    raise RatingError('one piece alone cannot be tested', code='few_pieces')
  if other is None:
    found = statistics.signed_ranks(one)
  else:
    found = statistics.unpaired(one, other)
  return {**found._asdict(), 'pieces': sizes}


def _by_rater(heard: Sequence[Heard], less: float = 0.0) -> np.ndarray:
  """Returns each listener's mean, less what is expected, `[r]`."""
  return _means([(a.rater, a.value) for a in heard], less)


def _by_piece(heard: Sequence[Heard], less: float = 0.0) -> np.ndarray:
  """Returns each piece's mean, less what is expected, `[u]`."""
  return _means([(a.unit, a.value) for a in heard], less)


def _means(rows: Sequence[tuple[Any, float]], less: float) -> np.ndarray:
  groups: dict[Any, list[float]] = {}
  for group, value in rows:
    groups.setdefault(group, []).append(value - less)
  return np.array([sum(v) / len(v) for _, v in sorted(groups.items())])


def _intervals(
  groups: Mapping[str, Sequence[Heard]], seed: int
) -> dict[str, list[float]]:
  """Returns means over listeners with their intervals."""
  told = raters.contrasts(
    {name: _by_rater(heard) for name, heard in groups.items()}, seed=seed
  )
  return {name: each.as_dict()['mean'] for name, each in told.items()}


def _table(heard: Sequence[Heard]) -> np.ndarray:
  """Returns a row a listener, a column a piece or pair, `[r, u]`."""
  units = {name: n for n, name in enumerate(sorted({a.unit for a in heard}))}
  rows = max(answer.rater for answer in heard) + 1
  table = np.full((rows, len(units)), np.nan)
  for answer in heard:
    table[answer.rater, units[answer.unit]] = answer.value
  return table


def _or_why(told: Callable[[], Any]) -> Any:
  """Returns it, or why there is none."""
  try:
    return told()
  except RatingError as error:
    return {'why': str(error)}
