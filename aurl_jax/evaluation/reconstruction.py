"""How much of a piece comes back from its latents.

What a model writes by itself from latents (free-running), against the piece
that they are of. What it predicts next to the true steps (teacher-forced)
flatters: most of music follows from what came just before. Axes: `t` steps,
`f` fields.
"""

import collections
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from aurl_jax.music.notes import Notes


def same_ids(
  found: Int[np.ndarray, '_ f'], wanted: Int[np.ndarray, 't f'], first: int = 1
) -> float:
  """Returns the share of ids that came back, each in its place.

  For frames (`grid`), where a place is a time; elsewhere one step too many
  moves all that follows, and `note_f1` is the measure.

  Args:
    found: What was written.
    wanted: The piece.
    first: Steps at the beginning that were given, and do not count.

  Returns:
    0..1; steps that are missing are wrong, those beyond the piece do not
    count. 1 for a piece of nothing else than what was given.
  """
  rest = wanted[first:]
  told = found[first : len(wanted)]
  missing = len(rest) - len(told)
  if not rest.size:
    return 1.0
  padded = np.pad(told, ((0, missing), (0, 0)), constant_values=-1)
  return float((padded == rest).mean())


def note_f1(found: Notes, wanted: Notes, *, durations: bool = False) -> float:
  """Returns the F1 of notes by onset and pitch (drums by their sound).

  Args:
    found: What was written.
    wanted: The piece; both quantised alike, so that onsets are equal or not.
    durations: Whether these have to be equal, too.

  Returns:
    0..1, the harmonic mean of the shares of both that have a partner in the
    other, each note at most one; 1 if neither has notes.

  Raises:
    ValueError: The ticks of a beat differ.

  Example:
    >>> columns = {'onset': [0, 4], 'duration': 4}
    >>> one = Notes.build(4, columns | {'pitch': [60, 62]})
    >>> two = Notes.build(4, columns | {'pitch': [60, 64]})
    >>> note_f1(one, two)
    0.5
  """
  if found.ticks_per_beat != wanted.ticks_per_beat:
    raise ValueError(
      f'{found.ticks_per_beat} and {wanted.ticks_per_beat} ticks a beat; '
      'quantise both alike'
    )
  ours, theirs = (_counted(notes, durations) for notes in (found, wanted))
  total = sum(ours.values()) + sum(theirs.values())
  if not total:
    return 1.0
  return 2 * sum((ours & theirs).values()) / total


def _counted(notes: Notes, durations: bool) -> collections.Counter[tuple]:
  columns: Sequence[np.ndarray] = (notes.onset, notes.pitch, notes.is_drum)
  if durations:
    columns = (*columns, notes.duration)
  rows = zip(*(column.tolist() for column in columns), strict=True)
  return collections.Counter(rows)
