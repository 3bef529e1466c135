"""MIDI files too large to hold: read from the disk, a window at a time.

A file is read twice. The first time (`music.midi_survey`) what depends on
music far behind is found: whose part a note is, and where notes end that
sound past their window. The second time one cursor a track reads on to the
end of each window, and what stands there becomes a section.
"""

import dataclasses
import io
import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from aurl_jax.core.errors import MidiError
from aurl_jax.music import cut, midi_cursor, midi_survey, midi_table
from aurl_jax.music.midi_chunks import (
  META_WEIGHT,
  Issue,
  Layout,
  Limits,
  refuse,
)
from aurl_jax.music.midi_cursor import NEVER, Cursor
from aurl_jax.music.midi_pair import (
  END,
  KEY,
  PROGRAM,
  TICK,
  VELOCITY,
  Pairs,
)
from aurl_jax.music.midi_parts import Assembly
from aurl_jax.music.midi_split import Played
from aurl_jax.music.notes import TABLES, Notes

LIMITS = Limits(bytes=1 << 40)
"""What may be streamed: `bytes` of the file, `tracks`, and `events` of a
window, or of the notes that sound past theirs; others do not count."""
_COLUMNS = ('onset', 'duration', 'pitch', 'velocity', 'track')


@dataclasses.dataclass(frozen=True)
class Section:
  """A window of a piece.

  A note belongs to the window in which it starts, with its whole duration;
  whatever else has a tick, to the window in which that lies.

  Attributes:
    notes: What stands in the window, in ticks from the start of the piece;
      title and tracks are those of the whole piece.
    start: First tick of the window, a multiple of its length.
    end: One past its last tick.
    held: Tempo, meter, key, chords, controls and bends in force at `start`,
      at tick 0; without notes.
    issues: With the first section all of the file, else none.
    remarks: Likewise.
  """

  notes: Notes
  start: int
  end: int
  held: Notes
  issues: tuple[Issue, ...] = ()
  remarks: tuple[Issue, ...] = ()

  def alone(self) -> Notes:
    """Returns the window as a piece that begins at tick 0.

    As `transform.slice_ticks` of the whole piece, but notes that sound past
    the end of the window keep their duration.
    """
    return cut.slice_ticks(_joined([self.held, self.notes]), self.start, None)


def stream(
  source: str | os.PathLike[str] | io.BufferedIOBase,
  *,
  beats: int = 64,
  limits: Limits = LIMITS,
) -> Iterator[Section]:
  """Reads a sound MIDI file, a window of beats at a time.

  The first section comes when the file has been read through once, so an
  error comes before any music. Windows in which nothing stands are left out,
  but for the first. `concatenate` of all sections is what `midi.read` gives.

  About 16 MB are held, 4 kB a track, 40 bytes for each note that sounds on
  past its window, twice the longest event (of 16 MiB at most), and about 120
  bytes for each note of one window.

  Args:
    source: A path, or a file opened for bytes that can seek; it must not
      change meanwhile.
    beats: Quarter notes of a window, at least 1.
    limits: How much there may be: `bytes` of the file, `tracks`, `events` of
      a window (a meta counts as 8) and of notes that sound past theirs.

  Raises:
    MidiError: `midi.read` would mend the file, other than by ending notes or
      leaving out a tempo, meter, key or SMPTE offset, or it is format 2,
      counts film frames or has chunks of other names (code `unsound`); or a
      limit is passed. Those of a file without bytes or notes are as in
      `midi.read`.
    OSError: The path cannot be read.
    ValueError: `beats` is below 1.
  """
  if beats < 1:
    raise ValueError(f'beats is {beats}; a window has at least 1')
  if isinstance(source, (str, os.PathLike)):
    return _of_path(source, beats, limits)
  return _sections(source, beats, limits)


def concatenate(sections: Iterable[Section]) -> Notes:
  """Returns the piece whose sections these are, in their order.

  Args:
    sections: All of a file, or some of them; at least one.

  Raises:
    TransformError: There is no section (code `empty`).
  """
  pieces = [section.notes for section in sections]
  if not pieces:
    raise cut.TransformError('nothing to concatenate', code='empty')
  return _joined(pieces)


def _of_path(
  path: str | os.PathLike[str], beats: int, limits: Limits
) -> Iterator[Section]:
  try:
    with open(path, 'rb') as file:
      yield from _sections(file, beats, limits)
  except MidiError as error:
    raise MidiError(f'{path}: {error}', code=error.code) from error


def _sections(
  file: io.BufferedIOBase, beats: int, limits: Limits
) -> Iterator[Section]:
  survey = midi_survey.survey(file, beats, limits)
  layout = survey.assembly.layout
  told = layout.issues.issues, layout.remarks.issues
  window = _Window(file, survey, limits)
  held, nothing = window.notes(), ((), ())
  for start, end in window.run(beats * survey.section.ticks_per_beat):
    notes = window.notes()
    if not start or _tells(notes):
      yield Section(notes, start, end, held, *told)
      held, told = _held(held, notes, end), nothing


