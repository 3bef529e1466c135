"""What was played, kept as `Notes`."""

from typing import NamedTuple

import mido
import numpy as np

from aurl_jax.music import notes as notes_lib
from aurl_jax.music.midi_parts import DRUM_CHANNEL
from aurl_jax.music.notes import Notes, Track
from aurl_jax.music.window import Window


class _Key(NamedTuple):
  """A key of an instrument."""

  channel: int
  program: int
  pitch: int


class Take:
  """Hears messages at their ticks.

  A bar that is played again is there twice; that a bar was waited for is not
  told.
  """

  def __init__(self) -> None:
    self._start = 0
    self._length = 0
    self._beat = 1
    self._programs: dict[int, int] = {}
    self._down: dict[_Key, tuple[int, int]] = {}
    self._notes: list[tuple[_Key, int, int, int]] = []
    self._tempos: list[tuple[int, int]] = []
    self._meters: list[tuple[int, int, int]] = []

  def begin(self, window: Window) -> None:
    """Begins a window, behind the last one."""
    self._start += self._length
    self._length, self._beat = window.ticks, window.ticks_per_beat
    for tick, micros in window.tempos:
      if [micros] != [held for _, held in self._tempos[-1:]]:
        self._tempos.append((self._start + tick, micros))
    if window.meter != (self._meters[-1][1:] if self._meters else None):
      self._meters.append((self._start, *window.meter))

  def hear(self, message: mido.Message, tick: int) -> None:
    """Hears a message, at a tick of the window."""
    tick += self._start
    if message.type == 'program_change':
      self._programs[message.channel] = message.program
    elif message.type in ('note_on', 'note_off'):
      program = self._programs.get(message.channel, 0)
      key = _Key(message.channel, program, message.note)
      if message.type == 'note_on':
        self._down[key] = tick, message.velocity
      elif key in self._down:
        onset, velocity = self._down.pop(key)
        self._notes.append((key, onset, tick, velocity))

  @property
  def length(self) -> int:
    """Ticks of the window."""
    return self._length

  def notes(self) -> Notes:
    """Returns what has been heard and has ended."""
    kinds = sorted({key[:2] for key, *_ in self._notes})
    columns = {
      'onset': [onset for _, onset, _, _ in self._notes],
      'duration': [end - onset for _, onset, end, _ in self._notes],
      'pitch': [key.pitch for key, *_ in self._notes],
      'velocity': [velocity for *_, velocity in self._notes],
      'track': [kinds.index(key[:2]) for key, *_ in self._notes],
    }
    return Notes.build(
      self._beat,
      {name: np.array(values, np.int64) for name, values in columns.items()},
      tracks=[
        Track(program=program, is_drum=channel == DRUM_CHANNEL)
        for channel, program in kinds
      ],
      tempos=self._tempos or [(0, notes_lib.DEFAULT_TEMPO)],
      meters=self._meters or [(0, *notes_lib.DEFAULT_METER)],
    )
