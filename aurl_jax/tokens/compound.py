"""Compound: the events of REMI, each in one step of several fields.

After Hsiao et al., "Compound Word Transformer", AAAI 2021, with one step a
note (instrument, pitch, duration, velocity and position together). Axes:
`t` steps, `f` fields. A field that a step does not use holds `IGNORE`.
"""

import dataclasses
import functools
from typing import Any

import numpy as np

from aurl_jax.music import chords as chords_lib
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import events
from aurl_jax.tokens.codec import Codec, Field, Range
from aurl_jax.tokens.compound_grammar import CompoundGrammar
from aurl_jax.tokens.options import EventOptions

_KINDS = ('bar', 'tempo', 'chord', 'note')
_VALUES = ('meter', 'tempo', 'chord', 'program')
"""Names of the kinds of `events`, in their order, and of their values."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compound(EventOptions):
  """The tokenizer; its fields are its options (see `EventOptions`).

  Fields of a step: `kind`, `position` (in a bar step: the cells left of a
  bar that is cut short), `value` (program, 128 for drums; tempo; meter;
  chord), `pitch`, `duration`, `velocity`, `voice`. A bar step has a meter
  only when it changes.
  """

  @functools.cached_property
  def codec(self) -> Codec:
    """The vocabulary: seven fields."""
    grid = self.grid
    one = ('bos', 'eos', 'bar', 'tempo', *self._chord('chord'), 'note')
    value = [
      Range('program', 0, events.DRUMS),
      Range('tempo', 0, len(grid.tempos) - 1),
      Range('meter', 0, len(grid.meters) - 1),
      *(Range(name, 0, chords_lib.SIZE - 1) for name in self._chord('chord')),
    ]
    last = grid.bar_cells - 1
    cells = (Range('position', 0, last), Range('cut', 1, last))
    pitch = (Range('pitch', 0, 127), Range('drum', 0, 127))
    duration = Range('duration', 0, len(grid.durations) - 1)
    velocity = Range('velocity', 0, grid.velocity_bins - 1)
    return Codec(
      (
        Field('kind', tuple(Range(name, 0, 0) for name in one)),
        Field('position', cells),
        Field('value', tuple(value)),
        Field('pitch', pitch),
        Field('duration', (duration,)),
        Field('velocity', (velocity,)),
        Field('voice', (Range('voice', 0, self.voices - 1),)),
      )
    )

  def _chord(self, name: str) -> tuple[str, ...]:
    return (name,) if self.chords else ()

  @functools.cached_property
  def grammar(self) -> CompoundGrammar:
    """The legal sequences."""
    return CompoundGrammar(self.codec, self.grid)

  def encode(self, notes: Notes) -> np.ndarray:
    """Returns int32 `[t, 7]` from BOS to EOS.

    Raises:
      TokenError: Longer than 2^16 bars (code `too_long`).
    """
    notes = events.quantised(notes, self.grid)
    table = events.from_notes(notes, self.grid)
    kind = table[:, events.KIND]
    ids = np.zeros((len(table) + 2, events.COLUMNS), np.int32)
    ids[1:-1] = table + self._offsets[kind]
    # -1 is what an event does not have; drums have pitches of their own.
    ids[1:-1][table < 0] = 0
    struck = table[:, events.VALUE] == events.DRUMS
    struck &= kind == events.NOTE
    drum = self.codec.span('drum', events.PITCH)[0]
    ids[1:-1][struck, events.PITCH] = drum + table[struck, events.PITCH]
    ids[0], ids[-1] = self.bos(), 0
    ids[-1, 0] = self.codec.id('eos')
    return ids

  @functools.cached_property
  def _offsets(self) -> np.ndarray:
    """int32 `[4, 7]`: what makes ids of a table's columns, by its kind."""
    offsets = np.ones((len(_KINDS), events.COLUMNS), np.int32)
    kind, position, value = (field.starts for field in self.codec.fields[:3])
    for row, name in enumerate(_KINDS):
      # The table has numbers for its kinds already.
      offsets[row, events.KIND] = kind.get(name, 0) - row
      offsets[row, events.VALUE] = value.get(_VALUES[row], 0)
    offsets[events.BAR, events.POSITION] = position['cut'] - 1
    return offsets

  def decode(self, ids: np.ndarray) -> Notes:
    """Returns the quantised music of ids `[t, 7]`, legal or cut anywhere.

    Steps that miss a field of their kind, or stand where their bar has no
    cell, are left out, and so is what follows the first EOS.

    Raises:
      TokenError: Not ids of this vocabulary (codes `shape`, `range`).
    """
    ids = self.codec.check(ids)
    done = np.flatnonzero(self.is_end(ids))
    rows = np.ascontiguousarray(ids[: done[0] if len(done) else None].T)
    fields = self.codec.fields
    table = np.stack(
      [field.values[row] for field, row in zip(fields, rows, strict=True)]
    )
    holds = self.codec.holds
    good = np.zeros(table.shape[1], np.bool_)
    placed = holds('position', rows[events.POSITION], events.POSITION)
    for kind, name in enumerate(_KINDS):
      here = holds(name, rows[0])
      table[events.KIND, here] = kind
      fits = holds(_VALUES[kind], rows[events.VALUE], events.VALUE)
      if kind == events.BAR:
        table[events.VALUE, here & ~fits] = -1
        table[events.POSITION, here & placed] = -1
        good |= here
      else:
        good |= here & placed & fits
    good &= (table[0] != events.NOTE) | self._sounds(rows, table)
    return events.to_notes(table.T[good], self.grid)

  def _sounds(self, rows: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Returns bool `[t]`: whether a note step has all of a note's fields."""
    pitch = rows[events.PITCH]
    drum = self.codec.holds('drum', pitch, events.PITCH)
    drums = table[events.VALUE] == events.DRUMS
    return (rows[events.PITCH :] > 0).all(axis=0) & (drum == drums)

  def bar_steps(self, ids: np.ndarray) -> np.ndarray:
    """Returns the step indices at which a bar starts, ascending."""
    return np.flatnonzero(ids[:, 0] == self.codec.id('bar'))

  def bos(self) -> np.ndarray:
    """Returns the first step, int32 `[7]`."""
    step = np.zeros(events.COLUMNS, np.int32)
    step[0] = self.codec.id('bos')
    return step

  def is_end(self, ids: Any) -> Any:
    """Returns bool `[...]`: which steps of `[..., 7]` are EOS."""
    return ids[..., 0] == self.codec.id('eos')
