"""The outer shape of a MIDI file that is not as it says.

Headers that are missing, wrong, wrapped or repeated; lengths that lie; junk
before, between and behind chunks; times counted in film frames; several
pieces in one file. Every chunk that names itself `MTrk` is found, and
whatever was assumed or passed over is told. Linear in the bytes.
"""

import bisect
import dataclasses
import itertools
import re

from aurl_jax.music.midi_chunks import (
  CHUNK,
  HEADER,
  LIMITS,
  Layout,
  Limits,
  Log,
  Section,
  Span,
  ends_itself,
  refuse,
)

_ASSUMED = 480
"""Ticks of a beat where a header does not tell."""
_FRAMES = {24: 1_000_000, 25: 1_000_000, 29: 1_001_000, 30: 1_000_000}
"""Frames a second, by the byte that says so -> microseconds in which so many
pass: 29 stands for 30 drop frames, 29.97 a second."""
_MOST_UNKNOWN = 16
"""Unknown chunks in a row that are taken for chunks."""
_NAMES = re.compile(rb'MTrk|MThd')
_HEADERS_A_PIECE = 16
"""So many headers are read for each piece allowed; those without tracks are
passed over."""
_NAMES_A_TRACK = 16
"""So many places that look like chunks are heeded for each track allowed."""


def layout(data: bytes, limits: Limits = LIMITS) -> Layout:
  """Finds what tracks there are.

  Args:
    data: The whole file.
    limits: How much it may hold.

  Raises:
    MidiError: There are none (codes `no_header`, `no_tracks`), or too many
      (`too_many_tracks`, `too_many_pieces`).
  """
  finder = _Finder(data, limits)
  finder.run()
  return Layout(
    data=data,
    sections=tuple(finder.sections),
    issues=finder.issues,
    remarks=finder.remarks,
    limits=limits,
  )


@dataclasses.dataclass
class _Piece:
  """What belongs to one header.

  Attributes:
    where: Place of the header.
    header: Its bytes; none if there is no header.
    format: 0..2.
    count: Tracks that the header declares, -1 without one.
    beat: As `Section.ticks_per_beat`.
    micros: As `Section.micros`.
    spans: The tracks.
  """

  where: str = 'header'
  header: bytes = b''
  format: int = 1
  count: int = -1
  beat: int = _ASSUMED
  micros: int = 0
  spans: list[Span] = dataclasses.field(default_factory=list)


