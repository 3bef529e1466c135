"""A whole file that is sound, read by compiled code in one call.

The walk over chunks of `music.midi_chunks`, the loops of `music.midi_scan` and
`music.midi_kernels` track by track, and what comes out as the columns and
tables of `Notes`. Numba keeps compiled code by the date of this file alone:
whoever changes `midi_scan` or `midi_kernels` must touch this one, too.
"""

import numpy as np

from aurl_jax.music.midi_chunks import META_WEIGHT
from aurl_jax.music.midi_kernels import (
  NEVER_ENDED,
  PARTS,
  Work,
  new_work,
  split,
)
from aurl_jax.music.midi_scan import (
  COUNT,
  ENDED,
  LAST,
  POSITION,
  TOLD,
  compiled,
  scan,
  signed,
)
from aurl_jax.music.midi_split import BEND


@compiled
def _big_endian(data: np.ndarray, position: int, size: int) -> int:
  value = 0
  for place in range(position, position + size):
    value = (value << 8) | signed(data[place])
  return value


@compiled
def _find_tracks(data: np.ndarray, most: int) -> tuple[int, np.ndarray]:
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
  if found < count:
    return -1, none
  return beat, spans


_HEADER, _TRACK = 0x4D546864, 0x4D54726B
"""`MThd` and `MTrk`."""


@compiled
def _scan_file(
  data: np.ndarray, spans: np.ndarray, bounds: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
  """Reads the events of all tracks, if none is odd.

  Args:
    data: [bytes] uint8, the whole file.
    spans: [t, 2] int64, from `find_tracks`.
    bounds: As for `scan`.
    most: Events that are allowed, metas among them with their weight.

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
    if why != ENDED or state[COUNT] + META_WEIGHT * state[TOLD] > most:
      return marks[:0], ticks[:0], words[:0], metas[:0]
    marks[track, 0] = state[LAST]
  return (
    marks,
    ticks[: state[COUNT]],
    words[: state[COUNT]],
    metas[: state[TOLD]],
  )


@compiled
def _split_file(
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
    count = signed(work.keys[0])
    keys[part : part + count] = work.keys[1 : count + 1]
    marks[track, 3], marks[track, 4] = count, work.totals[NEVER_ENDED]
  return work, keys[: work.totals[PARTS]]


@compiled
def _take_metas(
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
  tempo = meter = signature = other = 0
  for index in range(size):
    tick, kind, start, stop = metas[index]
    length, top, bottom = stop - start, signed(0), signed(0)
    if length >= 2:
      top, bottom = signed(data[start]), signed(data[start + 1])
    fifths = top - 256 if top > 127 else top
    micros = _big_endian(data, start, 3) if length == 3 else 0
    if kind == 0x51 and micros:
      tempos[tempo, 0], tempos[tempo, 1] = tick, micros
      tempo += 1
    elif kind == 0x58 and top and bottom < 16 and 4 * beat * top >> bottom:
      row = meters[meter]
      row[0], row[1], row[2] = tick, top, 1 << bottom
      meter += 1
    elif kind == 0x59 and length == 2 and abs(fifths) < 8 and bottom < 2:
      row = keys[signature]
      row[0], row[1], row[2] = tick, fifths, bottom
      signature += 1
    else:
      others[other] = index
      other += 1
  return tempos[:tempo], meters[:meter], keys[:signature], others[:other]


@compiled
def _tell_tracks(
  metas: np.ndarray, others: np.ndarray, marks: np.ndarray
) -> np.ndarray:
  """Returns other metas as [o, 6] int64, track and first part in front."""
  rows = np.empty((len(others), 6), np.int64)
  track = part = 0
  for row, index in zip(rows, others):  # noqa: B905
    while track + 1 < len(marks) and marks[track + 1, 2] <= index:
      part += marks[track, 3]
      track += 1
    row[0], row[1] = track, part if marks[track, 3] else -1
    row[2:] = metas[index]
  return rows


@compiled
def _part_bends(changes: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
  """Returns controls and bends as tables, and whether both ascend."""
  bend = 0
  for index in range(len(changes)):
    bend += changes[index, 2] == BEND
  bends = np.empty((bend, 3), np.int64)
  bend = 0
  ascending = True
  for index in range(len(changes)):
    row = changes[index]
    if index and row[0] <= changes[index - 1, 0]:
      before = changes[index - 1]
      same = row[0] == before[0] and row[1] >= before[1]
      ascending = ascending and same
    if row[2] == BEND:
      bends[bend, 0], bends[bend, 1], bends[bend, 2] = row[0], row[1], row[3]
      bend += 1
    elif bend:
      changes[index - bend] = row
  return changes[: len(changes) - bend], bends, ascending


@compiled
def _pack(notes: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
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


@compiled
def unpack(keys: np.ndarray, widths: np.ndarray) -> np.ndarray:
  """Returns [5, n] int64, the columns that `pack` put together."""
  notes = np.empty((5, len(keys)), np.int64)
  for index in range(len(keys)):
    key = keys[index]
    for column in range(4, -1, -1):
      notes[column, index] = key & ((1 << widths[column]) - 1)
      key >>= widths[column]
  return notes


@compiled
def read_file(
  data: np.ndarray, limits: np.ndarray
) -> tuple[
  np.ndarray,
  tuple[np.ndarray, np.ndarray, np.ndarray],
  tuple[np.ndarray, np.ndarray],
  tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
  tuple[np.ndarray, np.ndarray],
]:
  """Reads a file in which nothing is odd.

  Args:
    data: [bytes] uint8.
    limits: [6] int64: tracks, events, the last tick, the longest delta time
      in ticks and in beats (the longer one holds), and a tick past all.

  Returns:
    - [3] int64: ticks of a beat, or -1 if something is odd; whether the
      notes ascend, and the controls and bends;
    - notes: [5, n] int64, onset, track, pitch, duration, velocity; the same
      put together as `_pack` does, and how many bits each has;
    - controls [c, 4] and bends [b, 3] int64, as their tables;
    - tempos, meters and keys as [t, 2], [m, 3], [k, 3] int64, and what else
      is told as [o, 6]: track of the file, its first part or -1, tick, type,
      start and end;
    - the channel * 128 + program of each part, and the marks of the tracks.
  """
  beat, spans = _find_tracks(data, limits[0])
  bounds = limits[2:5].copy()
  bounds[1] = max(limits[3], limits[4] * beat)
  bounds[2] = limits[5]
  marks, ticks, words, metas = _scan_file(data, spans, bounds, limits[1])
  if not len(marks):
    beat = -1
  work, keys = _split_file(marks, ticks[:], words[:])
  packed, widths, ascending = _pack(work.notes)
  controls, bends, in_order = _part_bends(work.changes)
  tempos, meters, signatures, others = _take_metas(data, metas, beat)
  return (
    np.array([beat, ascending, in_order], np.int64),
    (work.notes, packed, widths),
    (controls, bends),
    (tempos, meters, signatures, _tell_tracks(metas, others, marks)),
    (keys, marks),
  )
