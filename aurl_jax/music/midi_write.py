"""`Notes` to the bytes of a MIDI file, all tracks at once.

symusic's own writer puts every track on channel 0 and loses empty tracks
and texts, so the bytes are laid here. Axis: `e` events of one track.
"""

import itertools
import os
import struct

import numpy as np

from aurl_jax.core import errors, files
from aurl_jax.music.midi_chunks import MAX_TICKS
from aurl_jax.music.midi_parts import CHORD_PREFIX, DRUM_CHANNEL
from aurl_jax.music.notes import TABLES, Notes

_LONGEST_DELTA = (1 << 28) - 1
_END_OF_TRACK = b'\x00\xff\x2f\x00'
_TEXT, _NAME, _PORT, _LYRIC, _MARKER = 0x01, 0x03, 0x21, 0x05, 0x06
_TEMPO, _METER, _KEY = 0x51, 0x58, 0x59
_OFF, _ON, _CONTROL, _PROGRAM, _BEND = 0x80, 0x90, 0xB0, 0xC0, 0xE0


def write(
  notes: Notes,
  path: str | os.PathLike[str] | None = None,
  *,
  single: bool = False,
) -> bytes:
  """Returns a piece as a MIDI file of format 1 or 0; saves it, if asked.

  The first track holds title, tempos, meters, keys and the texts of the
  whole piece; then each track stands alone, drums on channel 10, the others
  on the 15 channels in turn (a further port for every 15 tracks). The same
  piece gives the same bytes. `read(write(x)).notes == x`, except that

  - a note that starts later and ends earlier than one of equal pitch on its
    track swaps ends with it, as MIDI cannot tell them apart;
  - a marker whose text begins with `chord:` comes back as a chord.

  Format 0 holds all in one track, for players that know no other. It has a
  channel for each track, so 15 beside the drums, whose tracks become one;
  names of tracks, and whose a text is, have no place in it.

  Args:
    notes: The piece.
    path: Where to save it; the file appears whole or not at all.
    single: Whether all is one track (format 0).

  Raises:
    MidiError: The piece does not fit a MIDI file: it passes tick 2**31 - 1
      (code `ticks`), a meter's denominator is no power of two (`meter`), or
      it has over 65,534 tracks, over 15 beside the drums in format 0
      (`too_many_tracks`).
  """
  _check(notes)
  channels = _channels(notes)
  if single:
    _check_single(channels)
  homes = np.arange(1, len(notes.tracks) + 1) * (not single)
  metas = _metas(notes, channels, homes)
  count = 1 if single else 1 + len(notes.tracks)
  bodies = _lay(*_messages(notes, channels, homes), metas, count)
  kind = 0 if single else 1
  header = struct.pack(
    '>4sIHHH', b'MThd', 6, kind, len(bodies), notes.ticks_per_beat
  )
  data = b''.join([header, *(_chunk(body) for body in bodies)])
  if path is not None:
    files.write_atomic(path, data)
  return data


_Meta = tuple[int, int, bytes]
"""Track of the file, tick, and event of any length."""


def _check(notes: Notes) -> None:
  last = max(
    notes.end,
    *(int(getattr(notes, name)['tick'].max(initial=0)) for name in TABLES),
    *(text.tick for text in notes.texts[-1:]),
  )
  if last > MAX_TICKS:
    raise errors.MidiError(
      f'the piece ends at tick {last}, a MIDI file at {MAX_TICKS}; fewer '
      'ticks a beat (music.transform.resample) shorten it',
      code='ticks',
    )
  if len(notes.tracks) > 65534:
    raise errors.MidiError(
      f'{len(notes.tracks)} tracks; a MIDI file holds 65,534',
      code='too_many_tracks',
    )
  denominators = notes.meters['denominator']
  odd = denominators[denominators & (denominators - 1) != 0]
  if len(odd):
    raise errors.MidiError(
      f'meter denominator {odd[0]} is no power of two', code='meter'
    )


