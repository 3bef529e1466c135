"""What a listening test came to, as numbers that a report can quote.

Counted are listeners who are through and passed their checks, by the share that
the test fixed before anyone listened; what all who are through say stands
beside it. A listener is what was sampled: of each question each gives one
number (`evaluation.raters`). Pieces are counted the same way beside it, as what
holds for listeners may hold for these pieces only.
"""

from collections.abc import Sequence
from typing import Any

from aurl_jax.core import files
from aurl_jax.core.errors import DataError
from aurl_jax.listening import design, verdicts
from aurl_jax.listening.answers import Answer, Answers
from aurl_jax.listening.design import Test
from aurl_jax.listening.verdicts import Heard


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
    name: verdicts.results(test, _heard(test, answers, codes), seed)
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
