"""Pieces that are told as frames: four voices, a pitch each 16th, in JSON.

The form of Boulanger-Lewandowski et al., "Modeling temporal dependencies in
high-dimensional sequences", ICML 2012, as later work on chorales shares it:
a list of pieces, each a list of frames, each four MIDI pitches from soprano to
bass, -1 for a rest. It tells no strikes: equal pitches in a row are one note.
"""

import json
import pathlib

import numpy as np

from aurl_jax.core import files
from aurl_jax.core.errors import DataError
from aurl_jax.music.notes import Notes, Track

VOICES = ('Soprano', 'Alto', 'Tenor', 'Bass')
_CELLS = 4


def read(path: files.StrPath) -> list[Notes]:
  """Returns the pieces of a file, a track a voice.

  Raises:
    DataError: The file cannot be read, or is of another form (code `frames`).
  """
  path = pathlib.Path(path)
  try:
    pieces = json.loads(path.read_text('utf-8'))
  except (OSError, ValueError) as error:
    raise _error(path, f'it cannot be read: {error}') from error
  if not isinstance(pieces, list) or not pieces:
    raise _error(path, 'it holds no list of pieces')
  return [_piece(path, number, rows) for number, rows in enumerate(pieces)]


def notes_of(frames: np.ndarray) -> Notes:
  """Returns a piece of frames, int `[time, 4]`, 16ths; -1 is silence.

  Example:
    >>> rows = np.array([[72, 67, 64, 48], [72, 67, 62, -1]])
    >>> notes_of(rows).duration.tolist()
    [2, 2, 1, 1, 1]
  """
  columns: dict[str, list[int]] = {
    name: [] for name in ('onset', 'duration', 'pitch', 'track')
  }
  for voice, line in enumerate(np.asarray(frames).T):
    starts = np.flatnonzero(np.append(True, line[1:] != line[:-1]))
    lengths = np.diff(np.append(starts, len(line)))
    some = line[starts] >= 0
    columns['onset'] += starts[some].tolist()
    columns['duration'] += lengths[some].tolist()
    columns['pitch'] += line[starts][some].tolist()
    columns['track'] += [voice] * int(some.sum())
  tracks = [Track(name) for name in VOICES]
  return Notes.build(_CELLS, columns, tracks=tracks)


def _piece(path: pathlib.Path, number: int, rows: object) -> Notes:
  try:
    frames = np.array(rows)
  except ValueError:
    frames = np.zeros(0)
  fits = frames.ndim == 2 and frames.shape[1] == len(VOICES)
  if not fits or frames.dtype.kind not in 'iu':
    raise _error(path, f'piece {number} is no list of four whole numbers each')
  if frames.min() < -1 or frames.max() > 127:
    raise _error(path, f'piece {number} has pitches outside -1..127')
  return notes_of(frames)


def _error(path: pathlib.Path, cause: str) -> DataError:
  return DataError(
    f'{path}: {cause}; give a list of pieces, each a list of frames of four '
    'pitches (-1 for a rest), or a folder of MIDI files',
    code='frames',
  )
