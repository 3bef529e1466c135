"""`Notes` made anew from a piece and a few changed columns."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from aurl_jax.music import notes as notes_lib
from aurl_jax.music.notes import Notes


def rebuilt(
  notes: Notes, columns: Mapping[str, np.ndarray], **changes: Any
) -> Notes:
  """Returns a copy with columns replaced, sorted anew.

  Args:
    notes: The piece.
    columns: Any of `onset`, `duration`, `pitch`, `velocity`, `track`, all of
      one length; the others keep theirs, which must be the same.
    **changes: Tables, tracks, texts, title or ticks a beat to replace.
  """
  names = ('onset', 'duration', 'pitch', 'velocity', 'track')
  full = {name: getattr(notes, name) for name in names} | dict(columns)
  fields = {name: getattr(notes, name) for name in notes_lib.TABLES}
  fields |= {
    'ticks_per_beat': notes.ticks_per_beat,
    'tracks': notes.tracks,
    'texts': notes.texts,
    'title': notes.title,
  }
  fields |= changes
  return Notes.build(fields.pop('ticks_per_beat'), full, **fields)
