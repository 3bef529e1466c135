"""A stretch of a piece as what is struck and let go, in its order and time."""

from collections import Counter
from typing import NamedTuple

import numpy as np

from aurl_jax.music import notes as notes_lib
from aurl_jax.music import time
from aurl_jax.music.notes import Notes


class Voice(NamedTuple):
  """Who plays.

  Attributes:
    program: General MIDI, 0..127.
    is_drum: Whether pitches name drums.
    number: Which one among the tracks of such a program, from 0.
  """

  program: int
  is_drum: bool
  number: int


class Hit(NamedTuple):
  """A note that begins, or ends.

  Attributes:
    tick: From the start of the window.
    seconds: Likewise.
    velocity: 1..127; 0 where it ends.
    voice: Who plays it.
    pitch: 0..127.
  """

  tick: int
  seconds: float
  velocity: int
  voice: Voice
  pitch: int


class Window(NamedTuple):
  """What happens from one tick of a piece to another.

  Attributes:
    bar: The number of its bar, from 0.
    first: Whether that begins with it.
    last: Whether that ends with it.
    ticks: How long it is.
    seconds: Likewise.
    hits: In their order; at one tick what ends comes first.
    tempos: (tick, microseconds a beat) of what holds and changes in it.
    meter: Numerator and denominator at its start.
    ticks_per_beat: Of all ticks.
  """

  bar: int
  first: bool
  last: bool
  ticks: int
  seconds: float
  hits: tuple[Hit, ...]
  tempos: tuple[tuple[int, int], ...]
  meter: tuple[int, int]
  ticks_per_beat: int


def window(
  notes: Notes, start: int, end: int, bar: int, *, first: bool, last: bool
) -> Window:
  """Returns what happens at start <= tick < end.

  What ends at `end` is of the next window, for it may sound on there.

  Args:
    notes: The piece.
    start: First tick.
    end: One past the last tick.
    bar: As of `Window`.
    first: Likewise.
    last: Likewise.

  Example:
    >>> two = Notes.build(1, {'onset': [0, 2], 'duration': 2, 'pitch': 60})
    >>> found = window(two, 0, 4, 0, first=True, last=True)
    >>> [(hit.seconds, hit.velocity) for hit in found.hits]
    [(0.0, 64), (1.0, 0), (1.0, 64)]
  """
  at = time.ticks_to_seconds(notes, np.array([start, end]))
  _, above, below = [m for m in time.meter_changes(notes) if m[0] <= start][-1]
  return Window(
    bar=bar,
    first=first,
    last=last,
    ticks=end - start,
    seconds=float(at[1] - at[0]),
    hits=_hits(notes, start, end, float(at[0])),
    tempos=_tempos(notes, start, end),
    meter=(above, below),
    ticks_per_beat=notes.ticks_per_beat,
  )


def _hits(notes: Notes, start: int, end: int, zero: float) -> tuple[Hit, ...]:
  voices = voices_of(notes)
  stop = notes.onset + notes.duration
  told = ((notes.onset, notes.velocity), (stop, np.zeros_like(stop)))
  found = []
  for ticks, velocity in told:
    inside = np.flatnonzero((ticks >= start) & (ticks < end))
    seconds = time.ticks_to_seconds(notes, ticks[inside]) - zero
    for row, second in zip(inside.tolist(), seconds.tolist(), strict=True):
      voice = voices[int(notes.track[row])]
      facts = int(velocity[row]), voice, int(notes.pitch[row])
      found.append(Hit(int(ticks[row]) - start, second, *facts))
  # A note without length ends behind its start.
  return tuple(sorted(found, key=lambda hit: (hit.tick, hit.velocity > 0)))


def _tempos(notes: Notes, start: int, end: int) -> tuple[tuple[int, int], ...]:
  held, inside = notes_lib.DEFAULT_TEMPO, []
  for tick, micros in notes.tempos.tolist():
    if tick <= start:
      held = micros
    elif tick < end:
      inside.append((tick - start, micros))
  return ((0, held), *inside)


def voices_of(notes: Notes) -> list[Voice]:
  """Returns who plays each track."""
  seen: Counter[tuple[int, bool]] = Counter()
  found = []
  for track in notes.tracks:
    kind = (0 if track.is_drum else track.program, track.is_drum)
    found.append(Voice(*kind, seen[kind]))
    seen[kind] += 1
  return found
