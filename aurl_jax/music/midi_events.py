"""The exact reader of one track's events, a loop over bytes.

It keeps what symusic loses, and says what is wrong; a hundred times slower,
so `music.midi` asks it only where symusic cannot be proved right.
"""

import dataclasses

from aurl_jax.music.midi_chunks import MAX_EVENTS, MAX_TICKS, Issue, refuse

_DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}
_SYSTEM_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1}
_END_OF_TRACK = 0x2F


@dataclasses.dataclass
class Events:
  """What one track holds, in file order.

  Attributes:
    channel: (tick, status, data 1, data 2) of channel messages; data 2 is 0
      where the message has one byte.
    metas: (tick, type, payload).
    end: Tick of the last event.
    issues: What was wrong.
  """

  channel: list[tuple[int, int, int, int]] = dataclasses.field(
    default_factory=list
  )
  metas: list[tuple[int, int, bytes]] = dataclasses.field(default_factory=list)
  end: int = 0
  issues: list[Issue] = dataclasses.field(default_factory=list)


class _Broken(Exception):
  """The rest of the track cannot be told apart."""

  def __init__(self, code: str, position: int) -> None:
    super().__init__(code)
    self.code = code
    self.position = position


def read_events(chunk: bytes, where: str) -> Events:
  """Reads the events of a track, as far as they make sense.

  Args:
    chunk: What stands inside an `MTrk` chunk.
    where: Name of the track in issues.

  Raises:
    MidiError: More ticks or events than the limits of `midi_chunks`.
  """
  events = Events()
  try:
    _walk(chunk, events, where)
  except IndexError:
    events.issues.append(Issue('cut_event', where, 'its last event left out'))
  except _Broken as broken:
    place = f'{where}, byte {broken.position}'
    rest = len(chunk) - broken.position
    events.issues.append(
      Issue(broken.code, place, f'the last {rest} bytes left out')
    )
  return events


def _walk(chunk: bytes, events: Events, where: str) -> None:
  position, tick, running, size = 0, 0, 0, len(chunk)
  cancelled = False
  while position < size:
    delta, position = _number(chunk, position)
    tick += delta
    if tick > MAX_TICKS:
      raise refuse('ticks', f'{where} goes past tick {MAX_TICKS}')
    status = chunk[position]
    if status >= 0xF0:
      position = _system(chunk, position, tick, events, where)
      events.end = tick
      if position < 0:
        return
      cancelled = True
      continue
    if status >= 0x80:
      running, cancelled = status, False
      position += 1
    elif not running:
      raise _Broken('running_status', position)
    elif cancelled:
      cancelled = False
      place = f'{where}, byte {position}'
      events.issues.append(
        Issue('running_status', place, 'taken from the last channel event')
      )
    position = _message(chunk, position, tick, running, events)
    events.end = tick
  events.issues.append(
    Issue('no_end_of_track', where, 'ended with its last event')
  )


def _number(chunk: bytes, position: int) -> tuple[int, int]:
  """Returns a variable-length number and the position behind it."""
  value = chunk[position]
  if value < 0x80:
    return value, position + 1
  value &= 0x7F
  for place in range(position + 1, position + 4):
    byte = chunk[place]
    value = value << 7 | byte & 0x7F
    if byte < 0x80:
      return value, place + 1
  raise _Broken('number', position)


def _message(
  chunk: bytes, position: int, tick: int, status: int, events: Events
) -> int:
  """Reads the data of a channel message; returns the position behind."""
  first = chunk[position]
  if _DATA_BYTES[status & 0xF0] == 1:
    second, after = 0, position + 1
  else:
    second, after = chunk[position + 1], position + 2
  if first > 0x7F or second > 0x7F:
    raise _Broken('data_byte', position)
  events.channel.append((tick, status, first, second))
  if len(events.channel) > MAX_EVENTS:
    raise refuse('too_many_events', f'over {MAX_EVENTS} events in a track')
  return after


def _system(
  chunk: bytes, position: int, tick: int, events: Events, where: str
) -> int:
  """Reads a meta, exclusive or system event; -1 after the end of track."""
  status = chunk[position]
  if status == 0xFF:
    kind = chunk[position + 1]
    size, start = _number(chunk, position + 2)
    if start + size > len(chunk):
      raise _Broken('meta_length', position)
    if kind == _END_OF_TRACK:
      left = len(chunk) - start - size
      if left:
        events.issues.append(
          Issue('after_end', where, f'{left} bytes after its end left out')
        )
      return -1
    events.metas.append((tick, kind, chunk[start : start + size]))
    return start + size
  if status in (0xF0, 0xF7):
    size, start = _number(chunk, position + 1)
    if start + size > len(chunk):
      raise _Broken('exclusive_length', position)
    return start + size
  events.issues.append(
    Issue('system_message', f'{where}, byte {position}', 'skipped')
  )
  return position + 1 + _SYSTEM_BYTES.get(status, 0)
