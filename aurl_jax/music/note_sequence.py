"""`Notes` to the NoteSequence proto of Magenta, and back, exactly.

The proto is the record format and the door to note_seq's world. Times are
float64 seconds, `ticks_per_quarter` and the tempo map tell the ticks again.
A track is an `instrument`; what the proto has no place for stands in

- `part_infos`: 'program 40' or 'drums 0' of a track in which nothing is;
- `text_annotations` of no type: `lyric@TRACK:text`, `marker@TRACK:text`,
  `chord@TRACK:text` (a chord of the whole piece is a CHORD_SYMBOL), and
  `fifths@INDEX:7` where a key is not spelled with -5..6 sharps.

Metadata (`data.metadata`) are no part of `Notes`; a text `licence@-1:...` is
theirs and is passed over.
"""

import functools
import importlib
import importlib.util
import re
import sys
import threading
import types
from typing import Any

import numpy as np

from aurl_jax.core import errors
from aurl_jax.music import notes as notes_lib
from aurl_jax.music import time
from aurl_jax.music.notes import Notes, Text, Track

_MICROSECONDS = 60_000_000
"""Of a minute: beats a minute times microseconds a beat."""
_DEFAULT_TICKS = 220
"""What note_seq takes where `ticks_per_quarter` is not set."""
_MODES = {1: (-3, True), 3: (-1, False), 4: (-2, True), 5: (-4, True)}
_MODES |= {6: (1, False), 7: (-5, True)}
"""Mode -> sharps against the major key of the tonic, and whether minor."""
_ODD_TEXT = re.compile(
  r'(lyric|marker|chord|fifths|licence)@(-?\d+):(.*)', re.DOTALL
)
_NO_TEXTS = ('fifths', 'licence')
_EMPTY_TRACK = re.compile(r'(program|drums) (\d+)')
_loading = threading.Lock()


@functools.cache
def load_proto() -> types.ModuleType:
  """Returns note_seq's `music_pb2` without the rest of note_seq.

  `import note_seq` takes seconds, and fails where its audio parts do. So
  an empty package with note_seq's own path stands in for it meanwhile, and
  nothing of it stays in `sys.modules`: a later `import note_seq` runs as
  ever, and shares the message classes, as the protobuf runtime keeps one
  for each descriptor.

  Raises:
    AurlError: note-seq is not installed (code `no_note_seq`).
  """
  with _loading:
    if 'note_seq' in sys.modules:
      return importlib.import_module('note_seq.protobuf.music_pb2')
    spec = importlib.util.find_spec('note_seq')
    if spec is None:
      raise errors.AurlError(
        'NoteSequence records need note-seq, which is not installed; '
        "'pip install note-seq'",
        code='no_note_seq',
      )
    package = types.ModuleType('note_seq')
    package.__path__ = list(spec.submodule_search_locations or ())
    sys.modules['note_seq'] = package
    try:
      return importlib.import_module('note_seq.protobuf.music_pb2')
    finally:
      for name in [n for n in sys.modules if n.split('.')[0] == 'note_seq']:
        del sys.modules[name]


def to_note_sequence(notes: Notes, id: str = '', filename: str = '') -> Any:
  """Returns a piece as a NoteSequence proto.

  Args:
    notes: The piece.
    id: Name of the record.
    filename: Where the piece comes from.
  """
  proto = load_proto().NoteSequence(
    id=id,
    filename=filename,
    ticks_per_quarter=notes.ticks_per_beat,
    total_time=time.duration_seconds(notes),
  )
  if notes.title:
    proto.sequence_metadata.title = notes.title
  _put_notes(notes, proto)
  _put_globals(notes, proto)
  _put_changes(notes, proto)
  _put_tracks(notes, proto)
  _put_texts(notes, proto)
  return proto


def from_note_sequence(proto: Any) -> Notes:
  """Returns the piece of a NoteSequence; inverts `to_note_sequence`.

  Sequences of other makers are read too: each (instrument, program, drum)
  becomes a track, a velocity of 0 becomes 1, texts without a type become
  markers, and beats and sections are left out.

  Raises:
    DataError: A value is out of range (code `note_sequence`).
  """
  ticks_per_beat = proto.ticks_per_quarter or _DEFAULT_TICKS
  try:
    tempos = _get_tempos(proto, ticks_per_beat)
    clock = Notes.build(ticks_per_beat, tempos=tempos)
    rows = [
      (
        (row.instrument, row.program, row.is_drum),
        row.start_time,
        row.end_time,
        row.pitch,
        row.velocity or 1,
      )
      for row in proto.notes
    ]
    keys, tracks = _get_tracks(proto, {row[0] for row in rows})
    columns = _get_columns(clock, rows, keys)
    return Notes.build(
      ticks_per_beat,
      columns,
      tracks=tracks,
      texts=_get_texts(proto, clock),
      title=proto.sequence_metadata.title,
      tempos=tempos,
      **_get_tables(proto, clock, keys),
    )
  except (ValueError, OverflowError) as error:
    raise errors.DataError(
      f'NoteSequence {proto.id or proto.filename!r} cannot be read: {error}',
      code='note_sequence',
    ) from error


