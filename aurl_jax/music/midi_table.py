"""What the tracks of a file play, as the columns and tables of `Notes`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from aurl_jax.music import events
from aurl_jax.music.midi_split import BEND, Played
from aurl_jax.music.notes import Notes, Text, Track

EMPTY = {
  name: events.as_table((), dtype) for name, dtype in events.TABLES.items()
}
"""The tables of a piece without events."""


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
  columns = events.sort_columns(*notes) if notes.size else notes
  controls, bends = changes_of(changes)
  return Notes.trusted(
    ticks_per_beat=ticks_per_beat,
    **events.note_columns(columns, tracks),
    tracks=tuple(tracks),
    texts=tuple(sorted(texts, key=lambda text: (text.tick, text.track))),
    title=title,
    controls=controls,
    bends=bends,
    **{
      name: events.as_table(rows, events.TABLES[name]) if rows else EMPTY[name]
      for name, rows in tables.items()
    },
  )


def _joined(played: Sequence[Played]) -> tuple[np.ndarray, np.ndarray]:
  """Returns notes and changes of all, tracks in place of parts."""
  first = 0
  for part in played:
    if first:
      part.notes[1] += first
      part.changes[:, 1] += first
    first += len(part.keys)
  if len(played) == 1:
    return played[0].notes, played[0].changes
  return (
    np.concatenate([_NO_NOTES, *(part.notes for part in played)], axis=1),
    np.concatenate([_NO_CHANGES, *(part.changes for part in played)]),
  )


_NO_NOTES = np.empty((5, 0), np.int64)
_NO_CHANGES = np.empty((0, 4), np.int64)


def changes_of(changes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns the tables of controls and bends of rows as in `Played`."""
  if not changes.size:
    return EMPTY['controls'], EMPTY['bends']
  is_bend = changes[:, 2] == BEND
  bends = EMPTY['bends']
  if is_bend.any():
    bends = _table(changes[is_bend][:, [0, 1, 3]], events.BEND)
    changes = changes[~is_bend]
  return _table(changes, events.CONTROL), bends


def _table(rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
  """Returns rows of whole numbers as a sorted table."""
  return events.sort_table(np.ascontiguousarray(rows).view(dtype)[:, 0])