class _Track:
  """One track of the file.

  Attributes:
    parts: What the survey found.
    cursor: Where its reading is.
  """

  def __init__(self, cursor: Cursor, parts: midi_survey.Parts) -> None:
    self.cursor, self.parts = cursor, parts
    self._pairs, self._carried = Pairs(), 0

  def read(self, start: int, end: int, window: '_Window') -> None:
    """Reads a window."""
    for block in self.cursor.blocks(end):
      notes, changes = self._pairs.take(block)
      self._add(notes[:, notes[TICK] >= start], window)
      if len(changes.seq):
        part, waited = self.parts.of_changes(changes)
        part += self.parts.first
        columns = changes.tick, part, changes.number, changes.value, waited
        window.changes.append(np.stack(columns, axis=1))
      window.metas(block.metas, self.parts, self.cursor.where)
      window.hold(notes.shape[1] + len(changes.seq))
    left = self._pairs.open
    left = left[:, left[TICK] >= start]
    first, self._carried = self._carried, self._carried + left.shape[1]
    ends = self.parts.ends[first : self._carried]
    if len(ends) < left.shape[1]:
      raise refuse('changed', 'the file was changed while it was streamed')
    self._add(np.concatenate([left, ends[None], ends[None]]), window)

  def _add(self, notes: np.ndarray, window: '_Window') -> None:
    key = notes[KEY]
    own = key >> 7 << 7 | notes[PROGRAM]
    part = np.searchsorted(self.parts.keys, own) + self.parts.first
    onset = notes[TICK]
    columns = onset, part, key & 0x7F, notes[END] - onset, notes[VELOCITY]
    window.played.append(np.stack(columns))


class _Window:
  """Collects what stands in a window.

  Attributes:
    played: Rows as in `Played.notes`, but for tracks of the piece.
    changes: Likewise, and whether they waited to the end of the track.
  """

  def __init__(
    self, file: io.BufferedIOBase, survey: midi_survey.Survey, limits: Limits
  ) -> None:
    section, known = survey.section, survey.assembly
    layout = Layout(data=b'', sections=(section,), limits=limits)
    self._told = Assembly(layout, section)
    self._told.tracks, self._told.title = known.tracks, known.title
    self._limits, self._events = limits, 0
    self.played: list[np.ndarray] = []
    self.changes: list[np.ndarray] = []
    tables, beat = midi_cursor.Tables(), section.ticks_per_beat
    self._tracks = [
      _Track(Cursor(file, span, f'track {index}', beat, tables), parts)
      for index, (span, parts) in enumerate(
        zip(section.spans, survey.parts, strict=True)
      )
    ]

  def run(self, length: int) -> Iterator[tuple[int, int]]:
    """Reads window after window; returns its ticks.

    Args:
      length: Of a window, in ticks.
    """
    next_ = np.zeros(len(self._tracks), np.int64)
    while (first := int(next_.min())) < NEVER:
      start = first // length * length
      self._forget()
      for index in np.flatnonzero(next_ < start + length).tolist():
        track = self._tracks[index]
        track.read(start, start + length, self)
        next_[index] = track.cursor.next
      yield start, start + length

  def metas(
    self,
    metas: list[tuple[int, int, bytes]],
    parts: midi_survey.Parts,
    where: str,
  ) -> None:
    """Takes in tempos, meters, keys and texts."""
    if metas:
      track = parts.first if len(parts.keys) else -1
      self._told.read_metas(metas, track, where)
      self.hold(META_WEIGHT * len(metas))

  def hold(self, events: int) -> None:
    """Counts what the window holds."""
    self._events += events
    midi_survey.hold(self._limits, self._events)

  def _forget(self) -> None:
    midi_survey.forget(self._told)
    self.played, self.changes, self._events = [], [], 0

  def notes(self) -> Notes:
    """Returns what stands here."""
    told = self._told
    none = np.empty((5, 0), np.int64)
    changes = np.concatenate([none.T, *self.changes])
    # What waited to the end of its track stands behind what did not.
    changes = changes[np.lexsort((changes[:, 4], changes[:, 0]))]
    played = np.concatenate([none, *self.played], axis=1)
    return midi_table.build(
      told.section.ticks_per_beat,
      [Played(played, np.ascontiguousarray(changes[:, :4]), [], 0)],
      told.tracks,
      {'tempos': told.tempos, 'meters': told.meters, 'keys': told.keys},
      texts=told.texts,
      title=told.title,
    )


def _tells(notes: Notes, *, but_notes: bool = False) -> bool:
  """Whether anything stands in a window, or anything but notes."""
  tables = any(len(getattr(notes, name)) for name in TABLES)
  return tables or bool(notes.texts) or (not but_notes and len(notes) > 0)


def _held(held: Notes, notes: Notes, end: int) -> Notes:
  """Returns what holds behind a window, at tick 0."""
  if not _tells(notes, but_notes=True):
    return held
  none = {name: np.empty(0, np.int64) for name in _COLUMNS}
  silent = {**none, 'program': none['onset'], 'is_drum': np.empty(0, np.bool_)}
  return cut.slice_ticks(_joined([held, notes.replace(**silent)]), end, None)


def _joined(pieces: list[Notes]) -> Notes:
  """Returns all that several pieces of the same tracks hold."""
  first = pieces[0]
  tables: dict[str, Any] = {
    name: np.concatenate([getattr(piece, name) for piece in pieces])
    for name in TABLES
  }
  return Notes.build(
    first.ticks_per_beat,
    {
      name: np.concatenate([getattr(piece, name) for piece in pieces])
      for name in _COLUMNS
    },
    tracks=first.tracks,
    texts=[text for piece in pieces for text in piece.texts],
    title=first.title,
    **tables,
  )
