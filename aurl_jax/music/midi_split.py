"""Pairs the notes of a track of a file and splits its channels.

A track becomes one part for each channel and program in it, as in symusic.
"""

import collections
import dataclasses
from typing import NamedTuple

import numpy as np

from aurl_jax.music.midi_events import Events

BEND = 128
"""In place of the number of a control: it is a bend."""


class Played(NamedTuple):
  """What a track of a file plays.

  Attributes:
    notes: [5, n] int64: onset, part, pitch, duration, velocity; of any order.
    changes: [m, 4] int64: tick, part, number of a control or `BEND`, value;
      those of one part and tick in their order.
    keys: (channel, program) of each part, ascending; of a track without
      notes, controls and bends the instrument that it names.
    never_ended: Notes that the end of the track ended.
  """

  notes: np.ndarray
  changes: np.ndarray
  keys: list[tuple[int, int]]
  never_ended: int


@dataclasses.dataclass
class Part:
  """What one channel plays with one program, in one track of the file."""

  notes: list[tuple[int, int, int, int]] = dataclasses.field(
    default_factory=list
  )
  controls: list[tuple[int, int, int]] = dataclasses.field(default_factory=list)
  bends: list[tuple[int, int]] = dataclasses.field(default_factory=list)

  def take(self, other: 'Part') -> None:
    """Moves what another part holds here."""
    self.controls += other.controls
    self.bends += other.bends
    other.controls, other.bends = [], []

  @property
  def events(self) -> int:
    """How many controls and bends there are."""
    return len(self.controls) + len(self.bends)


_Start = tuple[int, int, int]
"""Tick, velocity and program of a note that sounds."""


class Splitter:
  """Pairs the notes of one track and sorts them by channel and program.

  A note belongs to the program that holds when it begins, and the first end
  of a pitch belongs to the first start, both as in symusic. Controls and
  bends that come before any note of their program has ended wait for it.
  """

  def __init__(self) -> None:
    self.parts: dict[tuple[int, int], Part] = {}
    self._waiting = collections.defaultdict[int, Part](Part)
    self._program = [0] * 16
    self._open: dict[tuple[int, int], collections.deque[_Start]] = {}

  def run(self, events: Events) -> int:
    """Takes in a whole track; returns how many notes never ended."""
    for tick, status, first, second in events.channel:
      kind, channel = status & 0xF0, status & 0x0F
      if kind == 0x90 and second:
        queue = self._open.setdefault((channel, first), collections.deque())
        queue.append((tick, second, self._program[channel]))
      elif kind in (0x80, 0x90):
        self._end(tick, channel, first)
      elif kind == 0xC0:
        self._program[channel] = first
      elif kind == 0xB0:
        self._now(channel).controls.append((tick, first, second))
      elif kind == 0xE0:
        value = (first | second << 7) - 8192
        self._now(channel).bends.append((tick, value))
    return self._finish(events.end)

  def _end(self, tick: int, channel: int, pitch: int) -> None:
    queue = self._open.get((channel, pitch))
    if not queue:
      return
    onset, velocity, program = queue.popleft()
    key = channel, program
    part = self.parts.get(key)
    if part is None:
      part = self.parts[key] = Part()
      part.take(self._waiting[channel])
    part.notes.append((onset, tick - onset, pitch, velocity))

  def _now(self, channel: int) -> Part:
    part = self.parts.get((channel, self._program[channel]))
    return self._waiting[channel] if part is None else part

  def _finish(self, end: int) -> int:
    never_ended = 0
    for (channel, pitch), queue in self._open.items():
      while queue:
        never_ended += 1
        self._end(end, channel, pitch)
    for channel, waiting in self._waiting.items():
      if waiting.events:
        keys = [key for key in self.parts if key[0] == channel]
        key = keys[-1] if keys else (channel, self._program[channel])
        self.parts.setdefault(key, Part()).take(waiting)
    return never_ended

  def played(self, never_ended: int, events: Events) -> Played:
    """Returns all that was taken in."""
    keys = sorted(self.parts)
    parts = [(index, self.parts[key]) for index, key in enumerate(keys)]
    notes = [
      (onset, index, pitch, duration, velocity)
      for index, part in parts
      for onset, duration, pitch, velocity in part.notes
    ]
    changes = [
      (tick, index, number, value)
      for index, part in parts
      for tick, number, value in part.controls
    ] + [
      (tick, index, BEND, value)
      for index, part in parts
      for tick, value in part.bends
    ]
    return Played(
      np.array(notes, np.int64).reshape(-1, 5).T,
      np.array(changes, np.int64).reshape(-1, 4),
      keys or _named(events),
      never_ended,
    )


def _named(events: Events) -> list[tuple[int, int]]:
  """Returns channel and program that a track without parts names first."""
  for _, status, program, _ in events.channel:
    if status & 0xF0 == 0xC0:
      return [(status & 0x0F, program)]
  return [(0, 0)] if events.channel else []


_NOTHING = Played(np.empty((5, 0), np.int64), np.empty((0, 4), np.int64), [], 0)


def split(events: Events) -> Played:
  """Returns what the events of a track play."""
  if not events.channel:
    return _NOTHING
  splitter = Splitter()
  never_ended = splitter.run(events)
  return splitter.played(never_ended, events)
