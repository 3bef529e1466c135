"""A listening test for webMUSHRA: a YAML file and the clips.

They are put over a copy of https://github.com/audiolabs/webMUSHRA, by its
manual for experimenters:

    OUT/configs/aurl.yaml
    OUT/configs/resources/audio/aurl/*.wav
    OUT/key.json                              what is behind each condition

Ratings of pieces of one prompt with a reference become `mushra` pages, other
ratings and human or machine `likert_single_stimulus` pages. webMUSHRA compares
two without a reference nowhere (its issue 88), so that A/B becomes a
`likert_multi_stimulus` page, where both are rated, and the higher is preferred.
Attention checks stay here: webMUSHRA knows none.
"""

import json
import pathlib
import shutil
from typing import Any

from aurl_jax.core import files
from aurl_jax.core.errors import DataError
from aurl_jax.listening import design
from aurl_jax.listening.design import REFERENCE, SCALE, Test, Trial

_NAME = 'aurl'
_AUDIO = f'configs/resources/audio/{_NAME}'
_HUMAN = (('human', 'A human'), ('machine', 'A machine'))


def export(folder: files.StrPath, out: files.StrPath) -> dict[str, Any]:
  """Writes a test for webMUSHRA.

  Args:
    folder: The test's.
    out: A folder that is not there yet, or is empty.

  Returns:
    `config`, the file to open as `?config=aurl.yaml`, `pages` and `clips`.

  Raises:
    DataError: There is no such test, a clip is missing (code `bad_test`), or
      `out` has something in it (code `exists`).
  """
  test = design.load(folder)
  home = pathlib.Path(folder).expanduser() / design.CLIPS
  target = pathlib.Path(out).expanduser()
  if target.exists() and (not target.is_dir() or any(target.iterdir())):
    raise DataError(f'{target} is there already', code='exists')
  judged = [trial for trial in test.trials if not trial.check]
  names = sorted({name for trial in judged for name in trial.clips})
  pages = _pages(test, judged)
  with files.atomic_folder(target) as work:
    (work / _AUDIO).mkdir(parents=True)
    for name in names:
      try:
        shutil.copy(home / f'{name}.wav', work / _AUDIO)
      except OSError as error:
        raise DataError(
          f'{home}/{name}.wav cannot be read: {error}', code='bad_test'
        ) from error
    config = work / 'configs' / f'{_NAME}.yaml'
    files.write_atomic(config, yaml(_config(test, pages)))
    key = {
      name: {'system': clip.system, 'piece': clip.piece}
      for name, clip in test.clips.items()
      if name in names
    }
    files.write_atomic(work / 'key.json', json.dumps(key, indent=1) + '\n')
  path = target / 'configs' / f'{_NAME}.yaml'
  return {'config': str(path), 'pages': len(pages), 'clips': len(names)}


def yaml(value: Any, indent: int = 0) -> str:
  """Returns mappings and lists as YAML, in blocks.

  Args:
    value: Of strings, whole numbers and truth values; nothing of it empty.
    indent: Spaces before each line.

  Example:
    >>> told = {'a': [{'b': 'x: y', 'c': True}, ['random']], 'd': 1}
    >>> print(yaml(told), end='')
    "a":
      -
        "b": "x: y"
        "c": true
      -
        - "random"
    "d": 1
  """
  space = ' ' * indent
  lines = []
  if isinstance(value, dict):
    rows = [(f'{_scalar(key)}:', inner) for key, inner in value.items()]
  else:
    rows = [('-', inner) for inner in value]
  for mark, inner in rows:
    if isinstance(inner, dict | list):
      lines.append(f'{space}{mark}\n{yaml(inner, indent + 2)}')
    else:
      lines.append(f'{space}{mark} {_scalar(inner)}\n')
  return ''.join(lines)


def _scalar(value: str | int) -> str:
  """Returns a value; strings quoted, with YAML's own escapes of rare signs."""
  text = json.dumps(value, ensure_ascii=False)
  return ''.join(
    sign if sign.isprintable() else f'\\U{ord(sign):08x}' for sign in text
  )


def _config(test: Test, pages: list[dict[str, Any]]) -> dict[str, Any]:
  first = {
    'type': 'generic',
    'id': 'consent',
    'name': test.title,
    'content': _markup(test.consent),
  }
  last = {
    'type': 'finish',
    'name': 'Thank you',
    'content': 'All your answers are sent when you go on.',
    'showResults': False,
    'writeResults': True,
  }
  return {
    'testname': test.title,
    'testId': _NAME,
    'bufferSize': 2048,
    'stopOnErrors': True,
    'showButtonPreviousPage': False,
    'remoteService': 'service/write.php',
    'pages': [first, ['random', *pages], last],
  }


def _pages(test: Test, judged: list[Trial]) -> list[dict[str, Any]]:
  if test.kind == 'mos':
    matched = _matched(test, judged)
    if matched:
      return [_mushra(test, names) for names in matched]
  return [_likert(test, trial) for trial in judged]


def _matched(test: Test, judged: list[Trial]) -> list[dict[str, str]]:
  """Returns system -> clip of each piece, if all systems have each, or none."""
  by_piece: dict[str, dict[str, str]] = {}
  for trial in judged:
    clip = test.clips[trial.clips[0]]
    by_piece.setdefault(clip.piece, {})[clip.system] = trial.clips[0]
  whole = all(names.keys() == set(test.systems) for names in by_piece.values())
  fits = whole and REFERENCE in test.systems and len(test.systems) > 1
  return list(by_piece.values()) if fits else []


def _mushra(test: Test, names: dict[str, str]) -> dict[str, Any]:
  reference = names[REFERENCE]
  others = [clip for system, clip in names.items() if system != REFERENCE]
  return {
    'type': 'mushra',
    'id': reference,
    'name': 'Music',
    'content': _markup(test.question),
    'showWaveform': False,
    'enableLooping': False,
    # Music has no anchors of low bandwidth.
    'strict': False,
    'createAnchor35': False,
    'createAnchor70': False,
    'randomize': True,
    'showConditionNames': False,
    'reference': _wav(reference),
    'stimuli': {name: _wav(name) for name in others},
  }


def _likert(test: Test, trial: Trial) -> dict[str, Any]:
  rows = tuple((str(n + 1), label) for n, label in enumerate(SCALE))
  if test.kind == 'turing':
    rows = _HUMAN
  kind = 'multi' if test.kind == 'ab' else 'single'
  return {
    'type': f'likert_{kind}_stimulus',
    'id': trial.id,
    'name': 'Music',
    'content': _markup(
      'How good is each?' if test.kind == 'ab' else test.question
    ),
    'mustRate': True,
    'mustPlayback': 'processUpdate',
    'stimuli': {name: _wav(name) for name in trial.clips},
    'response': [{'value': value, 'label': label} for value, label in rows],
  }


def _wav(name: str) -> str:
  return f'{_AUDIO}/{name}.wav'


def _markup(text: str) -> str:
  """Returns text as markup: pages of webMUSHRA are HTML."""
  for sign, name in (('&', 'amp'), ('<', 'lt'), ('>', 'gt')):
    text = text.replace(sign, f'&{name};')
  return text
