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
    stream = self.codec.check(ids)[:, 0]
    done = (stream == self.codec.id('eos')).nonzero()[0]
    stream = stream[: done[0] if len(done) else None]
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
_NO_EVENT = -2
"""No kind of token; -1 is that of PAD."""
_NOWHERE = 1 << 30
"""A position beyond every bar."""


class _Parser:
  """Finds the events of a stream of ids, `[s]`, two PAD at both ends.

  The row of an event is the index of its token; a note's is its pitch.
  """

  def __init__(self, codec: Codec, stream: np.ndarray) -> None:
    field = codec.fields[0]
    self._values = field.values.take(stream)
    self._kind = field.kinds.take(stream)
    self._index = {part.event: i for i, part in enumerate(field.ranges)}

  def _is(self, event: str, at: np.ndarray) -> np.ndarray:
    """Returns which tokens of `at` are of an event, bool."""
    return self._kind.take(at) == self._index.get(event, _NO_EVENT)

  def _find(self, event: str) -> np.ndarray:
    """Returns where an event stands, ascending."""
    return (self._kind == self._index.get(event, _NO_EVENT)).nonzero()[0]

  def parts(self) -> events.Parts:
    """Returns the events that have all their tokens."""
    bar, position = self._find('bar'), self._find('position')
    # Only a position of its own bar gives an event its place.
    marks = np.sort(np.concatenate([bar, position]))
    short = [self._short(name, marks) for name in ('tempo', 'chord')]
    return events.Parts(self._bars(bar), *short, self._notes(marks))

  def _place(self, at: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Returns the position that each token of `at` stands after.

    For a token without one it is larger than any bar.
    """
    mark = np.append(0, marks).take(marks.searchsorted(at))
    position = self._values.take(mark)
    position[~self._is('position', mark)] = _NOWHERE
    return position

  def _short(self, event: str, marks: np.ndarray) -> np.ndarray:
    """Returns the tempos or the chords, int `[3, ..]`."""
    at = self._find(event)
    return np.stack([at, self._place(at, marks), self._values.take(at)])

  def _bars(self, bar: np.ndarray) -> np.ndarray:
    """Returns the bars with the Meter and the Cut that follow, `[3, b]`."""
    meter = self._is('meter', bar + 1)
    after = bar + 1 + meter
    cut = np.where(self._is('cut', after), self._values.take(after), 0)
    value = np.where(meter, self._values.take(bar + 1), -1)
    return np.stack([bar, cut, value])

  def _notes(self, marks: np.ndarray) -> np.ndarray:
    """Returns the notes with all their tokens in order, int `[7, n]`."""
    is_pitch = self._kind == self._index['pitch']
    is_pitch |= self._kind == self._index['drum']
    at = is_pitch.nonzero()[0]
    voiced = self._is('voice', at - 1)
    first = at - 1 - voiced
    program = self._values.take(first)
    whole = self._is('program', first) & self._is('velocity', at + 1)
    whole &= self._is('duration', at + 2)
    whole &= (program == events.DRUMS) == self._is('drum', at)
    columns = np.empty((events.COLUMNS, len(at)), np.int64)
    columns[events.ROW] = at
    columns[events.POSITION] = self._place(at, marks)
    columns[events.VALUE] = program
    columns[events.PITCH] = self._values.take(at)
    columns[events.DURATION] = self._values.take(at + 2)
    columns[events.VELOCITY] = self._values.take(at + 1)
    columns[events.VOICE] = self._values.take(at - 1) * voiced
    return columns if whole.all() else columns[:, whole]