def _check_single(channels: np.ndarray) -> None:
  """Refuses a piece that needs a second port."""
  if len(channels) and channels.max() > 15:
    raise errors.MidiError(
      f'{np.count_nonzero(channels != DRUM_CHANNEL)} tracks beside the drums; '
      'a MIDI file of format 0 holds 15: write format 1',
      code='too_many_tracks',
    )


def _meta(kind: int, payload: bytes) -> bytes:
  size = len(payload)
  number = bytes([size & 0x7F])
  while size := size >> 7:
    number = bytes([size & 0x7F | 0x80]) + number
  return bytes([0xFF, kind]) + number + payload


def _channels(notes: Notes) -> np.ndarray:
  """Returns the channel of each track, and its port in the bits above."""
  drums = np.array([track.is_drum for track in notes.tracks], np.bool_)
  port, place = np.divmod(np.cumsum(~drums) - 1, 15)
  place += place >= DRUM_CHANNEL
  return np.where(drums, DRUM_CHANNEL, port << 4 | place)


def _metas(
  notes: Notes, channels: np.ndarray, homes: np.ndarray
) -> list[_Meta]:
  """Returns all but the messages; those of a tick in their order.

  Args:
    notes: The piece, [t] tracks.
    channels: [t], see `_channels`.
    homes: [t], the track of the file for each track; all 0 in format 0.
  """
  metas: list[_Meta] = []
  if notes.title:
    metas.append((0, 0, _meta(_NAME, notes.title.encode())))
  for tick, top, bottom in notes.meters.tolist():
    # 24 MIDI clocks a click and 8 thirty-seconds a quarter are the norm.
    payload = bytes([top, bottom.bit_length() - 1, 24, 8])
    metas.append((0, tick, _meta(_METER, payload)))
  for tick, fifths, minor in notes.keys.tolist():
    metas.append((0, tick, _meta(_KEY, bytes([fifths & 0xFF, minor]))))
  for tick, micros in notes.tempos.tolist():
    metas.append((0, tick, _meta(_TEMPO, micros.to_bytes(3))))
  metas += _heads(notes, channels.tolist(), homes.tolist())
  for tick, owner, kind, text in notes.texts:
    word = CHORD_PREFIX + text if kind == 'chord' else text
    event = _meta(_LYRIC if kind == 'lyric' else _MARKER, word.encode())
    metas.append((int(homes[owner]) if owner >= 0 else 0, tick, event))
  return metas


def _heads(notes: Notes, channels: list[int], homes: list[int]) -> list[_Meta]:
  """Returns name, port and program of each track."""
  metas: list[_Meta] = []
  told = set()
  for track, channel, home in zip(notes.tracks, channels, homes, strict=True):
    if track.name and home:
      metas.append((home, 0, _meta(_NAME, track.name.encode())))
    if channel >> 4:
      metas.append((home, 0, _meta(_PORT, bytes([channel >> 4 & 0x7F]))))
    if home or channel not in told:
      event = bytes([_PROGRAM | channel & 0x0F, track.program])
      metas.append((home, 0, event))
    told.add(channel)
  return metas


