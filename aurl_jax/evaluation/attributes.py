"""Attributes of an excerpt that a dial may turn, as plain numbers of `Notes`.

  density      notes that begin in a beat, drums among them
  polyphony    pitched notes that sound on average, silence counting as none
  register     mean MIDI pitch, weighted by duration
  syncopation  strengths of the notes' syncopations, summed up, a beat: how
               much stronger the strongest place that a note sounds across is
               than the place where it begins, 0 if none is

Time counts from the start to the last end, or to where one asks; a beat is a
quarter note. Strength
after Longuet-Higgins and Lee, "The rhythmic interpretation of monophonic
music", Music Perception 1984: a bar line weighs 0, its other beats -1, half
beats -2, quarter beats -3, what lies between -4. They let a note last until
the next of its line, so that rests count too; here it sounds as long as it
does, which is told of each note by itself, with any number of lines.
Axes: `n` notes.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from aurl_jax.music import time
from aurl_jax.music.notes import Notes

NAMES = ('density', 'polyphony', 'register', 'syncopation')
"""In the order of every table of them."""
_LEVELS = (1, 2, 4)
"""Parts of a beat, each level a place weaker."""


def of(notes: Notes, end: int | None = None) -> Mapping[str, float]:
  """Returns the attributes of an excerpt by name.

  What has no value is `nan`: all of an empty excerpt, register without a
  pitch.

  Args:
    notes: The excerpt.
    end: Tick at which time ends, above 0: notes that begin later do not count,
      and the rest of one that sounds on does not sound. None for the last end.

  Example:
    >>> columns = {'onset': [0, 2], 'duration': [2, 6], 'pitch': [60, 64]}
    >>> dict(of(Notes.build(4, columns)))
    {'density': 1.0, 'polyphony': 1.0, 'register': 63.0, 'syncopation': 0.5}
  """
  if not len(notes):
    return dict.fromkeys(NAMES, float('nan'))
  end = notes.end if end is None else end
  beats, inside = end / notes.ticks_per_beat, notes.onset < end
  pitched = inside & ~notes.is_drum
  sounding = np.minimum(notes.duration, end - notes.onset)
  length, pitch = sounding[pitched], notes.pitch[pitched]
  total = float(length.sum())
  found = (
    inside.sum() / beats,
    total / end,
    float(length @ pitch) / total if total else float('nan'),
    float(strengths(notes)[inside].sum()) / beats,
  )
  return dict(zip(NAMES, map(float, found), strict=True))


def table(
  pieces: list[Notes], ends: Sequence[int] | None = None
) -> Float[np.ndarray, 'm 4']:
  """Returns the attributes of pieces, a row each, columns as in `NAMES`.

  Args:
    pieces: The excerpts.
    ends: As of `of`, of each; None for their last ends.
  """
  where = [None] * len(pieces) if ends is None else ends
  found = [of(piece, end) for piece, end in zip(pieces, where, strict=True)]
  rows = [[each[name] for name in NAMES] for each in found]
  return np.array(rows, np.float64).reshape(-1, len(NAMES))


def means(pieces: list[Notes]) -> dict[str, float]:
  """Returns the mean of each attribute over the pieces that have it.

  `nan` where none has.

  Args:
    pieces: The excerpts.
  """
  columns = zip(NAMES, table(pieces).T, strict=True)
  known = {name: column[np.isfinite(column)] for name, column in columns}
  return {
    name: float(column.mean()) if len(column) else float('nan')
    for name, column in known.items()
  }


def strengths(notes: Notes) -> Int[np.ndarray, 'n']:
  """Returns the strength of each note's syncopation, 0..4."""
  beat = notes.ticks_per_beat
  bars = time.bar_starts(notes)
  at = bars[np.searchsorted(bars, notes.onset, side='right') - 1]
  begin = notes.onset - at
  weight, strongest = (np.full(len(notes), -4) for _ in range(2))
  for level, parts in reversed(list(enumerate(_LEVELS, start=1))):
    weight[begin * parts % beat == 0] = -level
    # Whether a place of this level lies between begin and end.
    crossed = (begin * parts // beat + 1) * beat
    strongest[crossed < (begin + notes.duration) * parts] = -level
  following = np.append(bars, np.iinfo(np.int64).max)
  later = following[np.searchsorted(bars, notes.onset, side='right')]
  weight[begin == 0] = 0
  strongest[later < notes.onset + notes.duration] = 0
  return np.maximum(strongest - weight, 0)