def _seconds(notes: Notes, ticks: np.ndarray) -> list[float]:
  return time.ticks_to_seconds(notes, ticks).tolist()


def _put_notes(notes: Notes, proto: Any) -> None:
  columns = (
    notes.pitch.tolist(),
    notes.velocity.tolist(),
    _seconds(notes, notes.onset),
    _seconds(notes, notes.onset + notes.duration),
    notes.track.tolist(),
    notes.program.tolist(),
    notes.is_drum.tolist(),
  )
  add = proto.notes.add
  for pitch, velocity, start, end, track, program, is_drum in zip(
    *columns, strict=True
  ):
    add(
      pitch=pitch,
      velocity=velocity,
      start_time=start,
      end_time=end,
      instrument=track,
      program=program,
      is_drum=is_drum,
    )


def _put_globals(notes: Notes, proto: Any) -> None:
  """Puts tempos, meters and keys."""
  for when, (_, micros) in zip(
    _seconds(notes, notes.tempos['tick']), notes.tempos.tolist(), strict=True
  ):
    proto.tempos.add(time=when, qpm=_MICROSECONDS / micros)
  for when, (_, numerator, denominator) in zip(
    _seconds(notes, notes.meters['tick']), notes.meters.tolist(), strict=True
  ):
    proto.time_signatures.add(
      time=when, numerator=numerator, denominator=denominator
    )
  for index, (when, (_, fifths, minor)) in enumerate(
    zip(_seconds(notes, notes.keys['tick']), notes.keys.tolist(), strict=True)
  ):
    tonic = (7 * fifths + (9 if minor else 0)) % 12
    proto.key_signatures.add(time=when, key=tonic, mode=int(minor))
    if not -5 <= fifths <= 6:
      proto.text_annotations.add(time=when, text=f'fifths@{index}:{fifths}')


def _put_changes(notes: Notes, proto: Any) -> None:
  """Puts controls and bends."""
  whens = _seconds(notes, notes.controls['tick'])
  for when, (_, track, number, value) in zip(
    whens, notes.controls.tolist(), strict=True
  ):
    proto.control_changes.add(
      time=when,
      control_number=number,
      control_value=value,
      instrument=track,
      program=notes.tracks[track].program,
      is_drum=notes.tracks[track].is_drum,
    )
  whens = _seconds(notes, notes.bends['tick'])
  for when, (_, track, value) in zip(whens, notes.bends.tolist(), strict=True):
    proto.pitch_bends.add(
      time=when,
      bend=value,
      instrument=track,
      program=notes.tracks[track].program,
      is_drum=notes.tracks[track].is_drum,
    )


def _put_tracks(notes: Notes, proto: Any) -> None:
  parts = (notes.track, notes.controls['track'], notes.bends['track'])
  heard = set(np.concatenate(parts).tolist())
  for index, track in enumerate(notes.tracks):
    if track.name:
      proto.instrument_infos.add(instrument=index, name=track.name)
    if index not in heard:
      kind = 'drums' if track.is_drum else 'program'
      proto.part_infos.add(part=index, name=f'{kind} {track.program}')


def _put_texts(notes: Notes, proto: Any) -> None:
  chord = proto.TextAnnotation.CHORD_SYMBOL
  ticks = np.array([text.tick for text in notes.texts], np.int64)
  for when, (_, track, kind, text) in zip(
    _seconds(notes, ticks), notes.texts, strict=True
  ):
    if kind == 'chord' and track < 0:
      proto.text_annotations.add(time=when, text=text, annotation_type=chord)
    else:
      proto.text_annotations.add(time=when, text=f'{kind}@{track}:{text}')