class _Finder:
  """Walks over the chunks, and keeps what it finds and does."""

  def __init__(self, data: bytes, limits: Limits) -> None:
    self.data, self.size, self.limits = data, len(data), limits
    self._named = self._names()
    self.sections: list[Section] = []
    self.issues, self.remarks = Log(), Log()
    self._tracks = 0
    self._piece = _Piece()
    self._pieces = [self._piece]

  def _names(self) -> list[int]:
    """Returns where chunks are named; some of these may be notes or texts."""
    most = _NAMES_A_TRACK * (self.limits.tracks + 1)
    found = [
      match.start()
      for match in itertools.islice(_NAMES.finditer(self.data), most + 1)
    ]
    if len(found) > most:
      self.limits.check('tracks', len(found))
    return found

  def run(self) -> None:
    """Finds everything."""
    position = self._begin()
    while position < self.size:
      name = self.data[position : position + 4]
      if name == b'MTrk':
        position = self._track(position)
      elif name == b'MThd':
        position = self._read_header(position)
      else:
        position = self._other(position)
    if not self._tracks:
      raise refuse('no_tracks', 'it holds no track (MTrk)')
    self.limits.check('tracks', self._tracks)
    for piece in self._joined():
      self._close(piece)
    self.limits.check('pieces', len(self.sections))

  def _begin(self) -> int:
    """Returns where the first header or track is."""
    start = self._unwrap()
    first = self._next(start)
    if first == self.size:
      raise refuse(
        'no_header',
        f'it begins with {self.data[:4]!r}, and neither a header (MThd) nor '
        'a track (MTrk) follows',
      )
    if self.data.startswith(b'MTrk', first):
      self.issues.tell(
        'no_header', f'byte {start}', f'{_ASSUMED} ticks a beat assumed'
      )
    if first > start:
      skipped = f'{first - start} bytes passed over'
      self.issues.tell('leading_bytes', f'byte {start}', skipped)
    return first

  def _unwrap(self) -> int:
    """Returns where the file inside a RIFF wrapping begins, else 0."""
    data, start = self.data, 0
    while data[start : start + 4] == b'RIFF' and (
      data[start + 8 : start + 16] == b'RMIDdata'
      or data[start + 8 : start + 12] == b'RMID'
    ):
      inner = start + 20
      if data[start + 12 : start + 16] != b'data':
        break
      outer_size, inner_size = (
        int.from_bytes(data[at : at + 4], 'little')
        for at in (start + 4, start + 16)
      )
      fits = inner + inner_size <= self.size
      if not fits or abs(start + 8 + outer_size - self.size) > 1:
        self.issues.tell(
          'riff_length', f'byte {start}', 'its lengths not heeded'
        )
      else:
        self.size = inner + inner_size
      self.remarks.tell('riff', f'byte {start}', 'unwrapped')
      start = inner
    return start

  def _read_header(self, position: int) -> int:
    """Takes in a header; returns where the chunks behind it begin."""
    data, here = self.data, f'byte {position}'
    if self.size - position < HEADER.size:
      self.issues.tell('header', here, 'a header that is cut off passed over')
      return self.size
    _, length, format_, count, division = HEADER.unpack_from(data, position)
    header = data[position : position + HEADER.size]
    self._piece = _Piece(here, header, min(format_, 3), count)
    self._pieces.append(self._piece)
    if len(self._pieces) > _HEADERS_A_PIECE * self.limits.pieces:
      self.limits.check('pieces', len(self._pieces))
    after = position + CHUNK.size + length
    if length != 6:
      self.issues.tell('header_length', here, f'{length} bytes instead of 6')
      # The shortest header that could be has no division.
      named = self._next(position + CHUNK.size + 2)
      if length < 6 or named < after or not self._is_chunk(after):
        after = named
    whole = after >= position + HEADER.size
    self._time(division if whole else 0, position + 12)
    return after

  def _time(self, division: int, position: int) -> None:
    """Takes in what a tick is."""
    here = f'byte {position}'
    piece = self._piece
    piece.beat = division
    if 0 < division < 0x8000:
      return
    rate, ticks = 256 - (division >> 8), division & 0xFF
    if division and rate in _FRAMES and ticks:
      frames = 30 if rate == 29 else rate
      piece.beat, piece.micros = frames * ticks, _FRAMES[rate]
      self.remarks.tell('smpte', here, f'{frames} frames taken for a beat')
      return
    piece.beat = _ASSUMED
    action = f'{division:#06x} tells no time; {_ASSUMED} ticks a beat assumed'
    self.issues.tell('division', here, action)

  def _track(self, position: int) -> int:
    """Takes in a track; returns where it ends."""
    where = f'track {self._tracks}'
    start = position + CHUNK.size
    if start > self.size:
      self.issues.tell('truncated', where, 'cut off before its first event')
      return self.size
    declared = CHUNK.unpack_from(self.data, position)[1]
    end = self._end(start, start + declared)
    if end != start + declared:
      code = 'truncated' if start + declared > end == self.size else 'length'
      self.issues.tell(
        code, where, f'{declared} bytes declared, {end - start} read'
      )
    self._piece.spans.append((start, end))
    self._tracks += 1
    return end

  def _end(self, start: int, declared: int) -> int:
    """Returns where a track ends: as declared, or before the next chunk."""
    if declared <= self.size:
      inside = self._next(start)
      if inside < declared and ends_itself(self.data, inside):
        return inside
      if self._is_chunk(declared) or ends_itself(self.data, declared):
        return declared
    return self._next(start)

  def _other(self, position: int) -> int:
    """Passes over what is neither track nor header."""
    here = f'byte {position}'
    if self._is_named(position):
      name, length = CHUNK.unpack_from(self.data, position)
      after = position + CHUNK.size + length
      if self._is_chunk(after):
        self.remarks.tell('unknown_chunk', here, f'{name!r} passed over')
        return after
    after = self._next(position)
    code = 'junk' if after < self.size else 'trailing_bytes'
    self.issues.tell(code, here, f'{after - position} bytes passed over')
    return after

  def _joined(self) -> list[_Piece]:
    """Returns the pieces that have tracks.

    A header that says the same as the one before it, and with it no more
    tracks than both declare, was only repeated.
    """
    pieces: list[_Piece] = []
    for piece in self._pieces:
      last = pieces[-1] if pieces else _Piece()
      tracks = len(last.spans) + len(piece.spans)
      if (
        piece.header
        and piece.header == last.header
        and (tracks <= piece.count or not (last.spans and piece.spans))
      ):
        last.spans += piece.spans
        self.remarks.tell('repeated_header', piece.where, 'passed over')
      elif piece.header or piece.spans:
        pieces.append(piece)
    kept = [piece for piece in pieces if piece.spans]
    for piece in pieces:
      if not piece.spans:
        action = 'a header without tracks passed over'
        self.issues.tell('header', piece.where, action)
    for piece in kept[1:]:
      action = 'its music follows the music before it'
      self.issues.tell('second_file', piece.where, action)
    return kept

  def _close(self, piece: _Piece) -> None:
    """Makes a piece into sections."""
    spans, where = piece.spans, piece.where
    if piece.count not in (-1, len(spans)):
      action = f'{len(spans)} tracks read, {piece.count} declared'
      self.issues.tell('track_count', where, action)
    if piece.format > 2:
      self.issues.tell('format', where, 'one that does not exist taken for 1')
    if piece.format == 0 and len(spans) > 1:
      action = f'format 0 with {len(spans)} tracks taken for 1'
      self.issues.tell('format', where, action)
    groups = [(*spans,)]
    if piece.format == 2 and len(spans) > 1:
      action = f'{len(spans)} patterns follow each other in time'
      self.remarks.tell('format_2', where, action)
      groups = [(span,) for span in spans]
    for group in groups:
      self.sections.append(Section(piece.beat, group, piece.micros))

  def _is_named(self, position: int) -> bool:
    name = self.data[position : position + 4]
    room = self.size - position >= CHUNK.size
    return room and name.isalnum() and name.isascii()

  def _is_chunk(self, position: int) -> bool:
    """Whether a chunk begins here, or the file ends.

    One of an unknown name must lead to one that is known.
    """
    for _ in range(_MOST_UNKNOWN):
      if position == self.size:
        return True
      if position > self.size or not self._is_named(position):
        return False
      name, length = CHUNK.unpack_from(self.data, position)
      if name in (b'MTrk', b'MThd'):
        return True
      position += CHUNK.size + length
    return False

  def _next(self, position: int) -> int:
    """Returns where the next track or header begins, else the end."""
    index = bisect.bisect_left(self._named, position)
    named = self._named[index : index + 1]
    return min([*named, self.size])
