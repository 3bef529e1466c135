"""`Notes` to the bytes of a MIDI file, whole columns at a time.

symusic's own writer puts every track on channel 0 and loses empty tracks
and texts, so the bytes are laid here. Axis: `e` events of one track.
"""

import os
import struct

import numpy as np

from aurl_jax.core import errors, files
from aurl_jax.music.midi_chunks import MAX_TICKS
from aurl_jax.music.midi_parts import CHORD_PREFIX, DRUM_CHANNEL
from aurl_jax.music.notes import TABLES, Notes

_LONGEST_DELTA = (1 << 28) - 1
_OPENING = b'\x00'
_END_OF_TRACK = b'\x00\xff\x2f\x00'
_TEXT, _NAME, _PORT, _LYRIC, _MARKER = 0x01, 0x03, 0x21, 0x05, 0x06
_TEMPO, _METER, _KEY = 0x51, 0x58, 0x59
_OFF, _ON, _CONTROL, _PROGRAM, _BEND = 0x80, 0x90, 0xB0, 0xC0, 0xE0


def write(notes: Notes, path: str | os.PathLike[str] | None = None) -> bytes:
  """Returns a piece as a MIDI file of format 1; also saves it, if asked.

  The first track holds title, tempos, meters, keys and the texts of the
  whole piece; then each track stands alone, drums on channel 10, the others
  on the 15 channels in turn (a further port for every 15 tracks). The same
  piece gives the same bytes. `read(write(x)).notes == x`, except that

  - a note that starts later and ends earlier than one of equal pitch on its
    track swaps ends with it, as MIDI cannot tell them apart;
  - a marker whose text begins with `chord:` comes back as a chord.

  Args:
    notes: The piece.
    path: Where to save it; the file appears whole or not at all.

  Raises:
    MidiError: The piece does not fit a MIDI file: it passes tick 2**31 - 1
      (code `ticks`), a meter's denominator is no power of two (`meter`), or
      it has over 65,534 tracks (`too_many_tracks`).
  """
  _check(notes)
  texts = _texts_by_track(notes)
  chunks = [_conductor(notes, texts.get(-1, []))]
  order = np.argsort(notes.track, kind='stable')
  cuts = np.searchsorted(notes.track[order], np.arange(len(notes.tracks) + 1))
  melodic = 0
  for track, (name, program, is_drum) in enumerate(notes.tracks):
    rows = order[cuts[track] : cuts[track + 1]]
    port, place = divmod(melodic, 15)
    channel = DRUM_CHANNEL if is_drum else place + (place >= DRUM_CHANNEL)
    melodic += not is_drum
    head = _OPENING + _meta(_NAME, name.encode()) if name else b''
    if port and not is_drum:
      head += _OPENING + _meta(_PORT, bytes([port % 128]))
    head += _OPENING + bytes([_PROGRAM | channel, program])
    chunks.append(
      _track(notes, track, rows, channel, head, texts.get(track, []))
    )
  header = struct.pack(
    '>4sIHHH', b'MThd', 6, 1, len(chunks), notes.ticks_per_beat
  )
  data = header + b''.join(chunks)
  if path is not None:
    files.write_atomic(path, data)
  return data


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


def _meta(kind: int, payload: bytes) -> bytes:
  size = len(payload)
  number = bytes([size & 0x7F])
  while size := size >> 7:
    number = bytes([size & 0x7F | 0x80]) + number
  return bytes([0xFF, kind]) + number + payload


def _texts_by_track(notes: Notes) -> dict[int, list[tuple[int, bytes]]]:
  """Returns the (tick, event) of the texts of each track, -1 for all."""
  found: dict[int, list[tuple[int, bytes]]] = {}
  for tick, track, kind, text in notes.texts:
    word = CHORD_PREFIX + text if kind == 'chord' else text
    event = _meta(_LYRIC if kind == 'lyric' else _MARKER, word.encode())
    found.setdefault(track, []).append((tick, event))
  return found


