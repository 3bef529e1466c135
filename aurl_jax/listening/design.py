"""What a listening test is: its clips, its trials, its rules.

A test is a folder:

    test.json         all of this, the key to what is blinded among it
    clips/ID.wav      excerpts under names that say nothing
    answers.sqlite    what listeners said (`listening.answers`)

Only what `told` has leaves the machine; `test.json` is never served.
"""

import dataclasses
import json
import pathlib
from typing import Any

from aurl_jax.core import coercion, files
from aurl_jax.core.errors import DataError

KINDS = ('ab', 'mos', 'turing')
"""Which of two is preferred; how good one is, 1..5; human or machine."""
REFERENCE = 'reference'
"""The name of the system that is music of people."""
SCALE = ('bad', 'poor', 'fair', 'good', 'excellent')
"""Of 1..5, as in ITU-T P.800."""
CHECKS = ('told', 'spoilt', 'same')
"""The page says what to choose; one excerpt is noise; both are one excerpt."""
FILE, CLIPS, ANSWERS = 'test.json', 'clips', 'answers.sqlite'
VERSION = 1
CONSENT = (
  'You will hear short pieces of music and say what you think of them. Your '
  'answers are kept with a random code and with how long each took. Nothing '
  'else is kept: no name, no address, no recording. You may stop at any time, '
  'and go on later with your code. What you said until then stays, as nobody '
  'can tell whose it is.'
)
QUESTIONS = {
  'ab': 'Which of the two do you like better?',
  'mos': 'How good is this music?',
  'turing': 'Was this music written by a human or by a machine?',
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clip:
  """What is behind a clip's name.

  Attributes:
    system: Whose it is.
    piece: Its name among the pieces of the system.
    file: The file it was cut from.
    seconds: How long it is.
    spoilt: Whether it was turned into noise, for a check.
  """

  system: str
  piece: str
  file: str
  seconds: float
  spoilt: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
  """A question.

  Attributes:
    id: Its name, which says nothing.
    clips: Names of two clips, or of one.
    pair: Which pair of pieces it is about, or which piece; '' for checks.
    check: One of `CHECKS`, or ''.
    right: The answer that passes a check: of `told` as it is given, of others
      the name of a clip, `none`, `machine`, or the highest rating.
    ask: What the page says besides.
  """

  id: str
  clips: tuple[str, ...]
  pair: str = ''
  check: str = ''
  right: str = ''
  ask: str = ''


@dataclasses.dataclass(frozen=True, kw_only=True)
class Test:
  """A listening test.

  Attributes:
    kind: One of `KINDS`.
    title: Of the page.
    question: Asked in each trial.
    consent: What a listener agrees to.
    systems: Their names, in the order of reports.
    clips: Name -> what is behind it.
    trials: In no order that listeners meet.
    practice: Trials whose answers are not kept.
    ties: Whether `no preference` may be answered.
    heard: Share of each clip that must be heard before an answer, 0..1.
    passing: Share of checks that a listener must pass to be counted, 0..1.
    most: Listeners at most.
    loudness: LUFS of all clips.
    synthesiser: What rendered them.
    seed: Of all that was drawn.
    version: Of this form.
  """

  kind: str
  title: str
  question: str
  consent: str
  systems: tuple[str, ...]
  clips: dict[str, Clip]
  trials: tuple[Trial, ...]
  practice: tuple[Trial, ...]
  ties: bool
  heard: float
  passing: float
  most: int
  loudness: float
  synthesiser: str
  seed: int
  version: int = VERSION

  def trial(self, name: str) -> Trial:
    """Returns a trial by its name.

    Raises:
      DataError: There is none (code `trial`).
    """
    for trial in self.trials:
      if trial.id == name:
        return trial
    raise DataError(f'there is no trial {name!r:.40}', code='trial')

  def choices(self) -> tuple[str, ...]:
    """Returns the answers that there are to a trial."""
    if self.kind == 'mos':
      return tuple(str(number + 1) for number in range(len(SCALE)))
    if self.kind == 'turing':
      return 'human', 'machine'
    return ('first', 'second', 'none') if self.ties else ('first', 'second')

  def told(self) -> dict[str, Any]:
    """Returns what the page may know before a listener has begun."""
    return {
      'kind': self.kind,
      'title': self.title,
      'question': self.question,
      'consent': self.consent,
      'choices': list(self.choices()),
      'labels': list(SCALE) if self.kind == 'mos' else [],
      'heard': self.heard,
      'trials': len(self.trials),
      'practice': [shown(trial) for trial in self.practice],
    }


def shown(trial: Trial, *, flipped: bool = False) -> dict[str, Any]:
  """Returns what the page may know of a trial."""
  clips = trial.clips[::-1] if flipped else trial.clips
  urls = [f'{CLIPS}/{name}.wav' for name in clips]
  return {'id': trial.id, 'clips': urls, 'ask': trial.ask}


def passes(trial: Trial, value: str, *, flipped: bool) -> bool:
  """Returns whether an answer to a check is the right one."""
  if trial.check == 'told' or value in ('none', 'human', 'machine'):
    return value == trial.right
  if value in ('first', 'second'):
    return trial.clips[(value == 'second') != flipped] == trial.right
  return int(value) <= int(trial.right)


def save(test: Test, folder: files.StrPath) -> None:
  """Writes `test.json`."""
  text = json.dumps(dataclasses.asdict(test), indent=1) + '\n'
  files.write_atomic(pathlib.Path(folder) / FILE, text)


def load(folder: files.StrPath) -> Test:
  """Reads `test.json`.

  Raises:
    DataError: There is no test in the folder (code `no_test`), or it is damaged
      or of another version (code `bad_test`).
  """
  path = pathlib.Path(folder).expanduser() / FILE
  if not path.is_file():
    raise DataError(
      f'{path.parent} holds no listening test; `aurl listen new` makes one',
      code='no_test',
    )
  try:
    found = json.loads(path.read_text('utf-8'))
    if found['version'] != VERSION:
      raise DataError(
        f'{path} is of version {found["version"]}, this is {VERSION}; make the '
        'test anew',
        code='bad_test',
      )
    return _built(found)
  except (ValueError, KeyError, TypeError) as error:
    if isinstance(error, DataError):
      raise
    raise DataError(
      f'{path} is damaged: {error!r}; make the test anew', code='bad_test'
    ) from error


def _built(found: dict[str, Any]) -> Test:
  clips = {name: Clip(**clip) for name, clip in found['clips'].items()}
  trials, practice = (
    tuple(Trial(**{**t, 'clips': tuple(t['clips'])}) for t in found[name])
    for name in ('trials', 'practice')
  )
  told = {'clips': clips, 'trials': trials, 'practice': practice}
  return Test(**{**found, **told, 'systems': tuple(found['systems'])})


def check_kind(kind: str) -> None:
  """Raises DataError for a kind of test that there is not (code `kind`)."""
  if kind not in KINDS:
    raise DataError(
      f'kind {kind!r}: {coercion.suggest(kind, KINDS)}', code='kind'
    )
