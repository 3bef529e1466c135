"""Events of one track of a sound file, read from the disk block by block.

A cursor holds no bytes between two calls, only where it is; what a block
cuts through is read again with the next one. Events that the compiled loop
leaves are read by `midi_events.Reader`; where that would mend something,
the file is refused, as mending looks further than a block.
"""

import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from aurl_jax.core.errors import MidiError
from aurl_jax.music import midi_native, midi_resync
from aurl_jax.music.midi_chunks import LIMITS, MAX_TICKS, Log, Span, refuse
from aurl_jax.music.midi_events import Events, Reader, longest_delta

NEVER = 1 << 62
"""A tick that does not come."""
_SMALLEST, _LARGEST = 1 << 12, 1 << 17
"""Bytes that are read at once: at first, and at most."""
LONGEST_EVENT = 1 << 24
"""Bytes of an event that is streamed."""
_ROOM = 1 << 16
"""Messages that a block holds."""
_LOOK = 64
"""Bytes that tell how many an event has."""
_LONG_NUMBER = 32
_EVENT_ROOM = 8


class Block(NamedTuple):
  """Events that follow each other in a track.

  Attributes:
    ticks: [n] int64, of messages.
    words: [n] int64, status << 16 | data 1 << 8 | data 2 of these.
    metas: (tick, type, payload).
  """

  ticks: np.ndarray
  words: np.ndarray
  metas: list[tuple[int, int, bytes]]


class Tables:
  """Where `scan` puts what it finds; all cursors of a file share one."""

  def __init__(self) -> None:
    self.ticks = np.empty(_ROOM, np.int64)
    self.words = np.empty(_ROOM, np.int32)
    self.metas = np.empty((_ROOM >> 4, 4), np.int64)


def unsound(where: str, code: str) -> MidiError:
  """Returns the error for what only `midi.read` can mend or explain."""
  return refuse(
    'unsound',
    f'{where}: {code}; only sound files are streamed, midi.read mends this one '
    'or says why it cannot',
  )


class _Step(Reader):
  """Reads one event that `scan` leaves."""

  def step(self, cursor: 'Cursor') -> int:
    """Reads it and hands the state back; returns where the next one begins."""
    state = cursor.state
    _, tick, running, sure, is_open, last = state[:6].tolist()
    self.tick, self.running, self.cancelled = tick, running, not sure
    self.open, self.events.end = is_open - 1, last
    position = self._event(0)
    state[1:6] = (
      self.tick, self.running, bool(self.running) and not self.cancelled,
      self.open >= 0, self.events.end,
    )  # fmt: skip
    return position


