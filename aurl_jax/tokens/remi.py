"""REMI: one event a step, after Huang and Yang, "Pop Music Transformer".

ACM Multimedia 2020; with programs, voices and cut bars as in this grammar:

  BOS ( Bar [Meter] [Cut] ( Position [Tempo] [Chord]
    ( Program [Voice] (Pitch | Drum) Velocity Duration )* )* )* EOS

Axes: `t` steps; the one field has index 0. `e` events, as in `events`.
"""

import dataclasses
import functools
from typing import Any

import numpy as np

from aurl_jax.music import chords as chords_lib
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import events
from aurl_jax.tokens.codec import Codec, Field, Range
from aurl_jax.tokens.options import EventOptions
from aurl_jax.tokens.remi_grammar import RemiGrammar


@dataclasses.dataclass(frozen=True, kw_only=True)
class Remi(EventOptions):
  """The tokenizer; its fields are its options (see `EventOptions`).

  Meter and tempo stand in bar 1 and where they change. `Cut` tells how many
  cells are left of a bar that a change of meter cuts short. Program 128 is
  the drums, whose pitches are events of their own; voice 0 is not told.
  """

  @functools.cached_property
  def codec(self) -> Codec:
    """The vocabulary: one field."""
    grid = self.grid
    chord = [Range('chord', 0, chords_lib.SIZE - 1)] if self.chords else []
    voice = [Range('voice', 1, self.voices - 1)] if self.voices > 1 else []
    ranges = [
      Range('bos', 0, 0),
      Range('eos', 0, 0),
      Range('bar', 0, 0),
      Range('meter', 0, len(grid.meters) - 1),
      Range('cut', 1, grid.bar_cells - 1),
      Range('position', 0, grid.bar_cells - 1),
      Range('tempo', 0, len(grid.tempos) - 1),
      *chord,
      Range('program', 0, events.DRUMS),
      *voice,
      Range('pitch', 0, 127),
      Range('drum', 0, 127),
      Range('velocity', 0, grid.velocity_bins - 1),
      Range('duration', 0, len(grid.durations) - 1),
    ]
    return Codec((Field('event', tuple(ranges)),))

  @functools.cached_property
  def grammar(self) -> RemiGrammar:
    """The legal sequences."""
    return RemiGrammar(self.codec, self.grid)

  def encode(self, notes: Notes) -> np.ndarray:
    """Returns int32 `[t, 1]` from BOS to EOS.

    Raises:
      TokenError: Longer than 2^16 bars (code `too_long`).
    """
    notes = events.quantised(notes, self.grid)
    parts = events.from_notes(notes, self.grid)
    start = self.codec.fields[0].starts
    # One row an event, one column a token, 0 where there is none.
    tokens = np.zeros((parts.size, _WIDTH), np.int32)
    tokens[:, 0] = self._places(parts)
    self._fill_bars(tokens, parts.bars)
    tokens[parts.tempos[events.ROW], 1] = (
      start['tempo'] + parts.tempos[events.VALUE]
    )
    if self.chords:
      tokens[parts.chords[events.ROW], 1] = (
        start['chord'] + parts.chords[events.VALUE]
      )
    tokens[parts.notes[events.ROW], 1:] = self._note_tokens(parts.notes)
    stream = tokens.ravel()
    stream = stream[stream > 0]
    ids = np.empty((len(stream) + 2, 1), np.int32)
    ids[1:-1, 0] = stream
    ids[0], ids[-1] = start['bos'], start['eos']
    return ids

  def _places(self, parts: events.Parts) -> np.ndarray:
    """Returns the Bar, the Position or the 0 that each event begins with."""
    position = np.empty(parts.size, np.int32)
    position[parts.bars[events.ROW]] = -1
    for part in parts[1:]:
      position[part[events.ROW]] = part[events.POSITION]
    start = self.codec.fields[0].starts
    ids = position + start['position']
    ids[1:][position[1:] == position[:-1]] = 0
    ids[parts.bars[events.ROW]] = start['bar']
    return ids

  def _fill_bars(self, tokens: np.ndarray, bars: np.ndarray) -> None:
    start = self.codec.fields[0].starts
    for column, name, values, low in (
      (1, 'meter', bars[events.VALUE], 0),
      (2, 'cut', bars[events.POSITION], 1),
    ):
      told = (values >= low).nonzero()[0]
      ids = values[told] + (start[name] - low)
      tokens[bars[events.ROW][told], column] = ids

  def _note_tokens(self, notes: np.ndarray) -> np.ndarray:
    """Returns program, voice, pitch, velocity, duration, int32 `[n, 5]`."""
    start = self.codec.fields[0].starts
    program, voice = notes[events.VALUE], notes[events.VOICE]
    tokens = np.empty((_WIDTH - 1, notes.shape[1]), np.int32)
    np.add(program, start['program'], out=tokens[0])
    # Voice 0 is not told.
    np.add(voice, start.get('voice', 1) - 1, out=tokens[1])
    tokens[1][voice == 0] = 0
    np.add(notes[events.PITCH], start['pitch'], out=tokens[2])
    tokens[2][program == events.DRUMS] += start['drum'] - start['pitch']
    np.add(notes[events.VELOCITY], start['velocity'], out=tokens[3])
    np.add(notes[events.DURATION], start['duration'], out=tokens[4])
    return tokens.T

  def decode(self, ids: np.ndarray) -> Notes:
    """Returns the quantised music of ids `[t, 1]`, legal or cut anywhere.

    Tokens out of place are skipped: parts of a note that do not follow each
    other, what stands before the first bar or beyond its bar's last cell.

    Raises:
      TokenError: Not ids of this vocabulary (codes `shape`, `range`).
    """
    stream = self.codec.check(ids)[:, 0].astype(np.int32, copy=False)
    ends = stream == self.codec.id('eos')
    if ends.any():
      stream = stream[: ends.argmax()]
    if not stream.all():
      stream = stream[stream > 0]
    # Room at both ends, so that neighbours of every token exist.
    stream = np.concatenate([_ROOM, stream, _ROOM])
    return events.to_notes(_Parser(self.codec, stream).parts(), self.grid)

  def bar_steps(self, ids: np.ndarray) -> np.ndarray:
    """Returns the step indices at which a bar starts, ascending."""
    return np.flatnonzero(ids[:, 0] == self.codec.id('bar'))

  def bos(self) -> np.ndarray:
    """Returns the first step, int32 `[1]`."""
    return np.array([self.codec.id('bos')], np.int32)

  def is_end(self, ids: Any) -> Any:
    """Returns bool `[...]`: which steps of `[..., 1]` are EOS."""
    return ids[..., 0] == self.codec.id('eos')


