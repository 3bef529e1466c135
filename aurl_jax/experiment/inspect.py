"""Reports on single files: what a reader finds, what tokens keep."""

import os
import pathlib
from typing import Any

from aurl_jax.core import coercion
from aurl_jax.core import config as config_lib
from aurl_jax.core.errors import ConfigError, MidiError, TokenError
from aurl_jax.music import midi
from aurl_jax.music import time as time_lib
from aurl_jax.tokens import ledger as ledger_lib
from aurl_jax.tokens.tokenizer import Tokenizer

_PERFORMANCE = 'aurl_jax.tokens.performance:Performance'
TOKENIZERS: dict[str, dict[str, Any]] = {
  'remi': {'name': 'aurl_jax.tokens.remi:Remi'},
  'compound': {'name': 'aurl_jax.tokens.compound:Compound'},
  'expressive': {
    'name': 'aurl_jax.tokens.compound:Compound',
    'micro': 16,
    'pedal': True,
  },
  'performance': {'name': _PERFORMANCE},
  'performance-drums': {'name': _PERFORMANCE, 'drums': True},
  'grid': {'name': 'aurl_jax.tokens.grid:VoiceGrid'},
}
"""Short name -> config section, for command lines."""


def inspect(path: str | os.PathLike[str]) -> dict[str, Any]:
  """Returns what reading a MIDI file gives, as plain values.

  Keys: `file`, `status` (`ok`, `repaired`, `rejected`), `notes`, `tracks`,
  `seconds`, `issues` and `remarks` (each `code`, `where`, `action`). Issues
  make a file `repaired`, remarks leave it `ok`. A file that holds no music
  is `rejected`, its one issue says why.
  """
  report: dict[str, Any] = {'file': os.fspath(path)}
  try:
    reading = midi.read(pathlib.Path(path))
  except (MidiError, OSError) as error:
    code = getattr(error, 'code', 'unreadable')
    cause = getattr(error, 'strerror', None) or str(error)
    issue = {'code': code, 'where': 'file', 'action': cause}
    empty = {'notes': 0, 'tracks': 0, 'seconds': 0.0}
    told = {'issues': [issue], 'remarks': []}
    return report | {'status': 'rejected'} | empty | told
  return report | {
    'status': 'repaired' if reading.issues else 'ok',
    'notes': len(reading.notes),
    'tracks': len(reading.notes.tracks),
    'seconds': round(time_lib.duration_seconds(reading.notes), 3),
    'issues': [issue._asdict() for issue in reading.issues],
    'remarks': [remark._asdict() for remark in reading.remarks],
  }


def tokenizer_named(name: str) -> Tokenizer:
  """Returns a tokenizer by short name, or by class with its defaults.

  Raises:
    ConfigError: There is no such tokenizer.
  """
  if name not in TOKENIZERS and ':' not in name:
    raise ConfigError(
      f'no tokenizer {name!r}; {coercion.suggest(name, TOKENIZERS)}, or '
      'package.module:Class',
      code='no_tokenizer',
    )
  section = TOKENIZERS.get(name, {'name': name})
  allow = (section['name'].partition(':')[0],)
  return config_lib.build(section, 'tokenizer', allow)


def tokens(path: str | os.PathLike[str], tokenizer: str) -> dict[str, Any]:
  """Returns the number of steps and fields of a file, and its ledger.

  Raises:
    MidiError, TokenError: The file cannot be read, or not be tokenised.
  """
  notes = midi.read(pathlib.Path(path)).notes
  codec = tokenizer_named(tokenizer)
  try:
    ids = codec.encode(notes)
  except TokenError as error:
    raise TokenError(f'{path}: {error}', code=error.code) from error
  ledger = ledger_lib.ledger(codec, notes)
  return {
    'file': os.fspath(path),
    'tokens': int(ids.shape[0]),
    'fields': int(ids.shape[1]),
    'exact': ledger.exact,
    'ledger': ledger.as_dict(),
  }
