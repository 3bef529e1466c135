"""The two loops of reading MIDI, compiled to machine code by Numba.

`scan` walks over the events of a track as `music.midi_events` does, and
stops in front of the first one that is not as it must be: that one is for
`midi_events`. `split` does what `midi_split.Splitter` does. The tests hold
both to their twins in Python. Importing this takes a second, so only
`music.midi_native` does, and only where it pays.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

from aurl_jax.music.midi_split import BEND

ENDED, ODD, FULL, LATER = 0, 1, 2, 3
"""Why `scan` stopped: at the end of the track, in front of an event that is
not as it must be, as the tables are full, as the next event is too late."""
POSITION, TICK, RUNNING, SURE, OPEN, LAST, COUNT, TOLD = range(8)
"""Places in the state of `scan`."""
LATEST, LONGEST, STOP = range(3)
"""Places in its bounds."""
_END = 0x2F
_KEPT = (0x03, 0x05, 0x06, 0x51, 0x54, 0x58, 0x59)
"""Metas that `Notes` has a place for, or that must be checked."""
_KEYS = 16 * 128
LATE = _KEYS
"""Added to the part of a change that comes behind the others of the part."""


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
  """Compiles at the first call, and keeps the code on disk if it can.

  What wraps a function to check its arguments cannot be compiled.
  """
  bare = inspect.unwrap(function)
  try:
    return numba.njit(cache=True, nogil=True)(bare)
  except RuntimeError:  # no folder that can be written to
    return numba.njit(nogil=True)(bare)


@_compiled
def _number(data: np.ndarray, position: int, end: int) -> tuple[int, int]:
  """As `midi_resync.number`, but -1, too, where the bytes end inside it."""
  value = 0
  for place in range(position, min(position + 4, end)):
    byte = np.int64(data[place])
    value = (value << 7) | (byte & 0x7F)
    if byte < 0x80:
      return value, place + 1
  return 0, -1


@_compiled
def _payload(
  data: np.ndarray, place: int, end: int, is_open: int
) -> tuple[int, int, int]:
  """Returns type, start and end of a meta or exclusive event.

  The end is -1 where the event is not as it must be, and the type -1 for an
  exclusive event.
  """
  kind, start = -1, place + 1
  if data[place] == 0xFF:
    if start == end:
      return 0, 0, -1
    kind, start = np.int64(data[start]), start + 1
  size, start = _number(data, start, end)
  after = start + size
  if kind == _END:
    return kind, start, end if 0 < start and place + 3 >= end else -1
  if start < 0 or after > end:
    return 0, 0, -1
  if kind < 0 and (is_open or data[place] == 0xF0):
    # In parts, or without an end.
    if is_open or not size or data[after - 1] != 0xF7:
      return 0, 0, -1
  return kind, start, after


@_compiled
def _message(data: np.ndarray, place: int, end: int, running: int) -> int:
  """Returns status, data 1 and data 2 as one number, and -1 if it is none."""
  status = np.int64(data[place])
  if status < 0x80:
    status = running
  else:
    place += 1
  if place + _two(status) >= end or status == 0:
    return -1
  first, second = np.int64(data[place]), np.int64(0)
  if _two(status):
    second = np.int64(data[place + 1])
  if (first | second) > 0x7F:
    return -1
  return status << 16 | first << 8 | second


@_compiled
def _two(status: int) -> int:
  """1 for a message with two bytes of data, 0 for one with a single one."""
  return 0 if 0xC0 <= status < 0xE0 else 1


@_compiled
def scan(
  data: np.ndarray,
  end: int,
  state: np.ndarray,
  bounds: np.ndarray,
  ticks: np.ndarray,
  words: np.ndarray,
  metas: np.ndarray,
) -> int:
  """Reads events until one is odd.

  Args:
    data: [bytes] uint8.
    end: Where the track ends.
    state: [8] int64, updated: where the next event begins, tick, running
      status, whether that holds, whether an exclusive event waits for its
      rest, tick of the last event, events and metas in the tables.
    bounds: [3] int64: the last tick, the longest delta time, and the tick
      from which events are too late.
    ticks: [c] int64, takes the ticks of channel messages.
    words: [c] int32, takes status << 16 | data 1 << 8 | data 2.
    metas: [m, 4] int64, takes tick, type, start and end of metas.
  """
  position, tick, running = state[POSITION], state[TICK], state[RUNNING]
  sure, last = state[SURE], state[LAST]
  count, told = state[COUNT], state[TOLD]
  code = ODD
  while position < end:
    delta, place = _number(data, position, end)
    now = tick + delta
    if place < 0 or place == end or delta > bounds[LONGEST]:
      break
    if now > bounds[LATEST]:
      break
    if now >= bounds[STOP] or count == len(ticks) or told == len(metas):
      code = LATER if now >= bounds[STOP] else FULL
      break
    status = np.int64(data[place])
    if status < 0xF0:
      if status < 0x80 and not sure:
        break
      word = _message(data, place, end, running)
      if word < 0:
        break
      ticks[count], words[count] = now, word
      running, sure = word >> 16, 1
      position = place + (status >= 0x80) + 1 + _two(running)
      count += 1
    else:
      if status not in (0xF0, 0xF7, 0xFF):
        break
      kind, start, after = _payload(data, place, end, state[OPEN])
      if after < 0:
        break
      if kind in _KEPT:
        metas[told, 0], metas[told, 1] = now, kind
        metas[told, 2], metas[told, 3] = start, after
        told += 1
      position, sure = after, 0
      if kind == _END:
        code = ENDED
    tick = last = now
  state[POSITION], state[TICK], state[RUNNING] = position, tick, running
  state[SURE], state[LAST] = sure, last
  state[COUNT], state[TOLD] = count, told
  return code


class _Work(NamedTuple):
  """What `split` writes.

  Attributes:
    notes: [5, n] int64: onset, duration, pitch, velocity, and in the end the
      part, until then channel * 128 + program.
    changes: [4, m] int64: tick, part, number or `BEND`, value.
    queue: [n] int64, the next note that sounds on the same voice, or -1.
    follow: [m] int64, the next change that waits in the same channel, or -1.
    keys: How many parts there are, then the channel * 128 + program of each.
    voices: How many voices (channel * 128 + pitch) were used, then these.
    part: [2048] int64, the part of a channel and program, or -1.
    first: [2048] int64, the first note that sounds on a voice, or -1.
    last: [2048] int64, the last one.
    channels: [16, 4] int64: program, first and last change that wait (-1 for
      none), the newest part (-1 for none).
  """

  notes: np.ndarray
  changes: np.ndarray
  queue: np.ndarray
  follow: np.ndarray
  keys: np.ndarray
  voices: np.ndarray
  part: np.ndarray
  first: np.ndarray
  last: np.ndarray
  channels: np.ndarray


_PROGRAM, _WAITS, _WAITS_LAST, _NEWEST = range(4)


@_compiled
def _work(words: np.ndarray) -> _Work:
  """Returns tables of the size that messages need."""
  notes = changes = 0
  for word in words:
    kind = word >> 20
    notes += kind == 9 and word & 0x7F != 0
    changes += kind in (0xB, 0xE)
  channels = np.full((16, 4), -1, np.int64)
  channels[:, _PROGRAM] = 0
  return _Work(
    np.empty((5, notes), np.int64),
    np.empty((4, changes), np.int64),
    np.empty(notes, np.int64),
    np.empty(changes, np.int64),
    np.zeros(_KEYS + 1, np.int64),
    np.zeros(_KEYS + 1, np.int64),
    np.full(_KEYS, -1, np.int64),
    np.full(_KEYS, -1, np.int64),
    np.full(_KEYS, -1, np.int64),
    channels,
  )


@_compiled
def _part(work: _Work, key: int) -> int:
  """Returns the part of a channel and program; a new one takes what waits."""
  if work.part[key] >= 0:
    return work.part[key]
  part = work.keys[0]
  work.keys[0] += 1
  work.keys[work.keys[0]] = key
  work.part[key] = part
  channel = work.channels[key >> 7]
  channel[_NEWEST] = part
  waiting = channel[_WAITS]
  while waiting >= 0:
    work.changes[1, waiting] = part
    waiting = work.follow[waiting]
  channel[_WAITS] = -1
  return part


@_compiled
def _start(work: _Work, note: int, tick: int, voice: int, velocity: int) -> None:
  """Puts a note behind those that sound on its channel and pitch."""
  notes, queue = work.notes, work.queue
  if work.last[voice] < 0:
    work.voices[0] += 1
    work.voices[work.voices[0]] = voice
  if work.first[voice] < 0:
    work.first[voice] = note
  else:
    queue[work.last[voice]] = note
  work.last[voice], queue[note] = note, -1
  notes[0, note], notes[2, note], notes[3, note] = tick, voice & 127, velocity
  channel = voice >> 7
  notes[4, note] = channel << 7 | work.channels[channel, _PROGRAM]


@_compiled
def _end(work: _Work, tick: int, voice: int) -> None:
  """Ends the first note that sounds on a channel and pitch, if there is one."""
  note = work.first[voice]
  if note >= 0:
    work.first[voice] = work.queue[note]
    work.notes[1, note] = tick - work.notes[0, note]
    _part(work, work.notes[4, note])


@_compiled
def _change(work: _Work, change: int, tick: int, word: int) -> None:
  """Takes in a control or bend; it may have to wait for a part."""
  first, second = word >> 8 & 0x7F, word & 0x7F
  is_bend, index = word >> 20 == 0xE, word >> 16 & 0xF
  channel, changes = work.channels[index], work.changes
  changes[0, change] = tick
  changes[2, change] = BEND if is_bend else first
  changes[3, change] = (first | second << 7) - 8192 if is_bend else second
  changes[1, change] = work.part[index << 7 | channel[_PROGRAM]]
  if changes[1, change] >= 0:
    return
  if channel[_WAITS] < 0:
    channel[_WAITS] = change
  else:
    work.follow[channel[_WAITS_LAST]] = change
  channel[_WAITS_LAST], work.follow[change] = change, -1


@_compiled
def _finish(work: _Work, end: int) -> tuple[int, int]:
  """Ends what sounds and places what waits.

  Returns:
    How many notes never ended; how many changes waited to the end, their
    parts then counted from `LATE` on.
  """
  never_ended = late = 0
  for voice in work.voices[1 : work.voices[0] + 1]:
    while work.first[voice] >= 0:
      never_ended += 1
      _end(work, end, voice)
  for index in range(16):
    channel = work.channels[index]
    if channel[_WAITS] >= 0 and channel[_NEWEST] < 0:
      _part(work, index << 7 | channel[_PROGRAM])
    waiting = channel[_WAITS]
    while waiting >= 0:
      late += 1
      work.changes[1, waiting] = channel[_NEWEST] + LATE
      waiting = work.follow[waiting]
  return never_ended, late


@_compiled
def _renumber(work: _Work) -> np.ndarray:
  """Puts the parts in order of channel and program; returns their keys."""
  rank = np.empty(work.keys[0], np.int64)
  keys = np.empty(work.keys[0], np.int64)
  count = 0
  for key in range(_KEYS):
    if work.part[key] >= 0:
      rank[work.part[key]], keys[count] = count, key
      count += 1
  owner = work.changes[1]
  for change in range(len(owner)):
    late = owner[change] >= LATE
    owner[change] = rank[owner[change] % LATE] + LATE * late
  owner = work.notes[4]
  for note in range(len(owner)):
    owner[note] = rank[work.part[owner[note]]]
  return keys


@_compiled
def split(
  ticks: np.ndarray, words: np.ndarray, end: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, int]:
  """Pairs notes and sorts them by channel and program.

  Args:
    ticks: [c] int64, of channel messages.
    words: [c] int32, as from `scan`.
    end: Tick of the last event of the track.

  Returns:
    Notes as [5, n] int64 (onset, duration, pitch, velocity, part); changes
    as [4, m] int64 (tick, part, number or `BEND`, value); the channel * 128 +
    program of each part; how many notes never ended; and how many changes
    stand, by their part + `LATE`, behind all others of it.
  """
  work = _work(words)
  note = change = 0
  for index in range(len(ticks)):
    tick, word = ticks[index], np.int64(words[index])
    kind, voice = word >> 20, (word >> 9 & 0x780) | (word >> 8 & 0x7F)
    if kind == 9 and word & 0x7F:
      _start(work, note, tick, voice, word & 0x7F)
      note += 1
    elif kind in (8, 9):
      _end(work, tick, voice)
    elif kind == 0xC:
      work.channels[voice >> 7, _PROGRAM] = voice & 0x7F
    elif kind in (0xB, 0xE):
      _change(work, change, tick, word)
      change += 1
  never_ended, late = _finish(work, end)
  return work.notes, work.changes, _renumber(work), never_ended, late