def _conductor(notes: Notes, texts: list[tuple[int, bytes]]) -> bytes:
  """Returns the first track: what holds for the whole piece."""
  events = [
    # 24 MIDI clocks a click and 8 thirty-seconds a quarter are the norm.
    (tick, _meta(_METER, bytes([top, bottom.bit_length() - 1, 24, 8])))
    for tick, top, bottom in notes.meters.tolist()
  ]
  events += [
    (tick, _meta(_KEY, bytes([fifths & 0xFF, minor])))
    for tick, fifths, minor in notes.keys.tolist()
  ]
  events += [
    (tick, _meta(_TEMPO, micros.to_bytes(3)))
    for tick, micros in notes.tempos.tolist()
  ]
  head = _OPENING + _meta(_NAME, notes.title.encode()) if notes.title else b''
  none = np.zeros(0, np.int64)
  return _chunk(
    head + _lay(none, none, np.zeros((0, 3), np.uint8), events + texts)
  )


def _track(
  notes: Notes,
  track: int,
  rows: np.ndarray,
  channel: int,
  head: bytes,
  texts: list[tuple[int, bytes]],
) -> bytes:
  """Returns one track: texts, controls, bends and the notes of `rows`."""
  onset, pitch = notes.onset[rows], notes.pitch[rows]
  end = onset + notes.duration[rows]
  controls = notes.controls[notes.controls['track'] == track]
  bends = notes.bends[notes.bends['track'] == track]
  bend = bends['value'] + 8192
  release = np.full(len(rows), 64)
  # At one tick: controls, ends, starts, and ends of notes without length.
  parts = [
    (1, _CONTROL, controls['tick'], controls['number'], controls['value']),
    (1, _BEND, bends['tick'], bend & 0x7F, bend >> 7),
    (2, _OFF, end, pitch, release),
    (3, _ON, onset, pitch, notes.velocity[rows]),
  ]
  rank = np.concatenate([np.full(len(part[2]), part[0]) for part in parts])
  ticks = np.concatenate([part[2] for part in parts])
  payload = np.empty((len(ticks), 3), np.uint8)
  status = [np.full(len(part[2]), part[1] | channel) for part in parts]
  payload[:, 0] = np.concatenate(status)
  payload[:, 1] = np.concatenate([part[3] for part in parts])
  payload[:, 2] = np.concatenate([part[4] for part in parts])
  ends = slice(len(controls) + len(bends), len(ticks) - len(rows))
  rank[ends][end == onset] = 4
  return _chunk(head + _lay(ticks, rank, payload, texts))


def _chunk(events: bytes) -> bytes:
  body = events + _END_OF_TRACK
  return struct.pack('>4sI', b'MTrk', len(body)) + body


def _lay(
  ticks: np.ndarray,
  rank: np.ndarray,
  payload: np.ndarray,
  metas: list[tuple[int, bytes]],
) -> bytes:
  """Returns events in order, each behind its delta time.

  Args:
    ticks: [e] int64.
    rank: [e] int64 in 1..7, the order of events at one tick.
    payload: [e, 3] uint8, a channel message each.
    metas: (tick, event) which come first at their tick, in this order.
  """
  first = len(metas)
  ticks = np.concatenate([np.array([m[0] for m in metas], np.int64), ticks])
  rank = np.concatenate([np.zeros(first, np.int64), rank])
  order = np.argsort(ticks << 3 | rank, kind='stable')
  delta = np.diff(ticks[order], prepend=0)
  gaps = np.flatnonzero(delta > _LONGEST_DELTA)
  if len(gaps):
    fillers = _fillers(ticks[order][gaps], delta[gaps])
    return _lay(ticks[first:], rank[first:], payload, fillers + metas)
  width = np.ones(len(delta), np.int64)
  for bits in (7, 14, 21):
    width += delta >= 1 << bits
  sizes = np.full(len(ticks), 3)
  sizes[:first] = [len(event) for _, event in metas]
  stop = np.cumsum(width + sizes[order])
  data = np.empty(int(stop[-1]) if len(stop) else 0, np.uint8)
  start = np.empty_like(stop)
  start[order] = stop - sizes[order]
  _put_deltas(data, stop - sizes[order], width, delta)
  for column in range(3):
    data[start[first:] + column] = payload[:, column]
  for (_, event), place in zip(metas, start[:first].tolist(), strict=True):
    data[place : place + len(event)] = np.frombuffer(event, np.uint8)
  return data.tobytes()


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


def _fillers(ticks: np.ndarray, delta: np.ndarray) -> list[tuple[int, bytes]]:
  """Returns empty texts inside the gaps that no delta time can span."""
  return [
    (tick - gap + step, _meta(_TEXT, b''))
    for tick, gap in zip(ticks.tolist(), delta.tolist(), strict=True)
    for step in range(_LONGEST_DELTA, gap, _LONGEST_DELTA)
  ]
