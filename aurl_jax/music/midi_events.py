"""The exact reader of one track's events, a loop over bytes.

It keeps what symusic loses, and says what is wrong; a hundred times slower,
so `music.midi` asks it only where symusic cannot be proved right. Where the
bytes stop making sense it asks `music.midi_resync` where they do again.
"""

import dataclasses

from aurl_jax.music import midi_resync
from aurl_jax.music.midi_chunks import (
  LIMITS,
  MAX_TICKS,
  META_WEIGHT,
  Limits,
  Log,
)
from aurl_jax.music.midi_resync import DATA_BYTES, END_OF_TRACK

LONG_DELTA = 1 << 21
"""Ticks from which a delta time takes four bytes, the most there may be."""
LONG_BEATS = 8192
"""Beats of a delta time that is told: over an hour at 120 bpm."""
_LONGEST_NUMBER = 32
"""Bytes of a number that is read to its end; longer ones are no numbers."""
_NOWHERE = -1
"""Where the next event begins if there is none."""


@dataclasses.dataclass
class Events:
  """What one track holds, in file order.

  Attributes:
    channel: (tick, status, data 1, data 2) of channel messages; data 2 is 0
      where the message has one byte.
    metas: (tick, type, payload).
    end: Tick of the last event.
  """

  channel: list[tuple[int, int, int, int]] = dataclasses.field(
    default_factory=list
  )
  metas: list[tuple[int, int, bytes]] = dataclasses.field(default_factory=list)
  end: int = 0


def read_events(
  chunk: bytes,
  where: str,
  ticks_per_beat: int,
  issues: Log,
  remarks: Log,
  limits: Limits = LIMITS,
) -> Events:
  """Reads the events of a track.

  Args:
    chunk: What stands inside an `MTrk` chunk.
    where: Name of the track in issues.
    ticks_per_beat: Tells how long a delta time is.
    issues: Takes in what was wrong.
    remarks: Takes in what is odd.
    limits: How many events there may be.

  Raises:
    MidiError: There are more (code `too_many_events`).
  """
  longest = longest_delta(ticks_per_beat)
  reader = Reader(chunk, where, longest, issues, remarks, limits)
  reader.run()
  return reader.events


def longest_delta(ticks_per_beat: int) -> int:
  """Returns the longest delta time, in ticks, that is not remarked."""
  return max(LONG_DELTA - 1, LONG_BEATS * ticks_per_beat)


def tell_no_end(where: str, size: int, issues: Log, limits: Limits) -> None:
  """Tells that a track ends without an end; all there is of an empty one."""
  action = 'ended with its last event'
  issues.tell('no_end_of_track', f'{where}, byte {size}', action)
  if issues.total > limits.faults:
    limits.check('faults', issues.total)