_WIDTH = 6
"""Tokens of the longest event: position, program, voice, pitch, velocity,
duration."""
_ROOM = np.zeros(2, np.int32)
_PITCHES = 128
_NOWHERE = 1 << 30
"""A position beyond every bar."""


class _Parser:
  """Finds the events of a stream of ids, `[s]`, two PAD at both ends.

  The row of an event is the index of its token; a note's is its pitch.
  """

  def __init__(self, codec: Codec, stream: np.ndarray) -> None:
    self._field = codec.fields[0]
    self._stream = stream

  def _read(self, event: str, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns which tokens of `at` are of an event, and values of those."""
    ids = self._stream.take(at)
    part = self._field.by_event.get(event)
    if part is None:
      return np.zeros(len(at), np.bool_), ids
    ids -= self._field.starts[event]
    # Ids below the range wrap around to large numbers.
    found = ids.view(np.uint32) < part.size
    if part.low:
      ids += part.low
    return found, ids

  def _find(self, first: str, last: str) -> np.ndarray:
    """Returns where the events of neighbouring ranges stand, ascending."""
    if first not in self._field.starts:
      return np.zeros(0, np.int64)
    low = self._field.starts[first]
    high = self._field.starts[last] + self._field.by_event[last].size
    if high == low + 1:
      return (self._stream == low).nonzero()[0]
    return ((self._stream >= low) & (self._stream < high)).nonzero()[0]

  def parts(self) -> events.Parts:
    """Returns the events that have all their tokens."""
    bar = self._find('bar', 'bar')
    # Only a position of its own bar gives an event its place.
    marks = np.sort(np.concatenate([bar, self._find('position', 'position')]))
    short = [self._short(name, marks) for name in ('tempo', 'chord')]
    return events.Parts(self._bars(bar), *short, self._notes(marks))

  def _place(self, at: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Returns the position that each token of `at` stands after.

    For a token without one it is larger than any bar.
    """
    if not len(at):
      return at
    mark = np.append(0, marks).take(marks.searchsorted(at))
    placed, position = self._read('position', mark)
    if not placed.all():
      position[~placed] = _NOWHERE
    return position

  def _short(self, event: str, marks: np.ndarray) -> np.ndarray:
    """Returns the tempos or the chords, int `[3, ..]`."""
    at = self._find(event, event)
    return np.stack([at, self._place(at, marks), self._read(event, at)[1]])

  def _bars(self, bar: np.ndarray) -> np.ndarray:
    """Returns the bars with the Meter and the Cut that follow, `[3, b]`."""
    has_meter, meter = self._read('meter', bar + 1)
    has_cut, cut = self._read('cut', bar + 1 + has_meter)
    meter[~has_meter] = -1
    cut[~has_cut] = 0
    return np.stack([bar, cut, meter])

  def _notes(self, marks: np.ndarray) -> np.ndarray:
    """Returns the notes with all their tokens in order, int64 `[7, n]`."""
    at = self._find('pitch', 'drum')
    voiced, voice = self._read('voice', at - 1)
    has_program, program = self._read('program', at - 1 - voiced)
    has_velocity, velocity = self._read('velocity', at + 1)
    has_duration, duration = self._read('duration', at + 2)
    pitch = self._read('pitch', at)[1]
    # Drums follow the pitches, and are as many.
    fits = (pitch >= _PITCHES) == (program == events.DRUMS)
    whole = has_program & has_velocity & has_duration & fits
    columns = np.empty((events.COLUMNS, len(at)), np.int64)
    columns[events.ROW] = at
    columns[events.POSITION] = self._place(at, marks)
    columns[events.VALUE] = program
    columns[events.PITCH] = pitch & (_PITCHES - 1)
    columns[events.DURATION] = duration
    columns[events.VELOCITY] = velocity
    columns[events.VOICE] = voice * voiced
    return columns if whole.all() else columns[:, whole]
