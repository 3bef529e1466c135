"""Pieces as MIREX's tasks of symbolic music generation exchange them, in JSON.

https://www.music-ir.org/mirex/wiki/2025:Symbolic_Music_Generation (piano music
continuation) and 2024 (piano accompaniment of a lead sheet). Notes have `start`
and `duration` in 16ths and `pitch`; bars are of 4/4, the first a pickup bar
that may be empty. A file has one or more of these lists:

| key | of | starts |
|---|---|---|
| `prompt` | 2025: pickup and four bars | 0..79 |
| `generation` | 2025: the twelve bars that follow | 80..271 |
| `melody`, `chords` | 2024: a lead sheet, pickup and eight bars | 0..143 |
| `acc` | 2024: its accompaniment | 0..143 |

Chords have a `symbol` (Harte's syntax, such as `A:min7`) in place of a pitch.
"""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from aurl_jax.core import files
from aurl_jax.core.errors import DataError
from aurl_jax.music import time
from aurl_jax.music.notes import DEFAULT_METER, Notes, Text, Track

CELLS = 4
"""A quarter note's 16ths."""
BAR = 16
_MOST = 20_000
"""Notes of a file."""


class Span(NamedTuple):
  """Where a list's notes may begin, in 16ths: first <= start < stop."""

  first: int
  stop: int


SPANS: Mapping[str, Span] = {
  'prompt': Span(0, 5 * BAR),
  'generation': Span(5 * BAR, 17 * BAR),
  'melody': Span(0, 9 * BAR),
  'acc': Span(0, 9 * BAR),
}
FORMS = ('prompt', 'generation', 'lead_sheet', 'acc')
"""What `write` writes."""


def read(*paths: files.StrPath) -> Notes:
  """Returns the music of one file, or of several that belong together.

  Four ticks a beat, a track a list of notes, named as it; chords are texts of
  the whole piece. Notes are cut where their list ends.

  Args:
    *paths: Such as a prompt and its continuation.

  Raises:
    DataError: A file cannot be read, or is of another form (code `mirex`).
  """
  columns: dict[str, list[int]] = {
    name: [] for name in ('onset', 'duration', 'pitch', 'track')
  }
  tracks: list[Track] = []
  texts: list[Text] = []
  for path in map(pathlib.Path, paths):
    found = _parsed(path)
    for name in (key for key in SPANS if key in found):
      for note in _rows(path, name, found[name], 'pitch'):
        for column, value in zip(columns, (*note, len(tracks)), strict=True):
          columns[column].append(value)
      tracks.append(Track(name))
    for start, _, symbol in _rows(
      path, 'chords', found.get('chords', []), 'symbol'
    ):
      texts.append(Text(start, -1, 'chord', symbol))
  return Notes.build(CELLS, columns, tracks=tracks, texts=texts)


def write(
  notes: Notes, path: files.StrPath, form: str, *, pickup: bool = True
) -> dict[str, Any]:
  """Writes a piece, or the part of it that a form has.

  Onsets are rounded to 16ths; notes last one at least, and end where their
  list does. Drums are left out. A lead sheet's melody is the track `melody`.

  Args:
    notes: The piece, of 4/4.
    path: The JSON file.
    form: One of `FORMS`.
    pickup: Whether the first bar is the pickup; else one is put before.

  Returns:
    What was written.

  Raises:
    DataError: The piece has another meter, or nothing in the place of the form
      (code `mirex`).
  """
  if form not in FORMS:
    raise DataError(f'form {form!r} is none of {FORMS}', code='mirex')
  meters = {change[1:] for change in time.meter_changes(notes)}
  if meters != {DEFAULT_METER}:
    raise _error(path, f'the piece is of {sorted(meters)}, the task of 4/4')
  shift = 0 if pickup else BAR
  name = 'melody' if form == 'lead_sheet' else form
  found: dict[str, Any] = {name: _told(notes, name, form, shift)}
  if not found[name]:
    first, stop = SPANS[name]
    raise _error(
      path, f'the piece has no notes of {name} in 16ths {first}..{stop - 1}'
    )
  if form == 'lead_sheet':
    found['chords'] = _chords(notes, shift)
  files.write_atomic(path, json.dumps(found, indent=1) + '\n')
  return found


def _told(
  notes: Notes, name: str, form: str, shift: int
) -> list[dict[str, int]]:
  """Returns the notes that a list has."""
  scale = CELLS / notes.ticks_per_beat
  start = np.rint(notes.onset * scale).astype(int) + shift
  end = np.rint((notes.onset + notes.duration) * scale).astype(int) + shift
  first, stop = SPANS[name]
  kept = (start >= first) & (start < stop) & ~notes.is_drum
  names = np.array([track.name.lower() for track in notes.tracks])
  melody = names[notes.track] == 'melody' if len(notes) else kept
  if form == 'lead_sheet':
    kept &= melody
  elif form == 'acc':
    kept &= ~melody
  end = np.maximum(np.minimum(end, stop), start + 1)
  rows = np.stack([start, notes.pitch, end - start], 1)[kept].tolist()
  return [
    dict(zip(('start', 'pitch', 'duration'), row, strict=True))
    for row in sorted(rows)
  ]


def _chords(notes: Notes, shift: int) -> list[dict[str, Any]]:
  """Returns the chords, each until the next or the end."""
  told = {
    round(text.tick * CELLS / notes.ticks_per_beat) + shift: text.text
    for text in notes.texts
    if text.kind == 'chord'
  }
  stop = SPANS['melody'].stop
  starts = sorted(start for start in told if start < stop)
  return [
    {'start': start, 'symbol': told[start], 'duration': end - start}
    for start, end in zip(starts, [*starts[1:], stop], strict=False)
  ]


def _parsed(path: pathlib.Path) -> dict[str, Any]:
  try:
    found = json.loads(path.read_text('utf-8'))
  except (OSError, ValueError, RecursionError) as error:
    raise _error(path, f'it cannot be read: {error}') from error
  if not isinstance(found, dict) or not set(found) & set(SPANS):
    raise _error(path, f'it has none of {sorted(SPANS)}')
  return found


def _rows(
  path: pathlib.Path, name: str, rows: Any, value: str
) -> Sequence[tuple[int, int, Any]]:
  """Returns (start, duration, pitch or symbol) of a list."""
  if not isinstance(rows, list) or len(rows) > _MOST:
    raise _error(path, f'{name} is no list of at most {_MOST:,} notes')
  first, stop = SPANS['melody' if name == 'chords' else name]
  found = []
  for number, row in enumerate(rows):
    told = row if isinstance(row, dict) else {}
    start, duration, what = (
      told.get(key) for key in ('start', 'duration', value)
    )
    fits = _whole(start, first, stop - 1) and _whole(duration, 1, 1 << 20)
    fits = fits and (
      _whole(what, 0, 127) if value == 'pitch' else isinstance(what, str)
    )
    if not fits:
      raise _error(
        path,
        f'{name}[{number}] is {row!r:.120}; it needs a start of {first}..'
        f'{stop - 1}, a duration of 1 or more and a {value}',
      )
    assert isinstance(start, int)
    assert isinstance(duration, int)
    found.append((start, min(duration, stop - start), what))
  return found


def _whole(value: Any, least: int, most: int) -> bool:
  return type(value) is int and least <= value <= most


def _error(path: files.StrPath, cause: str) -> DataError:
  return DataError(
    f'{path}: {cause}; see aurl_jax.data.mirex for the form', code='mirex'
  )
