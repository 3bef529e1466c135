"""What a listening test came to, as numbers that a report can quote.

Counted are listeners who are through and passed their checks, by the share that
the test fixed before anyone listened; what all who are through say stands
beside it. A listener is what was sampled: of each question each gives one
number (`evaluation.raters`). Pieces are counted the same way beside it, as what
holds for listeners may hold for these pieces only.

Axes: `r` listeners, `u` pairs of pieces, or pieces.
"""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from aurl_jax.core import files
from aurl_jax.core.errors import DataError
from aurl_jax.evaluation import agreement, preference, raters, statistics
from aurl_jax.evaluation.raters import RatingError
from aurl_jax.listening import design
from aurl_jax.listening.answers import Answer, Answers
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


def analyze(folder: files.StrPath, *, seed: int = 0) -> dict[str, Any]:
  """Returns what listeners said of the test in a folder.

  Args:
    folder: The test's.
    seed: Of bootstraps and permutations.

  Returns:
    JSON's own types, no NaN: `test`, `listeners`, `checks`, `results` of those
    who are counted, and `everyone` of all who are through, the same. What
    cannot be told has a `why` in its place.

  Raises:
    DataError: There is no such test, or nobody is through (code `no_answers`).
    AnswerError: The answers are of another test, or damaged.
  """
  kept = Answers.open_in(folder)
  test = kept.test
  answers, known = kept.all()
  through = [code for code, finished in known.items() if finished]
  if not through:
    raise DataError(
      f'{folder}: {len(known)} listeners began and none is through; there is '
      'nothing to analyse yet',
      code='no_answers',
    )
  passed = _passed(test, answers)
  counted = [c for c in through if passed.get(c, 1.0) >= test.passing]
  results = {
    name: _results(test, _heard(test, answers, codes), seed)
    for name, codes in (('results', counted), ('everyone', through))
  }
  return {
    'test': _described(test),
    'listeners': {
      'began': len(known),
      'through': len(through),
      'counted': len(counted),
      'failed_checks': len(through) - len(counted),
    },
    'checks': _checks(test, [a for a in answers if a.code in through]),
    **results,
  }


def _described(test: Test) -> dict[str, Any]:
  judged = sum(not trial.check for trial in test.trials)
  return {
    'kind': test.kind,
    'title': test.title,
    'question': test.question,
    'systems': list(test.systems),
    'trials': judged,
    'checks': len(test.trials) - judged,
    'passing': test.passing,
    'loudness': test.loudness,
    'synthesiser': test.synthesiser,
    'seed': test.seed,
  }


def _passed(test: Test, answers: Sequence[Answer]) -> dict[str, float]:
  """Returns the share of checks that each listener passed."""
  found: dict[str, list[bool]] = {}
  for answer in answers:
    trial = test.trial(answer.trial)
    if trial.check:
      right = design.passes(trial, answer.value, flipped=answer.flipped)
      found.setdefault(answer.code, []).append(right)
  return {code: sum(told) / len(told) for code, told in found.items()}


def _checks(test: Test, answers: Sequence[Answer]) -> dict[str, Any]:
  """Returns how often checks of each kind were passed."""
  found: dict[str, list[bool]] = {}
  for answer in answers:
    trial = test.trial(answer.trial)
    if trial.check:
      right = design.passes(trial, answer.value, flipped=answer.flipped)
      found.setdefault(trial.check, []).append(right)
  return {
    name: {'answers': len(told), 'passed': sum(told)}
    for name, told in found.items()
  }


def _heard(
  test: Test, answers: Sequence[Answer], codes: Sequence[str]
) -> list[Heard]:
  """Returns the answers of some listeners that are no checks."""
  number = {code: place for place, code in enumerate(codes)}
  found = []
  for answer in answers:
    trial = test.trial(answer.trial)
    if answer.code not in number or trial.check:
      continue
    systems = tuple(test.clips[name].system for name in trial.clips)
    value = _value(answer)
    found.append(
      Heard(number[answer.code], trial.pair, systems, value, answer.value)
    )
  return found


def _value(answer: Answer) -> float:
  named = {'none': 0.5, 'human': 1.0, 'machine': 0.0}
  if answer.value in named:
    return named[answer.value]
  if answer.value in ('first', 'second'):
    return float((answer.value == 'first') != answer.flipped)
  return float(answer.value)


def _results(test: Test, heard: Sequence[Heard], seed: int) -> dict[str, Any]:
  """Returns all that answers say; or why they say nothing."""
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
