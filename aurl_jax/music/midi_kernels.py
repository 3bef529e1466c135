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


class Work(NamedTuple):
  """What `split` reads of tracks, and what it needs for it.

  Attributes:
    notes: [5, n] int64: onset, track, pitch, duration, velocity.
    changes: [m, 4] int64: tick, track, number or `BEND`, value.
    queue: [n] int32, the next note that sounds on the same voice, or -1.
    follow: [m] int32, the next change that waits in the same channel, or -1.
    keys: How many parts there are, then the channel * 128 + program of each.
    voices: How many voices (channel * 128 + pitch) were used, then these.
    part: [2048] int32, the part of a channel and program, or -1.
    first: [2048] int32, the first note that sounds on a voice, or -1.
    last: [2048] int32, the last one.
    channels: [16, 4] int64: program, first and last change that wait (-1 for
      none), the newest part (-1 for none).
    totals: [6] int64: notes and changes so far, notes that never ended,
      parts of the tracks before, notes and changes of the tracks before.
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
  totals: np.ndarray


_PROGRAM, _WAITS, _WAITS_LAST, _NEWEST = range(4)
NOTES, CHANGES, NEVER_ENDED, PARTS, OLD_NOTES, OLD_CHANGES = range(6)
"""Places in `Work.totals`."""


@_compiled
def new_work(words: np.ndarray) -> Work:
  """Returns tables of the size that messages need."""
  notes = changes = 0
  for word in words:
    kind = word >> 20
    notes += kind == 9 and word & 0x7F != 0
    changes += kind in (0xB, 0xE)
  return Work(
    np.empty((5, notes), np.int64),
    np.empty((changes, 4), np.int64),
    np.empty(notes, np.int32),
    np.empty(changes, np.int32),
    np.zeros(_KEYS + 1, np.int32),
    np.zeros(_KEYS + 1, np.int32),
    np.empty(_KEYS, np.int32),
    np.empty(_KEYS, np.int32),
    np.empty(_KEYS, np.int32),
    np.empty((16, 4), np.int64),
    np.zeros(6, np.int64),
  )


@_compiled
def _clear(work: Work) -> None:
  """Makes ready for another track."""
  work.keys[0] = work.voices[0] = 0
  work.part.fill(-1)
  work.first.fill(-1)
  work.last.fill(-1)
  work.channels.fill(-1)
  work.channels[:, _PROGRAM] = 0
  work.totals[NEVER_ENDED] = 0


@_compiled
def _part(work: Work, key: int) -> int:
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
    work.changes[waiting, 1] = part
    waiting = work.follow[waiting]
  channel[_WAITS] = -1
  return part


@_compiled
def _end(work: Work, tick: int, voice: int) -> None:
  """Ends the first note that sounds on a channel and pitch, if there is one."""
  note = work.first[voice]
  if note >= 0:
    work.first[voice] = work.queue[note]
    work.notes[3, note] = tick - work.notes[0, note]
    _part(work, work.notes[1, note])


@_compiled
def _change(row: np.ndarray, tick: int, part: int, word: int) -> None:
  """Takes in a control or bend."""
  first, second = word >> 8 & 0x7F, word & 0x7F
  row[0], row[1], row[2], row[3] = tick, part, first, second
  if word >> 20 == 0xE:
    row[2], row[3] = BEND, (first | second << 7) - 8192


@_compiled
def _wait(channel: np.ndarray, follow: np.ndarray, change: int) -> None:
  """Puts a change behind those that wait for a part of their channel."""
  if channel[_WAITS] < 0:
    channel[_WAITS] = change
  else:
    follow[channel[_WAITS_LAST]] = change
  channel[_WAITS_LAST], follow[change] = change, -1


@_compiled
def _finish(work: Work, end: int) -> int:
  """Ends what sounds and places what waits.

  Returns:
    How many changes waited to the end; their parts are counted from `_KEYS`
    on.
  """
  late = 0
  for voice in work.voices[1 : work.voices[0] + 1]:
    while work.first[voice] >= 0:
      work.totals[NEVER_ENDED] += 1
      _end(work, end, voice)
  for index in range(16):
    channel = work.channels[index]
    if channel[_WAITS] >= 0 and channel[_NEWEST] < 0:
      _part(work, index << 7 | channel[_PROGRAM])
    waiting = channel[_WAITS]
    while waiting >= 0:
      late += 1
      work.changes[waiting, 1] = channel[_NEWEST] + _KEYS
      waiting = work.follow[waiting]
  return late


@_compiled
def _put_last(changes: np.ndarray, late: int) -> None:
  """Moves changes that waited to the end behind the others."""
  kept = np.empty((late, 4), np.int64)
  count = 0
  for index in range(len(changes)):
    if changes[index, 1] >= _KEYS:
      kept[count] = changes[index]
      kept[count, 1] -= _KEYS
      count += 1
    else:
      changes[index - count] = changes[index]
  changes[len(changes) - late :] = kept


@_compiled
def _number_parts(work: Work, note: int, change: int) -> None:
  """Puts the parts of a track in order of channel and program.

  Args:
    work: What was read.
    note: The first note of the track.
    change: The first change of the track.
  """
  rank = np.empty(work.keys[0], np.int64)
  count = 0
  for key in range(_KEYS):
    if work.part[key] >= 0:
      rank[work.part[key]] = count + work.totals[PARTS]
      count += 1
      work.keys[count] = key
  owner = work.notes[1]
  for index in range(note, work.totals[NOTES]):
    owner[index] = rank[work.part[owner[index]]]
  for index in range(change, work.totals[CHANGES]):
    work.changes[index, 1] = rank[work.changes[index, 1]]
  work.totals[PARTS] += count


@_compiled
def split(work: Work, ticks: np.ndarray, words: np.ndarray, end: int) -> None:
  """Pairs the notes of a track and sorts them by channel and program.

  Args:
    work: Takes in notes and changes behind those of the tracks before, keys
      of the track's parts in their order, and how many notes never ended.
    ticks: [c] int64, of channel messages.
    words: [c] int32, as from `scan`.
    end: Tick of the last event of the track.
  """
  _clear(work)
  _pair(work, ticks, words)
  note, change = work.totals[OLD_NOTES], work.totals[OLD_CHANGES]
  late = _finish(work, end)
  if late:
    _put_last(work.changes[change : work.totals[CHANGES]], late)
  if not work.keys[0] and len(ticks):
    _part(work, _named(words))
  _number_parts(work, note, change)


@_compiled
def _pair(work: Work, ticks: np.ndarray, words: np.ndarray) -> None:
  """Takes in the messages of a track; the loop that all others serve."""
  # Names of their own: handing on the whole of `work` costs more than a note.
  notes, changes, queue, voices = work.notes, work.changes, work.queue, work.voices
  first, last, part = work.first, work.last, work.part
  channels, follow = work.channels, work.follow
  note, change = work.totals[NOTES], work.totals[CHANGES]
  work.totals[OLD_NOTES], work.totals[OLD_CHANGES] = note, change
  for index in range(len(ticks)):
    tick, word = ticks[index], np.int64(words[index])
    kind, voice = word >> 20, (word >> 9 & 0x780) | (word >> 8 & 0x7F)
    index = voice >> 7
    if kind == 9 and word & 0x7F:
      if last[voice] < 0:
        voices[0] += 1
        voices[voices[0]] = voice
      if first[voice] < 0:
        first[voice] = note
      else:
        queue[last[voice]] = note
      last[voice], queue[note] = note, -1
      notes[0, note], notes[2, note] = tick, voice & 0x7F
      notes[1, note] = index << 7 | channels[index, _PROGRAM]
      notes[4, note] = word & 0x7F
      note += 1
    elif kind in (8, 9):
      ended = first[voice]
      if ended >= 0:
        first[voice] = queue[ended]
        notes[3, ended] = tick - notes[0, ended]
        if part[notes[1, ended]] < 0:
          _part(work, notes[1, ended])
    elif kind == 0xC:
      channels[index, _PROGRAM] = voice & 0x7F
    elif kind in (0xB, 0xE):
      owner = part[index << 7 | channels[index, _PROGRAM]]
      _change(changes[change], tick, owner, word)
      if owner < 0:
        _wait(channels[index], follow, change)
      change += 1
  work.totals[NOTES], work.totals[CHANGES] = note, change


@_compiled
def _named(words: np.ndarray) -> int:
  """Returns the channel * 128 + program that is named first, else 0."""
  for word in words:
    if word >> 20 == 0xC:
      return (word >> 16 & 0xF) << 7 | (word >> 8 & 0x7F)
  return 0


@_compiled
def _big_endian(data: np.ndarray, position: int, size: int) -> int:
  value = 0
  for place in range(position, position + size):
    value = (value << 8) | np.int64(data[place])
  return value


@_compiled
def find_tracks(data: np.ndarray, most: int) -> tuple[int, np.ndarray]:
  """As `midi_chunks.layout`.

  Args:
    data: [bytes] uint8, the whole file.
    most: Tracks that are allowed.

  Returns:
    Ticks of a beat, -1 if the outer shape is not as it says, and [t, 2] int64,
    where the events of each track start and end.
  """
  none = np.empty((0, 2), np.int64)
  size = len(data)
  if size < 14 or _big_endian(data, 0, 4) != _HEADER:
    return -1, none
  kind, count = _big_endian(data, 8, 2), _big_endian(data, 10, 2)
  beat = _big_endian(data, 12, 2)
  if _big_endian(data, 4, 4) != 6 or not 0 < beat < 0x8000 or kind > 1:
    return -1, none
  if not 1 <= count <= most or (kind == 0 and count > 1):
    return -1, none
  spans = np.empty((count, 2), np.int64)
  position, found = 14, 0
  while position < size:
    if found == count or size - position < 8:
      return -1, none
    if _big_endian(data, position, 4) != _TRACK:
      return -1, none
    spans[found, 0] = position + 8
    position += 8 + _big_endian(data, position + 4, 4)
    if position > size:
      return -1, none
    spans[found, 1] = position
    found += 1
  return (beat if found == count else -1), spans


_HEADER, _TRACK = 0x4D546864, 0x4D54726B
"""`MThd` and `MTrk`."""


@_compiled
def scan_file(
  data: np.ndarray, spans: np.ndarray, bounds: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
  """Reads the events of all tracks, if none is odd.

  Args:
    data: [bytes] uint8, the whole file.
    spans: [t, 2] int64, from `find_tracks`.
    bounds: As for `scan`.
    most: Events and metas that are allowed.

  Returns:
    Marks as [t, 5] int64: of each track the tick of its end, then its first
    event and first meta, its number of parts and of notes that never ended
    (these two are left to `split_file`); no rows if an event is odd, or the
    limit is passed. Then ticks, words and metas as from `scan`.
  """
  # No event takes less than two bytes, no meta less than four.
  size = min(len(data) // 2, most) + 1
  ticks, words = np.empty(size, np.int64), np.empty(size, np.int32)
  metas = np.empty((min(len(data) // 4, most) + 1, 4), np.int64)
  marks = np.zeros((len(spans), 5), np.int64)
  state = np.zeros(8, np.int64)
  for track in range(len(spans)):
    state[:COUNT] = 0
    state[POSITION] = spans[track, 0]
    marks[track, 1], marks[track, 2] = state[COUNT], state[TOLD]
    end = spans[track, 1]
    why = scan(data, end, state, bounds, ticks, words, metas)
    if why != ENDED or state[COUNT] + state[TOLD] > most:
      return marks[:0], ticks, words, metas
    marks[track, 0] = state[LAST]
  return marks, ticks[: state[COUNT]], words[: state[COUNT]], metas[: state[TOLD]]


@_compiled
def split_file(
  marks: np.ndarray, ticks: np.ndarray, words: np.ndarray
) -> tuple[Work, np.ndarray]:
  """Pairs the notes of all tracks, and completes the marks of `scan_file`.

  Returns:
    Notes and changes of all tracks, and the keys of all parts.
  """
  work = new_work(words)
  keys = np.empty(len(words), np.int64)
  for track in range(len(marks)):
    first = marks[track, 1]
    last = len(words)
    if track + 1 < len(marks):
      last = marks[track + 1, 1]
    if first == last:
      continue
    part = work.totals[PARTS]
    split(work, ticks[first:last], words[first:last], marks[track, 0])
    count = np.int64(work.keys[0])
    keys[part : part + count] = work.keys[1 : count + 1]
    marks[track, 3], marks[track, 4] = count, work.totals[NEVER_ENDED]
  return work, keys[: work.totals[PARTS]]


@_compiled
def take_metas(
  data: np.ndarray, metas: np.ndarray, beat: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
  """Sorts metas into tempos, meters, keys, and the indices of the others.

  Returns:
    [t, 2], [m, 3] and [k, 3] int64, as the tables of `Notes`, unsorted, and
    [o] int64. One that is odd is among the others.
  """
  size = len(metas)
  tempos, meters = np.empty((size, 2), np.int64), np.empty((size, 3), np.int64)
  keys, others = np.empty((size, 3), np.int64), np.empty(size, np.int64)
  counts = np.zeros(4, np.int64)
  for index in range(size):
    tick, kind, start, stop = metas[index]
    length = stop - start
    if kind == 0x51 and length == 3 and _big_endian(data, start, 3):
      tempos[counts[0], 0] = tick
      tempos[counts[0], 1] = _big_endian(data, start, 3)
      counts[0] += 1
      continue
    top, bottom = np.int64(0), np.int64(0)
    if length >= 2:
      top, bottom = np.int64(data[start]), np.int64(data[start + 1])
    if kind == 0x58 and top and bottom < 16 and 4 * beat * top >> bottom:
      row = meters[counts[1]]
      row[0], row[1], row[2] = tick, top, 1 << bottom
      counts[1] += 1
      continue
    fifths = top - 256 if top > 127 else top
    if kind == 0x59 and length == 2 and abs(fifths) < 8 and bottom < 2:
      row = keys[counts[2]]
      row[0], row[1], row[2] = tick, fifths, bottom
      counts[2] += 1
      continue
    others[counts[3]] = index
    counts[3] += 1
  return (
    tempos[: counts[0]],
    meters[: counts[1]],
    keys[: counts[2]],
    others[: counts[3]],
  )


@_compiled
def pack(notes: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
  """Puts the columns of notes into one number, as `events.sort_columns` does.

  Returns:
    [n] int64, none if they need more than 63 bits; [5] int64, how many bits
    each column has; and whether they ascend.
  """
  widths = np.zeros(5, np.int64)
  for column in range(5):
    bits = 0
    for value in notes[column]:
      bits |= value
    while bits >> widths[column]:
      widths[column] += 1
  if widths.sum() > 63:
    return np.empty(0, np.int64), widths, False
  keys = np.empty(notes.shape[1], np.int64)
  ascending = True
  for index in range(len(keys)):
    key = 0
    for column in range(5):
      key = (key << widths[column]) | notes[column, index]
    keys[index] = key
    ascending = ascending and (index == 0 or keys[index - 1] <= key)
  return keys, widths, ascending


@_compiled
def unpack(keys: np.ndarray, widths: np.ndarray) -> np.ndarray:
  """Returns [5, n] int64, the columns that `pack` put together."""
  notes = np.empty((5, len(keys)), np.int64)
  for index in range(len(keys)):
    key = keys[index]
    for column in range(4, -1, -1):
      notes[column, index] = key & ((1 << widths[column]) - 1)
      key >>= widths[column]
  return notes
