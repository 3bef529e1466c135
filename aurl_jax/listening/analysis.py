"""What a listening test came to, as numbers that a report can quote.

Counted are listeners who are through and passed their checks, by the share that
the test fixed before anyone listened; what all who are through say stands
beside it. A listener is what was sampled: of each question each gives one
number (`evaluation.raters`). Pieces are counted the same way beside it, as what
holds for listeners may hold for these pieces only.

Axes: `r` listeners, `u` pairs of pieces, or pieces.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from aurl_jax.core import files
from aurl_jax.core.errors import DataError
from aurl_jax.evaluation import agreement, preference, raters
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
    'contrasts': _contrasts(shares, 0.5, seed),
    'bradley_terry': _or_why(
      lambda: preference.as_dict(preference.strengths(told, len(names)), names)
    ),
    # Of those who prefer either; balanced orders keep it out of the contrasts.
    'chose_first_side': sum(a.shown == 'first' for a in sides)
    / max(1, len(sides)),
  }


def _mos(test: Test, heard: Sequence[Heard], seed: int) -> dict[str, Any]:
  """Returns mean opinions, and the difference of each two systems."""
  by_system = {
    name: _by_rater([a for a in heard if a.systems == (name,)])
    for name in test.systems
  }
  differences = {
    f'{one} - {other}': by_system[one] - by_system[other]
    for one, other in itertools.combinations(test.systems, 2)
  }
  found: dict[str, Any] = {
    'means': {
      name: _interval(values, seed) for name, values in by_system.items()
    }
  }
  if differences:
    told = raters.contrasts(differences, seed=seed)
    found['contrasts'] = {name: each.as_dict() for name, each in told.items()}
  return found


def _turing(test: Test, heard: Sequence[Heard], seed: int) -> dict[str, Any]:
  """Returns how often each was taken for human, and if it was told apart."""
  people = _by_rater([a for a in heard if a.systems == (REFERENCE,)])
  machines = [name for name in test.systems if name != REFERENCE]
  taken = {
    name: _by_rater([a for a in heard if a.systems == (name,)])
    for name in machines
  }
  told = raters.contrasts(
    {f'{REFERENCE} - {name}': people - taken[name] for name in machines},
    seed=seed,
  )
  return {
    'taken_for_human': {
      name: _interval(values, seed)
      for name, values in ({REFERENCE: people} | taken).items()
    },
    'contrasts': {name: each.as_dict() for name, each in told.items()},
    'detection': {name: _detection(heard, name) for name in machines},
  }


def _detection(heard: Sequence[Heard], name: str) -> dict[str, float]:
  """Returns how well music of people is told from a system's."""
  people = [a.value for a in heard if a.systems == (REFERENCE,)]
  machine = [a.value for a in heard if a.systems == (name,)]
  found = raters.detection(
    int(sum(people)), len(people), int(sum(machine)), len(machine)
  )
  return found._asdict()


def _contrasts(
  groups: Mapping[str, Sequence[Heard]], middle: float, seed: int
) -> dict[str, Any]:
  """Returns shares less a half, by listeners, and by pairs of pieces beside."""
  by_rater = {name: _by_rater(heard, middle) for name, heard in groups.items()}
  by_piece = {name: _by_piece(heard, middle) for name, heard in groups.items()}
  told = raters.contrasts(by_rater, seed=seed)
  beside = _or_why(lambda: raters.contrasts(by_piece, seed=seed))
  return {
    name: each.as_dict()
    | {
      'by_piece': beside[name].as_dict()
      if name in beside
      else {'why': beside['why']}
    }
    for name, each in told.items()
  }


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


def _interval(values: np.ndarray, seed: int) -> list[float]:
  """Returns the mean over listeners and its interval."""
  told = raters.contrasts({'mean': values}, seed=seed)['mean']
  return list(told.as_dict()['mean'])


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
