"""The first reading of a file that is streamed: what must be known before.

Which track of `Notes` a note or control belongs to depends on the whole
track of the file, and when a note ends on music far behind it. Both are
found here, and only numbers are kept: a few for each part, and the end of
each note that sounds on past its window.
"""

import dataclasses
import io

import numpy as np

from aurl_jax.music import midi_parts
from aurl_jax.music.midi_chunks import (
  CHUNK,
  HEADER,
  Layout,
  Limits,
  Section,
  Span,
  refuse,
)
from aurl_jax.music.midi_cursor import NEVER, Cursor, Tables, unsound
from aurl_jax.music.midi_pair import (
  END,
  END_SEQ,
  KEY,
  PROGRAM,
  SEQ,
  TICK,
  Change,
  Pairs,
)
from aurl_jax.music.notes import Track

_NAME = 3
_AT_END = 1 << 58
"""Number of the message behind the last one of a track."""
_CHANNEL = 59
"""Bits below the channel in `Parts.created`."""
_MOST_OPEN = 1 << 16
"""Notes of a track that sound at once."""
_NO_ENDS = np.empty((2, 0), np.int64)


@dataclasses.dataclass(frozen=True)
class Parts:
  """The parts of a track of the file.

  Attributes:
    first: Index of the first one among the tracks of the piece.
    keys: [p] int64, channel << 7 | program, ascending.
    created: [p] int64, ascending: channel << 59 | number of the message that
      ended the first note of the part.
    order: [p] int64, the part of each row of `created`.
    ends: [n] int64, ends of the notes that sound past their window, in the
      order of their starts.
  """

  first: int
  keys: np.ndarray
  created: np.ndarray
  order: np.ndarray
  ends: np.ndarray

  def of_changes(self, changes: Change) -> tuple[np.ndarray, np.ndarray]:
    """Returns the part of each change, and whether it waited to the end.

    A change whose part is there goes to it; others to the next part of
    their channel, and without a next one, behind all, to the newest.
    """
    when = np.empty_like(self.created)
    when[self.order] = self.created
    at = changes.part >> 7 << _CHANNEL | changes.seq
    own = np.searchsorted(self.keys, changes.part).clip(max=len(self.keys) - 1)
    is_there = (self.keys[own] == changes.part) & (when[own] < at)
    behind = np.searchsorted(self.created, at)
    channel = np.append(self.created >> _CHANNEL, -1)
    waited = channel[behind] != at >> _CHANNEL
    part = np.where(is_there, own, self.order[behind - waited])
    return part, waited & ~is_there


class Surveyor:
  """Reads a track to its end.

  Attributes:
    created: [2048] int64, channel and program -> number of the message that
      ended its first note; `NEVER` if there is none.
    notes: How many there are.
    named: [0 or 1] int64, channel and program that a track without parts
      names first, if it has messages.
  """

  def __init__(self, cursor: Cursor, window: int) -> None:
    self._cursor, self._window = cursor, window
    self._pairs = Pairs()
    self._first_on = np.full(2048, NEVER)
    self._changes = np.zeros(16, np.bool_)
    self._carried: list[np.ndarray] = []
    self.created = np.full(2048, NEVER)
    self.notes = self.held = 0
    self.named, self._is_named = np.empty(0, np.int64), False

  def run(self, assembly: midi_parts.Assembly, limits: Limits) -> bytes:
    """Reads it all; metas are checked, and the name of the track returned."""
    name = b''
    for block in self._cursor.blocks():
      if len(block.words):
        self._messages(block.words)
      notes, changes = self._pairs.take(block)
      self._changes[changes.part >> 7] = True
      self._notes(notes)
      hold(limits, self.held)
      if self._pairs.open.shape[1] > _MOST_OPEN:
        raise refuse(
          'too_many_open',
          f'{self._cursor.where}: over {_MOST_OPEN:,} notes sound at once; '
          'midi.read takes them',
        )
      for meta in block.metas:
        if meta[1] == _NAME:
          name = meta[2]
      assembly.read_metas(block.metas, -1, self._cursor.where)
      forget(assembly)
    return name

  def _messages(self, words: np.ndarray) -> None:
    """Keeps what is named, and where each pitch begins first."""
    if not self._is_named:
      programs = words[words >> 20 == 0xC][:1]
      self._is_named = len(programs) > 0
      self.named = (programs >> 16 & 0xF) << 7 | programs >> 8 & 0x7F
      if not self._is_named:
        self.named = np.zeros(1, np.int64)
    on = np.flatnonzero((words >> 20 == 9) & (words & 0x7F > 0))
    key = (words[on] >> 16 & 0xF) << 7 | words[on] >> 8 & 0x7F
    np.minimum.at(self._first_on, key, on + self._pairs.seq)

  def _notes(self, notes: np.ndarray) -> None:
    part = notes[KEY] >> 7 << 7 | notes[PROGRAM]
    np.minimum.at(self.created, part, notes[END_SEQ])
    self._carry(notes[SEQ], notes[TICK], notes[END], self._window)
    self.notes += notes.shape[1]

  def _carry(
    self, seq: np.ndarray, tick: np.ndarray, end: np.ndarray, window: int
  ) -> None:
    on = tick // window != end // window
    if on.any():
      self._carried.append(np.stack([seq[on], end[on]]))
      self.held += int(on.sum())

  def finish(self, first: int) -> tuple[Parts, int]:
    """Ends what sounds; returns the parts and how many notes never ended."""
    left, end = self._pairs.open, self._cursor.last
    # As if each of them ended just behind the track.
    self._carry(left[SEQ], np.full_like(left[SEQ], -1), left[TICK] * 0 + end, 1)
    order = np.lexsort((left[SEQ], self._first_on[left[KEY]]))
    part = (left[KEY] >> 7 << 7 | left[PROGRAM])[order]
    np.minimum.at(self.created, part, _AT_END + np.arange(len(part)))
    self.notes += len(part)
    has_part = (self.created.reshape(16, 128) < NEVER).any(1)
    for channel in np.flatnonzero(self._changes & ~has_part).tolist():
      key = channel << 7 | int(self._pairs.programs[channel])
      self.created[key] = _AT_END
    keys = np.flatnonzero(self.created < NEVER)
    created = keys >> 7 << _CHANNEL | self.created[keys]
    by_creation = created.argsort()
    keys = keys if len(keys) else self.named
    carried = np.concatenate([_NO_ENDS, *self._carried], axis=1)
    ends = carried[1][carried[0].argsort()]
    return Parts(first, keys, created[by_creation], by_creation, ends), len(
      part
    )