def _get_tempos(proto: Any, ticks_per_beat: int) -> np.ndarray:
  """Returns the tempo table; each time is told by the tempos before it."""
  rows = sorted(proto.tempos, key=lambda tempo: tempo.time)
  table = np.zeros(len(rows), notes_lib.TEMPO)
  tick, micros, elapsed = 0, notes_lib.DEFAULT_TEMPO, 0
  for index, row in enumerate(rows):
    units = row.time * (1_000_000 * ticks_per_beat) - elapsed
    step = round(units / micros)
    tick, elapsed = tick + step, elapsed + step * micros
    micros = round(_MICROSECONDS / row.qpm) if row.qpm > 0 else 0
    table[index] = tick, micros
  return table


def _ticks(clock: Notes, rows: Any) -> np.ndarray:
  times = np.array([row.time for row in rows], np.float64)
  return time.seconds_to_ticks(clock, times)


_Key = tuple[int, int, bool]


def _key(row: Any) -> _Key:
  return row.instrument, row.program, row.is_drum


def _get_tracks(
  proto: Any, found: set[_Key]
) -> tuple[dict[_Key, int], list[Track]]:
  """Returns (instrument, program, drum) -> track, and the tracks."""
  found = found.union(map(_key, proto.control_changes))
  found = found.union(map(_key, proto.pitch_bends))
  for info in proto.part_infos:
    match = _EMPTY_TRACK.fullmatch(info.name)
    if match:
      found.add((info.part, int(match[2]), match[1] == 'drums'))
  names = {info.instrument: info.name for info in proto.instrument_infos}
  keys = {key: track for track, key in enumerate(sorted(found))}
  return keys, [Track(names.get(key[0], ''), *key[1:]) for key in keys]


def _get_columns(
  clock: Notes, rows: list[tuple[Any, ...]], keys: dict[_Key, int]
) -> dict[str, np.ndarray]:
  """Returns the columns of (key, start, end, pitch, velocity) rows."""
  whole = [(keys[row[0]], row[3], row[4]) for row in rows]
  track, pitch, velocity = np.array(whole, np.int64).reshape(-1, 3).T
  times = np.array([row[1:3] for row in rows], np.float64).reshape(-1, 2)
  onset, end = time.seconds_to_ticks(clock, times).T
  return {
    'onset': onset,
    'duration': end - onset,
    'pitch': pitch,
    'velocity': velocity,
    'track': track,
  }


def _get_tables(
  proto: Any, clock: Notes, keys: dict[_Key, int]
) -> dict[str, Any]:
  """Returns the tables but tempos, as rows."""
  meters, signatures = proto.time_signatures, proto.key_signatures
  controls, bends = proto.control_changes, proto.pitch_bends
  spelled = _get_fifths(proto)
  return {
    'meters': [
      (tick, row.numerator, row.denominator)
      for tick, row in zip(_ticks(clock, meters), meters, strict=True)
    ],
    'keys': [
      (tick, *spelled[index])
      for index, tick in enumerate(_ticks(clock, signatures))
    ],
    'controls': [
      (tick, keys[_key(row)], row.control_number, row.control_value)
      for tick, row in zip(_ticks(clock, controls), controls, strict=True)
    ],
    'bends': [
      (tick, keys[_key(row)], row.bend)
      for tick, row in zip(_ticks(clock, bends), bends, strict=True)
    ],
  }


def _get_fifths(proto: Any) -> list[tuple[int, bool]]:
  """Returns the sharps and the mode of each key signature."""
  spelled = []
  for row in proto.key_signatures:
    offset, minor = _MODES.get(row.mode, (0, False))
    spelled.append(((7 * row.key + offset + 5) % 12 - 5, minor))
  for row in proto.text_annotations:
    match = _ODD_TEXT.fullmatch(row.text)
    if match and match[1] == 'fifths' and int(match[2]) < len(spelled):
      spelled[int(match[2])] = int(match[3]), spelled[int(match[2])][1]
  return spelled


def _get_texts(proto: Any, clock: Notes) -> list[Text]:
  texts = []
  rows = proto.text_annotations
  for tick, row in zip(_ticks(clock, rows).tolist(), rows, strict=True):
    match = _ODD_TEXT.fullmatch(row.text)
    if row.annotation_type == row.CHORD_SYMBOL:
      texts.append(Text(tick, -1, 'chord', row.text))
    elif match and match[1] not in _NO_TEXTS:
      texts.append(Text(tick, int(match[2]), match[1], match[3]))
    elif not match and row.annotation_type == row.UNKNOWN:
      texts.append(Text(tick, -1, 'marker', row.text))
  return texts
