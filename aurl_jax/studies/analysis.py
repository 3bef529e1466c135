"""One piece through some studies, as lines of JSON.

A line tells what one study heard in one piece:

    {"key": "0f…", "piece": "a/song.mid", "digest": "9c…", "study": "chords",
     "told": {…}, "features": {…}}

or why it heard nothing: `"error": {"code", "message"}` in place of the last
two. Of a piece that cannot be read there is one line, with the study null.
The key follows from all that the line follows from, so that a line that is
there need not be made again.
"""

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import pathlib
import pickle
import sys
import traceback
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

import aurl_jax
from aurl_jax.core import files
from aurl_jax.core.errors import DataError
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes
from aurl_jax.studies.study import FAULTS, Study, StudyError

VERSION = 1
"""Of the lines; what another version wrote is made anew."""

Music = Notes | bytes | str | os.PathLike[str]
"""A piece, or the MIDI file of one, or where that lies."""


class Item(NamedTuple):
  """A piece of a stream.

  Attributes:
    name: What its lines call it; unique in its stream.
    music: What is heard.
  """

  name: str
  music: Music


class Line(NamedTuple):
  """A line of a file.

  Attributes:
    key: 16 hex digits, of what it follows from.
    text: JSON in ASCII, with the line's end.
    failed: Whether it tells an error.
  """

  key: str
  text: bytes
  failed: bool = False


@dataclasses.dataclass(frozen=True)
class Job:
  """A piece, and what shall be told of it.

  Attributes:
    item: The piece.
    digest: Of its content; '' where it cannot be read.
    keys: Study -> key of its line, in the order of the lines.
    bad: Key of the one line of a piece that cannot be read.
    wanted: Studies whose lines are not there yet.
  """

  item: Item
  digest: str
  keys: Mapping[str, str]
  bad: str
  wanted: tuple[str, ...]

  def alone(self, study: str) -> 'Job':
    """Returns the job of one study."""
    return dataclasses.replace(self, wanted=(study,))

  def line(self, study: str | None, **told: Any) -> Line:
    """Returns a line.

    Raises:
      TypeError, ValueError: `told` holds what is not JSON's own.
    """
    key = self.bad if study is None else self.keys[study]
    row = {'key': key, 'piece': self.item.name, 'digest': self.digest}
    text = json.dumps(row | {'study': study} | told, allow_nan=False)
    return Line(key, text.encode() + b'\n', 'error' in told)

  def failed(self, study: str | None, code: str, message: str) -> Line:
    """Returns a line that tells why there is nothing to tell."""
    return self.line(study, error={'code': code, 'message': message})


def job(item: Item, recipes: Mapping[str, str]) -> Job:
  """Returns all that can be asked of a piece.

  Args:
    item: The piece.
    recipes: Study -> `recipe`.
  """
  digest = _digest(item.music)
  keys = {
    name: _key(item.name, digest, name, made_by)
    for name, made_by in recipes.items()
  }
  bad = _key(item.name, digest, '', _READER)
  return Job(item, digest, keys, bad, tuple(keys))


def recipe(study: Study[Any]) -> str:
  """Returns a digest of a study's class, settings and version.

  Raises:
    StudyError: The study cannot be pickled, and so not be handed to another
      process (code `study.pickle`).
  """
  kind = type(study)
  package = sys.modules.get(kind.__module__.partition('.')[0])
  told = (
    f'{kind.__module__}:{kind.__qualname__} '
    f'{getattr(package, "__version__", "")} {_READER}'
  )
  try:
    settings = pickle.dumps(study, protocol=4)
  except (pickle.PicklingError, AttributeError, TypeError) as error:
    raise StudyError(
      f'study {kind.__qualname__} cannot be handed to workers ({error}); a '
      'study holds plain settings and is of a class that can be imported',
      code='study.pickle',
    ) from error
  return files.digest(told.encode() + settings)


_READER = f'{aurl_jax.__version__} {VERSION}'


def _key(*parts: str) -> str:
  text = json.dumps(parts).encode()
  return hashlib.blake2b(text, digest_size=8).hexdigest()


def _digest(music: Music) -> str:
  """Returns a sha256 of a piece's content, '' where it cannot be read."""
  if isinstance(music, Notes):
    sha = hashlib.sha256()
    for field in dataclasses.fields(music):
      value = getattr(music, field.name)
      plain = isinstance(value, np.ndarray)
      sha.update(value.tobytes() if plain else repr(value).encode())
      sha.update(field.name.encode())
    return sha.hexdigest()
  try:
    return files.digest(music)
  except OSError:
    return ''


def lines(job: Job, studies: Mapping[str, Study[Any]]) -> list[Line]:
  """Returns the lines that a job wants; whatever goes wrong is told in them."""
  try:
    notes = read(job.item)
  except (OSError, ValueError) as error:
    code = getattr(error, 'code', 'unreadable')
    return [job.failed(None, code, str(error))]
  with quiet():
    return [_heard(job, name, studies[name], notes) for name in job.wanted]


def quiet() -> contextlib.AbstractContextManager[Any]:
  """Sends to the error stream what studies print among the results."""
  return contextlib.redirect_stdout(sys.stderr)


def read(item: Item) -> Notes:
  """Returns the music of an item.

  Raises:
    MidiError: There is no music to be had; the code says why.
    DataError: There is not one note (code `no_notes`).
    OSError: It cannot be read.
  """
  music = item.music
  if not isinstance(music, Notes):
    source = music if isinstance(music, bytes) else pathlib.Path(music)
    music = midi.read(source).notes
  if not len(music):
    raise DataError(f'{item.name} has no notes', code='no_notes')
  return music


def _heard(job: Job, name: str, study: Study[Any], notes: Notes) -> Line:
  try:
    found = study.analyse(notes)
    features = {
      feature: number(value) for feature, value in study.features(found).items()
    }
    return job.line(name, told=study.told(found), features=features)
  except FAULTS as error:
    message = f'study {name} failed at {job.item.name}: {fault(error)}'
    return job.failed(name, 'study.failed', message)


def number(value: float) -> float | None:
  """Returns a number as JSON holds it: None for one that is not finite.

  Example:
    >>> number(0.5), number(float('nan'))
    (0.5, None)
  """
  return float(value) if math.isfinite(value) else None


def fault(error: Exception) -> str:
  """Returns what was raised and where, for whoever wrote the study.

  Example:
    >>> try:
    ...   {}['tonic']
    ... except KeyError as error:
    ...   fault(error)
    "KeyError: 'tonic' (..., line 2)"
  """
  last = traceback.extract_tb(error.__traceback__)[-1]
  place = f'{pathlib.Path(last.filename).name}, line {last.lineno}'
  return f'{type(error).__name__}: {error} ({place})'
