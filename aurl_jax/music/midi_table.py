"""What the tracks of a file play, as the columns and tables of `Notes`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from aurl_jax.music import events
from aurl_jax.music.midi_split import BEND, Played
from aurl_jax.music.notes import Notes, Text, Track

_EMPTY = {
  name: events.as_table((), dtype) for name, dtype in events.TABLES.items()
}


def build(
  ticks_per_beat: int,
  played: Sequence[Played],
  tracks: Sequence[Track],
  tables: Mapping[str, Sequence[Any]],
  *,
  texts: Iterable[Text] = (),
  title: str = '',
) -> Notes:
  """Returns a piece; what is in range by how it was read is not checked.

  Args:
    ticks_per_beat: Ticks in a quarter note.
    played: What each track of the file plays; their parts are numbered one
      behind the other.
    tracks: One for each part.
    tables: Rows of `tempos`, `meters` and `keys`.
    texts: Lyrics, markers, chord symbols.
    title: Name of the piece.
  """
  notes, changes = _joined(played)
  onset, track, pitch, duration, velocity = notes
  if len(onset):
    onset, track, pitch, duration, velocity = events.sort_columns(
      onset, track, pitch, duration, velocity
    )
  controls, bends = _changes(changes)
  return Notes.trusted(
    ticks_per_beat=ticks_per_beat,
    onset=onset,
    duration=duration,
    pitch=pitch,
    velocity=velocity,
    track=track,
    **events.of_tracks(track, tracks),
    tracks=tuple(tracks),
    texts=tuple(sorted(texts, key=lambda text: (text.tick, text.track))),
    title=title,
    controls=controls,
    bends=bends,
    **{
      name: events.as_table(rows, events.TABLES[name])
      if rows
      else _EMPTY[name]
      for name, rows in tables.items()
    },
  )


def _joined(
  played: Sequence[Played],
) -> tuple[list[np.ndarray], np.ndarray]:
  """Returns the columns in the order that sorts them, and all changes."""
  first = 0
  for part in played:
    if first:
      part.notes[4] += first
      part.changes[1] += first
    first += len(part.keys)
  if len(played) == 1:
    notes, changes = played[0].notes, played[0].changes
  else:
    notes = np.concatenate([_NO_NOTES, *(p.notes for p in played)], axis=1)
    changes = [p.changes for p in played if p.changes.size]
    changes = np.concatenate([_NO_CHANGES, *changes], axis=1)
  onset, duration, pitch, velocity, track = notes
  return [onset, track, pitch, duration, velocity], changes


_NO_NOTES = np.empty((5, 0), np.int64)
_NO_CHANGES = np.empty((4, 0), np.int64)


def _changes(changes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns the tables of controls and bends."""
  if not changes.size:
    return _EMPTY['controls'], _EMPTY['bends']
  is_bend = changes[2] == BEND
  bends = _EMPTY['bends']
  if is_bend.any():
    bends = _table(changes[:, is_bend][[0, 1, 3]], events.BEND)
    changes = changes[:, ~is_bend]
  return _table(changes, events.CONTROL), bends


def _table(columns: np.ndarray, dtype: np.dtype) -> np.ndarray:
  """Returns columns of whole numbers as a sorted table."""
  rows = np.ascontiguousarray(columns.T).view(dtype)[:, 0]
  return events.sort_table(rows)
