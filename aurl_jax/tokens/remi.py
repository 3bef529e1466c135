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

_VALUES = ('meter', 'tempo', 'chord', 'program')
"""Names of the values of the kinds of `events`, in their order."""


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
    table = events.from_notes(notes, self.grid).T
    kind, position = table[events.KIND], table[events.POSITION]
    start = self.codec.fields[0].starts
    starts = np.array([start.get(name, 0) for name in _VALUES], np.int32)
    bar, note = kind == events.BAR, kind == events.NOTE
    drum = note & (table[events.VALUE] == events.DRUMS)
    pitch = np.where(drum, start['drum'], start['pitch'])
    # One row an event, one column a token, 0 where there is none.
    tokens = np.zeros((len(kind), _WIDTH), np.int32)
    moved = np.append(True, position[1:] != position[:-1])[: len(kind)]
    moved[1:] |= bar[:-1]
    tokens[:, 0] = np.where(moved, start['position'] + position, 0)
    tokens[bar, 0] = start['bar']
    tokens[:, 1] = _present(table[events.VALUE], starts[kind])
    tokens[:, 2] = _present(table[events.VOICE] - 1, start.get('voice', 0))
    tokens[bar, 2] = _present(position[bar] - 1, start['cut'])
    tokens[:, 3] = _present(table[events.PITCH], pitch)
    tokens[:, 4] = _present(table[events.VELOCITY], start['velocity'])
    tokens[:, 5] = _present(table[events.DURATION], start['duration'])
    ids = np.concatenate([[start['bos']], tokens[tokens > 0], [start['eos']]])
    return ids.astype(np.int32)[:, None]

  def decode(self, ids: np.ndarray) -> Notes:
    """Returns the quantised music of ids `[t, 1]`, legal or cut anywhere.

    Tokens out of place are skipped: parts of a note that do not follow each
    other, what stands before the first bar or beyond its bar's last cell.

    Raises:
      TokenError: Not ids of this vocabulary (codes `shape`, `range`).
    """
    stream = self.codec.check(ids)[:, 0]
    done = np.flatnonzero(stream == self.codec.id('eos'))
    stream = stream[: done[0] if len(done) else None]
    stream = stream[stream > 0]
    # Room at both ends, so that neighbours of every token exist.
    stream = np.pad(stream, (2, 2))
    table = _Parser(self.codec, stream).table()
    return events.to_notes(table, self.grid)

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


def _present(values: np.ndarray, start: np.ndarray | int) -> np.ndarray:
  """Returns ids of the values >= 0; 0 for the others."""
  return np.where(values >= 0, values + start, 0)


class _Parser:
  """Finds the events of a stream of ids, `[s]`, two PAD at both ends."""

  def __init__(self, codec: Codec, stream: np.ndarray) -> None:
    self._codec = codec
    self._stream = stream
    self._values = codec.fields[0].values[stream]
    self._kind = codec.fields[0].kinds[stream]
    self._names = [part.event for part in codec.fields[0].ranges]

  def _is(self, event: str) -> np.ndarray:
    """Returns bool `[s]`."""
    if event not in self._names:
      return np.zeros(len(self._kind), np.bool_)
    return self._kind == self._names.index(event)

  def table(self) -> np.ndarray:
    """Returns the events in stream order, int32 `[e, 7]`."""
    bar, position = self._is('bar'), self._is('position')
    table = np.full((events.COLUMNS, len(bar)), -1, np.int32)
    table[events.KIND, bar] = events.BAR
    self._bars(table, np.flatnonzero(bar))
    self._notes(table)
    at = np.arange(len(bar))
    mark = np.maximum.accumulate(np.where(bar | position, at, 0))
    placed = position[mark]
    for kind, name in ((events.TEMPO, 'tempo'), (events.CHORD, 'chord')):
      here = self._is(name)
      table[events.KIND, here] = kind
      table[events.VALUE, here] = self._values[here]
    kind = table[events.KIND]
    table[events.POSITION] = np.where(
      kind == events.BAR, table[events.POSITION], self._values[mark]
    )
    good = (kind == events.BAR) | ((kind > events.BAR) & placed)
    return table.T[good]

  def _bars(self, table: np.ndarray, bars: np.ndarray) -> None:
    """Fills in the meters and cuts that directly follow a bar."""
    meter, cut = self._is('meter'), self._is('cut')
    has = meter[bars + 1]
    after = bars + 1 + has
    table[events.VALUE, bars[has]] = self._values[bars[has] + 1]
    has = cut[after]
    table[events.POSITION, bars[has]] = self._values[after[has]]

  def _notes(self, table: np.ndarray) -> None:
    """Fills in the whole notes, at the place of their pitch."""
    program, voice = self._is('program'), self._is('voice')
    drum = self._is('drum')
    pitches = np.flatnonzero(self._is('pitch') | drum)
    voiced = voice[pitches - 1]
    first = pitches - 1 - voiced
    whole = program[first] & self._is('velocity')[pitches + 1]
    whole &= self._is('duration')[pitches + 2]
    whole &= drum[pitches] == (self._values[first] == events.DRUMS)
    at, first, voiced = pitches[whole], first[whole], voiced[whole]
    values = self._values
    table[events.KIND, at] = events.NOTE
    table[events.VALUE, at] = values[first]
    table[events.VOICE, at] = np.where(voiced, values[at - 1], 0)
    table[events.PITCH, at] = values[at]
    table[events.VELOCITY, at] = values[at + 1]
    table[events.DURATION, at] = values[at + 2]