class Reader:
  """Walks over the events; what a step leaves is here.

  Attributes:
    tick: Of the last event.
    running: Status that holds for an event without one; 0 for none.
    cancelled: Whether a meta or exclusive event stands between.
    open: Where an exclusive event began that has not ended; -1 for none.
  """

  def __init__(
    self,
    chunk: bytes,
    where: str,
    longest: int,
    issues: Log,
    remarks: Log,
    limits: Limits,
  ) -> None:
    self.chunk, self.where, self.longest = chunk, where, longest
    self.limits = limits
    self.issues, self.remarks = issues, remarks
    self.events = Events()
    self.tick, self.running, self.cancelled = 0, 0, False
    self.open = -1

  def run(self) -> None:
    """Reads the track to its end."""
    position, size = self._ahead(0), len(self.chunk)
    while 0 <= position < size:
      position = self._event(position)
      held = len(self.events.channel) + META_WEIGHT * len(self.events.metas)
      if held > self.limits.events:
        self.limits.check('events', held)
      if position != _NOWHERE:
        position = self._ahead(position)
    if position != _NOWHERE:
      tell_no_end(self.where, size, self.issues, self.limits)
    if self.open >= 0:
      self._tell('exclusive_open', self.open, 'taken as it is')

  def _ahead(self, position: int) -> int:
    """Where to go on behind what needs no look from here: nothing at all."""
    return position

  def _resume(self, position: int) -> int:
    """Returns the first sure place from `position` on, -1 for none."""
    return midi_resync.resume(self.chunk, position)

  def _event(self, begin: int) -> int:
    """Reads one event; returns where the next begins."""
    try:
      delta, position = self._delta(begin)
      if position < 0:
        return self._skip('number', begin)
      status = self.chunk[position]
      if status < 0x80 and not self.running:
        return self._skip('running_status', begin)
      self.tick += delta
      return self._behind_delta(position)
    except IndexError:
      self._tell('cut_event', begin, 'the last event left out')
      return _NOWHERE

  def _behind_delta(self, position: int) -> int:
    """Reads an event but for its delta time."""
    status = self.chunk[position]
    if status >= 0xF0:
      self.cancelled = True
      self.events.end = self.tick
      if status in (0xF0, 0xF7, 0xFF):
        return self._meta_or_exclusive(position)
      return self._system(position)
    if status >= 0x80:
      self.running, self.cancelled = status, False
      position += 1
    elif self.cancelled:
      self.cancelled = False
      action = 'taken from the last channel event'
      self._tell('running_status', position, action)
    return self._message(position)

  def _message(self, position: int) -> int:
    """Reads the data of a channel message."""
    chunk, status = self.chunk, self.running
    first, second, after = chunk[position], 0, position + 1
    if DATA_BYTES[status & 0xF0] == 2:
      second, after = chunk[after], after + 1
    if first > 0x7F or second > 0x7F:
      data, next_ = midi_resync.data_bytes(chunk, position, after, status)
      if not data:
        self._tell('data_byte', position, 'the event left out')
        return next_
      if next_ > after:
        self._tell('system_message', position, 'inside an event; passed over')
      else:
        action = f'taken for {" and ".join(map(str, data))}'
        self._tell('data_byte', position, action)
      first, after = data[0], next_
      second = data[-1] if len(data) > 1 else 0
    self.events.channel.append((self.tick, status, first, second))
    self.events.end = self.tick
    return after

  def _system(self, position: int) -> int:
    """Passes over a message that has no place in a file."""
    self._tell('system_message', position, 'passed over')
    found = midi_resync.behind(self.chunk, position, self.running)
    if found.has_delta:
      return found.position
    return self._behind_delta(found.position)

  def _meta_or_exclusive(self, position: int) -> int:
    chunk, status = self.chunk, self.chunk[position]
    is_meta = status == 0xFF
    kind = chunk[position + 1] if is_meta else -1
    size, start = midi_resync.number(chunk, position + 1 + is_meta)
    if kind == END_OF_TRACK:
      return self._finish(position + 3)
    if start < 0 or start + size > len(chunk):
      code = 'meta_length' if is_meta else 'exclusive_length'
      return self._skip(code, position, from_=position + 2)
    if is_meta:
      payload = chunk[start : start + size]
      self.events.metas.append((self.tick, kind, payload))
    else:
      self._exclusive(position, size > 0 and chunk[start + size - 1] == 0xF7)
    return start + size

  def _exclusive(self, position: int, ends: bool) -> None:
    """Keeps whether an exclusive event waits for its rest.

    Without one that waits, 0xF7 begins any bytes, which need no end.
    """
    begins = self.chunk[position] == 0xF0
    if begins and self.open >= 0:
      self._tell('exclusive_open', self.open, 'taken as it is')
    if ends:
      self.open = -1
    elif begins:
      self.open = position

  def _finish(self, after: int) -> int:
    """Ends the track, unless events follow its end."""
    left = len(self.chunk) - after
    if left <= 0:
      return _NOWHERE
    if midi_resync.score(self.chunk, after, 0) >= midi_resync.SURE:
      self._tell('after_end', after, 'events after its end kept')
      return after
    self._tell('after_end', after, f'{left} bytes after its end left out')
    return _NOWHERE

  def _delta(self, begin: int) -> tuple[int, int]:
    """Reads a delta time; the second is -1 if there is none."""
    delta = self.chunk[begin]
    if delta < 0x80:
      position = begin + 1
    else:
      delta, position = midi_resync.number(self.chunk, begin, _LONGEST_NUMBER)
    if position > begin + 4:
      self._tell('long_number', begin, f'{position - begin} bytes read')
    if self.tick + delta > MAX_TICKS:
      action = f'{delta} ticks would pass the limit; taken for 0'
      self._tell('ticks', begin, action)
      return 0, position
    if delta > self.longest:
      place = f'{self.where}, byte {begin}'
      self.remarks.tell('huge_delta', place, f'{delta} ticks kept')
    return delta, position

  def _skip(self, code: str, position: int, from_: int = -1) -> int:
    """Passes over bytes that make no sense."""
    begin = position + 1 if from_ < 0 else from_
    found = self._resume(begin)
    if found < 0:
      left = len(self.chunk) - position
      self._tell(code, position, f'the last {left} bytes left out')
      return _NOWHERE
    self._tell(code, position, f'{found - position} bytes passed over')
    return found

  def _tell(self, code: str, position: int, action: str) -> None:
    self.issues.tell(code, f'{self.where}, byte {position}', action)
    if self.issues.total > self.limits.faults:
      self.limits.check('faults', self.issues.total)