class Cursor:
  """Where the reading of a track is.

  Attributes:
    where: Name of the track in issues.
    state: That of `midi_scan.scan`.
    next: Tick of the next event, as far as it is known; `NEVER` at the end.
    remarks: What is odd and allowed.
  """

  def __init__(
    self,
    file: io.BufferedIOBase,
    span: Span,
    where: str,
    beat: int,
    tables: Tables,
  ) -> None:
    self._file, self._span, self._tables = file, span, tables
    self._offset, self._size, self._need = span[0], _SMALLEST, 0
    self._longest = longest_delta(beat)
    self._metas: list[tuple[int, int, bytes]] = []
    self.where, self.next, self.remarks = where, 0, Log()
    self.state = np.zeros(8, np.int64)

  @property
  def last(self) -> int:
    """Tick of the last event so far."""
    return int(self.state[midi_native.scanner().LAST])

  def blocks(self, stop: int = NEVER) -> Iterator[Block]:
    """Reads on up to the events at tick `stop` or later.

    Raises:
      MidiError: Something is not as it must be (codes `unsound`,
        `long_event`).
    """
    while self.next < stop:
      size = max(self._size, self._need)
      size = min(size, self._span[1] - self._offset)
      self._file.seek(self._offset)
      chunk = self._file.read(size)
      if len(chunk) < size:
        raise unsound(self.where, 'truncated')
      is_last = self._offset + size == self._span[1]
      self._need = 0
      yield from self._chunk(chunk, is_last, stop)

  def _chunk(self, chunk: bytes, is_last: bool, stop: int) -> Iterator[Block]:
    """Reads what stands in some bytes of the track."""
    loops, state, tables = midi_native.scanner(), self.state, self._tables
    data = np.frombuffer(chunk, np.uint8)
    bounds = np.array([MAX_TICKS, self._longest, stop])
    state[[loops.POSITION, loops.COUNT, loops.TOLD]] = 0
    going = True
    while going:
      # A place is left for the event that is read without the loop.
      why = loops.scan(
        data, len(data), state, bounds, tables.ticks[:-1], tables.words[:-1],
        tables.metas,
      )  # fmt: skip
      self._keep_metas(chunk)
      if why == loops.FULL or state[loops.COUNT] == _ROOM - 1:
        yield self._block()
      if why == loops.ODD:
        going = self._odd(chunk, is_last, stop)
      elif why != loops.FULL:
        self._stopped(chunk, why == loops.ENDED, is_last)
        going = False
    self._offset += int(state[loops.POSITION])
    yield self._block()

  def _keep_metas(self, chunk: bytes) -> None:
    told = midi_native.scanner().TOLD
    rows = self._tables.metas[: self.state[told]].tolist()
    self._metas += [(tick, kind, chunk[a:b]) for tick, kind, a, b in rows]
    self.state[told] = 0

  def _block(self) -> Block:
    """Returns what was found and empties the tables."""
    place = midi_native.scanner().COUNT
    count = int(self.state[place])
    metas, self._metas, self.state[place] = self._metas, [], 0
    words = self._tables.words[:count].astype(np.int64)
    return Block(self._tables.ticks[:count].copy(), words, metas)

  def _stopped(self, chunk: bytes, ended: bool, is_last: bool) -> None:
    """Keeps why `scan` went no further: the track ends, or it is too late."""
    position, tick = self.state[:2].tolist()
    if ended:
      self._end(is_last)
      return
    delta, _ = midi_resync.number(chunk, position)
    self.next = tick + delta
    if position * 4 < len(chunk):
      self._size = max(_SMALLEST, self._size // 2)

  def _end(self, is_last: bool) -> None:
    if not is_last:
      raise unsound(self.where, 'after_end')
    if self.state[midi_native.scanner().OPEN]:
      raise unsound(self.where, 'exclusive_open')
    self.next = NEVER

  def _odd(self, chunk: bytes, is_last: bool, stop: int) -> bool:
    """Reads an event that `scan` leaves; returns whether to read on here."""
    position = int(self.state[0])
    need, left = _size(chunk, position), len(chunk) - position
    if need > left and not is_last:
      if need > LONGEST_EVENT:
        raise refuse(
          'long_event',
          f'{self._place(position)}: an event of {need:,} bytes; '
          f'{LONGEST_EVENT:,} are streamed, midi.read takes it',
        )
      self._size, self._need = min(2 * self._size, _LARGEST), need
      return False
    if not left:
      raise unsound(self.where, 'no_end_of_track')
    now = self._tick(chunk, position)
    if stop <= now <= MAX_TICKS:
      self.next = now
      return False
    self._step(chunk[position : position + need + _EVENT_ROOM], is_last)
    return self.next != NEVER

  def _tick(self, chunk: bytes, position: int) -> int:
    """Returns the tick of an event; -1 if it has none."""
    try:
      delta, place = midi_resync.number(chunk, position, _LONG_NUMBER)
    except IndexError:
      return -1
    return -1 if place < 0 else int(self.state[1]) + delta

  def _step(self, event: bytes, is_last: bool) -> None:
    position, issues, remarks = int(self.state[0]), Log(), Log()
    reader = _Step(event, self.where, self._longest, issues, remarks, LIMITS)
    after = reader.step(self)
    if issues.total:
      raise unsound(self._place(position), issues.issues[0].code)
    for code, _, action in remarks.issues:
      self.remarks.tell(code, self._place(position), action)
    self._take(reader.events)
    if after < 0:
      self._end(is_last)
      after = len(event)
    self.state[0] = position + after

  def _take(self, events: Events) -> None:
    place = midi_native.scanner().COUNT
    for tick, status, first, second in events.channel:
      count = self.state[place]
      self._tables.ticks[count] = tick
      self._tables.words[count] = status << 16 | first << 8 | second
      self.state[place] += 1
    self._metas += events.metas

  def _place(self, position: int) -> str:
    return f'{self.where}, byte {self._offset + position - self._span[0]}'


def _size(chunk: bytes, position: int) -> int:
  """Returns how many bytes an event takes, or must be seen to tell."""
  try:
    _, place = midi_resync.number(chunk, position, _LONG_NUMBER)
    status: Any = chunk[place]
    if place < 0 or status not in (0xF0, 0xF7, 0xFF):
      return _LOOK
    size, start = midi_resync.number(chunk, place + 1 + (status == 0xFF))
  except IndexError:
    return _LOOK
  return _LOOK if start < 0 else max(start + size - position, _LOOK)