@dataclasses.dataclass(frozen=True)
class Survey:
  """What must be known before a file is streamed.

  Attributes:
    section: Its tracks and its ticks a beat.
    parts: One for each track of the file.
    assembly: Holds title, tracks, issues and remarks.
  """

  section: Section
  parts: list[Parts]
  assembly: midi_parts.Assembly


def hold(limits: Limits, events: int) -> None:
  """Raises MidiError (`too_many_events`) if so many may not be held."""
  if events > limits.events:
    raise refuse(
      'too_many_events',
      f'{events:,} events or more in a window or sounding past theirs, at most '
      f'{limits.events:,}; take shorter windows if they are many in a window, '
      'longer ones if many sound past it, or allow more: '
      'midi.stream(..., limits=midi.Limits(events=...))',
    )


def forget(assembly: midi_parts.Assembly) -> None:
  """Empties what `Assembly.read_metas` fills."""
  for rows in (
    assembly.tempos, assembly.meters, assembly.keys, assembly.texts,
  ):  # fmt: skip
    rows.clear()


def survey(file: io.BufferedIOBase, window: int, limits: Limits) -> Survey:
  """Reads a file through.

  Args:
    file: The file; may seek.
    window: Beats of a window.
    limits: How much there may be.

  Raises:
    MidiError: It is not sound, or holds too much.
  """
  section = _layout(file, limits)
  layout = Layout(data=b'', sections=(section,), limits=limits)
  assembly = midi_parts.Assembly(layout, section)
  found, tables, notes, held = [], Tables(), 0, 0
  ticks = window * section.ticks_per_beat
  for index, span in enumerate(section.spans):
    where = f'track {index}'
    cursor = Cursor(file, span, where, section.ticks_per_beat, tables)
    surveyor = Surveyor(cursor, ticks)
    surveyor.held = held
    name = surveyor.run(assembly, limits)
    parts, never_ended = surveyor.finish(len(assembly.tracks))
    hold(limits, surveyor.held)
    found.append(parts)
    notes, held = notes + surveyor.notes, surveyor.held
    for remark in cursor.remarks.issues:
      layout.remarks.tell(*remark)
    if never_ended:
      action = f'{never_ended} notes ended at tick {cursor.last}'
      layout.issues.tell('never_ended', where, action)
    _name(assembly, parts, name, where)
  issues = layout.issues.issues
  if issues and not notes:
    place = f'{issues[0].where}: nothing is left that sounds'
    raise refuse(issues[0].code, place)
  return Survey(section, found, assembly)


def _name(
  assembly: midi_parts.Assembly, parts: Parts, name: bytes, where: str
) -> None:
  """Adds the tracks of a track of the file, or takes its name as title."""
  if not len(parts.keys) and where != 'track 0':
    return
  text = assembly.decode(name, where)
  if not len(parts.keys):
    assembly.title = text
  for key in parts.keys.tolist():
    is_drum = key >> 7 == midi_parts.DRUM_CHANNEL
    assembly.tracks.append(Track(text, key & 127, is_drum))


def _layout(file: io.BufferedIOBase, limits: Limits) -> Section:
  """Returns the tracks of a file whose outer shape is as it says."""
  size = file.seek(0, 2)
  file.seek(0)
  if not size:
    raise refuse('empty', 'it has no bytes')
  if size > limits.bytes:
    raise refuse(
      'too_large',
      f'{size:,} bytes, at most {limits.bytes:,}; '
      'midi.stream(..., limits=midi.Limits(bytes=...)) allows others',
    )
  head = file.read(HEADER.size)
  if len(head) < HEADER.size:
    raise unsound('header', 'header')
  name, length, format_, count, beat = HEADER.unpack(head)
  if (name, length) != (b'MThd', 6) or not 0 < beat < 0x8000 or count < 1:
    raise unsound('header', 'header')
  if format_ > 1 or (format_ == 0 and count > 1):
    raise unsound('header', 'format')
  if count > limits.tracks:
    raise refuse(
      'too_many_tracks', f'{count:,} tracks, at most {limits.tracks:,}'
    )
  return Section(beat, tuple(_spans(file, count, size)))


def _spans(file: io.BufferedIOBase, count: int, size: int) -> list[Span]:
  """Returns where the tracks lie; nothing else may be there."""
  spans: list[Span] = []
  position = HEADER.size
  while position < size:
    file.seek(position)
    head = file.read(CHUNK.size)
    name, length = CHUNK.unpack(head) if len(head) == CHUNK.size else (b'', 0)
    start = position + CHUNK.size
    if name != b'MTrk' or start + length > size or len(spans) == count:
      raise unsound(f'byte {position}', 'chunk')
    position = start + length
    spans.append((start, position))
  if len(spans) != count:
    raise unsound('header', 'track_count')
  return spans
