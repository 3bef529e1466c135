"""Music that a request brings along: notes, or a MIDI file."""

import os
import pathlib

from aurl_jax.generation.errors import RequestError
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes

Music = Notes | str | os.PathLike[str]
"""Notes, or the path of a MIDI file."""


def check(name: str, music: object) -> None:
  """Raises RequestError unless `music`, of a field `name`, can be some."""
  if not isinstance(music, Notes | str | os.PathLike):
    raise RequestError(
      f'the {name} must be Notes or a path of a MIDI file, not {music!r}'
    )


def read(name: str, music: Music) -> Notes:
  """Returns the notes of music.

  Args:
    name: What it is called in messages.
    music: As of the request.

  Raises:
    MidiError: The file holds no music.
    RequestError: There is no such file, or it has no notes (code `name`).
  """
  if not isinstance(music, Notes):
    music = _read(name, pathlib.Path(music))
  if not len(music):
    raise RequestError(f'the {name} has no notes', code=name)
  return music


def _read(name: str, path: pathlib.Path) -> Notes:
  try:
    return midi.read(path).notes
  except OSError as error:
    cause = 'there is no such file' if not path.exists() else error.strerror
    raise RequestError(
      f'the {name} {path} cannot be read: {cause}', code=name
    ) from error
