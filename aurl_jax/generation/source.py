"""Music that a request brings along: notes, or a MIDI file."""

import os
import pathlib

from aurl_jax.generation.errors import RequestError
from aurl_jax.music import cut, midi
from aurl_jax.music.notes import Notes

Music = Notes | str | os.PathLike[str]
"""Notes, or the path of a MIDI file."""


def check(name: str, music: object) -> None:
  """Raises RequestError unless `music`, of a field `name`, can be some."""
  if not isinstance(music, Notes | str | os.PathLike):
    raise RequestError(
      f'the {name} must be Notes or a path of a MIDI file, not {music!r}'
    )


def read(name: str, music: Music, bars: tuple[int, int] | None = None) -> Notes:
  """Returns the notes of music.

  Args:
    name: What it is called in messages.
    music: As of the request.
    bars: Those that are meant, the first from 0 and one past the last.

  Raises:
    MidiError: The file holds no music.
    RequestError: There is no such file, or it has no notes, or not so many
      bars (code `name`).
  """
  if not isinstance(music, Notes):
    music = _read(name, pathlib.Path(music))
  if bars is not None:
    try:
      music = cut.slice_bars(music, *bars)
    except cut.TransformError as error:
      raise RequestError(f'the {name}: {error}', code=name) from error
  if not len(music):
    where = '' if bars is None else f' in bars {bars[0]}..{bars[1]}'
    raise RequestError(f'the {name} has no notes{where}', code=name)
  return music


def _read(name: str, path: pathlib.Path) -> Notes:
  try:
    return midi.read(path).notes
  except OSError as error:
    cause = 'there is no such file' if not path.exists() else error.strerror
    raise RequestError(
      f'the {name} {path} cannot be read: {cause}', code=name
    ) from error
