"""How much of a piece is found again in another one, and its bars alike.

Axes: `n` notes.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from aurl_jax.music.notes import Notes


def notes_kept(before: Notes, after: Notes) -> float:
  """Returns the share of a piece's notes that another has, too.

  A note is found again if one begins at the same time with the same pitch, on
  drums if it was on drums; each counts once. 1.0 of a piece without notes.

  Args:
    before: The piece.
    after: The other, with as many ticks a beat.

  Example:
    >>> tune = Notes.build(4, {'onset': [0, 4], 'duration': 4,
    ...                        'pitch': [60, 62]})
    >>> notes_kept(tune, tune.replace(pitch=tune.pitch + [0, 2]))
    0.5
  """
  if before.ticks_per_beat != after.ticks_per_beat:
    raise ValueError(
      f'{before.ticks_per_beat} and {after.ticks_per_beat} ticks a beat; '
      'transform.resample makes them equal'
    )
  if not len(before):
    return 1.0
  one, other = (Counter(_facts(notes)) for notes in (before, after))
  return (one & other).total() / len(before)


def alike(
  notes: Notes, spans: Sequence[tuple[int, int]]
) -> Int[np.ndarray, ' s']:
  """Returns of each span of ticks the first one that has the same notes.

  The same are onset and duration within it, pitch, velocity, and track.

  Args:
    notes: A piece.
    spans: Begin and end of each.
  """
  known: dict[tuple[int, bytes], int] = {}
  found = []
  for index, (start, end) in enumerate(spans):
    inside = (notes.onset >= start) & (notes.onset < end)
    columns = np.stack(
      [
        notes.onset[inside] - start,
        notes.duration[inside],
        notes.pitch[inside],
        notes.velocity[inside],
        notes.track[inside],
      ]
    )
    # Notes that sound on into it are a part of how it sounds.
    held = (notes.onset < start) & (notes.onset + notes.duration > start)
    key = (end - start, columns.tobytes() + notes.pitch[held].tobytes())
    found.append(known.setdefault(key, index))
  return np.array(found, np.int64)


def _facts(notes: Notes) -> list[tuple[int, int, bool]]:
  columns = (notes.onset, notes.pitch, notes.is_drum)
  return list(zip(*(column.tolist() for column in columns), strict=True))
