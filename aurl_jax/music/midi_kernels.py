"""The loop that pairs notes and splits channels, compiled by Numba.

`split` does what `midi_split.Splitter` does; the tests hold it to that.
"""

from typing import NamedTuple

import numpy as np

from aurl_jax.music.midi_scan import compiled, signed
from aurl_jax.music.midi_split import BEND

_KEYS = 16 * 128


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


@compiled
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


@compiled
def _clear(work: Work) -> None:
  """Makes ready for another track."""
  work.keys[0] = work.voices[0] = 0
  work.part.fill(-1)
  work.first.fill(-1)
  work.last.fill(-1)
  work.channels.fill(-1)
  work.channels[:, _PROGRAM] = 0
  work.totals[NEVER_ENDED] = 0


@compiled
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


@compiled
def _end(work: Work, tick: int, voice: int) -> None:
  """Ends the first note that sounds on a channel and pitch, if there is one."""
  note = work.first[voice]
  if note >= 0:
    work.first[voice] = work.queue[note]
    work.notes[3, note] = tick - work.notes[0, note]
    _part(work, work.notes[1, note])


@compiled
def _change(row: np.ndarray, tick: int, part: int, word: int) -> None:
  """Takes in a control or bend."""
  first, second = word >> 8 & 0x7F, word & 0x7F
  row[0], row[1], row[2], row[3] = tick, part, first, second
  if word >> 20 == 0xE:
    row[2], row[3] = BEND, (first | second << 7) - 8192


@compiled
def _wait(channel: np.ndarray, follow: np.ndarray, change: int) -> None:
  """Puts a change behind those that wait for a part of their channel."""
  if channel[_WAITS] < 0:
    channel[_WAITS] = change
  else:
    follow[channel[_WAITS_LAST]] = change
  channel[_WAITS_LAST], follow[change] = change, -1


@compiled
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


@compiled
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


@compiled
def _number_parts(work: Work, note: int, change: int) -> None:
  """Puts the parts of a track in order of channel and program.

  Args:
    work: What was read.
    note: The first note of the track.
    change: The first change of the track.
  """
  rank = np.empty(work.keys[0], np.int64)
  count = 0
  if work.keys[0] == 1:
    rank[0], count = work.totals[PARTS], 1
  else:
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


@compiled
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


@compiled
def _pair(work: Work, ticks: np.ndarray, words: np.ndarray) -> None:
  """Takes in the messages of a track; the loop that all others serve."""
  # Names of their own: handing on the whole of `work` costs more than a note.
  notes, changes, queue, voices = (
    work.notes,
    work.changes,
    work.queue,
    work.voices,
  )
  first, last, part = work.first, work.last, work.part
  channels, follow = work.channels, work.follow
  note, change = work.totals[NOTES], work.totals[CHANGES]
  work.totals[OLD_NOTES], work.totals[OLD_CHANGES] = note, change
  for index in range(len(ticks)):
    tick, word = ticks[index], signed(words[index])
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


@compiled
def _named(words: np.ndarray) -> int:
  """Returns the channel * 128 + program that is named first, else 0."""
  for word in words:
    if word >> 20 == 0xC:
      return (word >> 16 & 0xF) << 7 | (word >> 8 & 0x7F)
  return 0