def _messages(
  notes: Notes, channels: np.ndarray, homes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the channel messages in any order.

  Returns:
    [e] int64, where each belongs: 16 bits of the track of the file, 32 of
    the tick, 3 of the order at one tick; and [e, 3] uint8, its bytes.
  """
  end = notes.onset + notes.duration
  controls, bends = notes.controls, notes.bends
  bend = bends['value'] + 8192
  # At one tick: controls, ends, starts, and ends of notes without length.
  ends = np.where(end == notes.onset, 4, 2)
  release = np.full(len(notes), 64)
  parts = (
    (_CONTROL, controls, 1, controls['number'], controls['value']),
    (_BEND, bends, 1, bend & 0x7F, bend >> 7),
    (_OFF, {'track': notes.track, 'tick': end}, ends, notes.pitch, release),
    (
      _ON,
      {'track': notes.track, 'tick': notes.onset},
      3,
      notes.pitch,
      notes.velocity,
    ),
  )
  keys, messages = [], []
  for status, where, rank, first, second in parts:
    keys.append(_place(homes[where['track']], where['tick'], rank))
    message = np.empty((len(first), 3), np.uint8)
    message[:, 0] = channels[where['track']] & 0x0F | status
    message[:, 1], message[:, 2] = first, second
    messages.append(message)
  return np.concatenate(keys), np.concatenate(messages)


def _place(
  track: np.ndarray, tick: np.ndarray, rank: np.ndarray | int
) -> np.ndarray:
  return track << 35 | tick << 3 | rank


def _chunk(events: bytes) -> bytes:
  body = events + _END_OF_TRACK
  return struct.pack('>4sI', b'MTrk', len(body)) + body


def _lay(
  keys: np.ndarray, messages: np.ndarray, metas: list[_Meta], tracks: int
) -> list[bytes]:
  """Returns the events of each track, each behind its delta time.

  Args:
    keys: [e] int64, where the messages belong (see `_messages`).
    messages: [e, 3] uint8.
    metas: These come first at their tick, in this order.
    tracks: How many tracks the file has.
  """
  first = len(metas)
  whens = np.array([meta[:2] for meta in metas], np.int64).reshape(-1, 2)
  places = np.concatenate([_place(whens[:, 0], whens[:, 1], 0), keys])
  order = np.argsort(places, kind='stable')
  track, tick = places[order] >> 35, places[order] >> 3 & 0xFFFFFFFF
  cuts = np.searchsorted(track, np.arange(1, tracks))
  delta = np.diff(tick, prepend=0)
  starts = cuts[cuts < len(delta)]
  delta[starts] = tick[starts]
  gaps = np.flatnonzero(delta > _LONGEST_DELTA)
  if len(gaps):
    fillers = _fillers(track[gaps], tick[gaps], delta[gaps])
    return _lay(keys, messages, fillers + metas, tracks)
  width = np.ones(len(delta), np.int64)
  for bits in (7, 14, 21):
    width += delta >= 1 << bits
  sizes = np.full(len(places), 3)
  sizes[:first] = [len(event) for _, _, event in metas]
  stop = np.cumsum(width + sizes[order])
  data = np.empty(int(stop[-1]) if len(stop) else 0, np.uint8)
  start = np.empty_like(stop)
  start[order] = stop - sizes[order]
  _put_deltas(data, start[order], width, delta)
  for column in range(3):
    data[start[first:] + column] = messages[:, column]
  for (_, _, event), at in zip(metas, start[:first].tolist(), strict=True):
    data[at : at + len(event)] = np.frombuffer(event, np.uint8)
  edges = np.concatenate([[0], np.append(0, stop)[cuts], [len(data)]])
  whole = data.tobytes()
  return [whole[a:b] for a, b in itertools.pairwise(edges.tolist())]


def _put_deltas(
  data: np.ndarray, stop: np.ndarray, width: np.ndarray, delta: np.ndarray
) -> None:
  """Writes each delta as a variable-length number that ends at `stop`."""
  data[stop - 1] = delta & 0x7F
  for place in range(1, 4):
    rows = np.flatnonzero(width > place)
    if not len(rows):
      return
    data[stop[rows] - 1 - place] = delta[rows] >> 7 * place & 0x7F | 0x80


def _fillers(
  track: np.ndarray, tick: np.ndarray, delta: np.ndarray
) -> list[_Meta]:
  """Returns empty texts inside the gaps that no delta time can span."""
  rows = zip(track.tolist(), tick.tolist(), delta.tolist(), strict=True)
  return [
    (index, end - gap + step, _meta(_TEXT, b''))
    for index, end, gap in rows
    for step in range(_LONGEST_DELTA, gap, _LONGEST_DELTA)
  ]
