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
    parts = events.from_notes(notes, self.grid)
    ids = np.zeros((parts.size + 2, events.COLUMNS), np.int32)
    steps = ids[1:-1]
    for name, part in zip(_KINDS[1:], parts[1:], strict=True):
      if part.shape[1]:
        steps[part[events.ROW]] = self._steps(name, part)
    bars = parts.bars
    steps[bars[events.ROW], 0] = self.codec.id('bar')
    for column, event, low in (
      (events.VALUE, 'meter', 0),
      (events.POSITION, 'cut', 1),
    ):
      told = (bars[column] >= low).nonzero()[0]
      first = self.codec.fields[column].starts[event]
      steps[bars[events.ROW][told], column] = bars[column][told] + first - low
    ids[0], ids[-1, 0] = self.bos(), self.codec.id('eos')
    return ids

  def _steps(self, kind: str, part: np.ndarray) -> np.ndarray:
    """Returns the ids of tempos, chords or notes, int32 `[n, 7]`."""
    ids = np.zeros((events.COLUMNS, part.shape[1]), np.int32)
    ids[0] = self.codec.id(kind)
    fields = self.codec.fields
    value = _VALUES[_KINDS.index(kind)]
    names = ('position', value, 'pitch', 'duration', 'velocity', 'voice')
    for column, name in enumerate(names[: len(part) - 1], start=1):
      np.add(part[column], fields[column].starts[name], out=ids[column])
    if kind == 'note':
      pitch = fields[events.PITCH].starts
      struck = part[events.VALUE] == events.DRUMS
      ids[events.PITCH, struck] += pitch['drum'] - pitch['pitch']
    return ids.T

  def decode(self, ids: np.ndarray) -> Notes:
    """Returns the quantised music of ids `[t, 7]`, legal or cut anywhere.

    Steps that miss a field of their kind, or stand where their bar has no
    cell, are left out, and so is what follows the first EOS.

    Raises:
      TokenError: Not ids of this vocabulary (codes `shape`, `range`).
    """
    ids = self.codec.check(ids)
    done = self.is_end(ids).nonzero()[0]
    rows = np.ascontiguousarray(ids[: done[0] if len(done) else None].T)
    parts = [self._part(kind, rows) for kind in _KINDS]
    return events.to_notes(events.Parts(*parts), self.grid)

  def _part(self, kind: str, rows: np.ndarray) -> np.ndarray:
    """Returns the events of a kind, int64 `[3 or 7, n]`.

    `rows` are ids `[7, t]`. Steps without the fields of the kind are not
    among the events, bars apart.
    """
    holds = self.codec.holds
    at = holds(kind, rows[0]).nonzero()[0]
    ids = rows[: events.COLUMNS if kind == 'note' else events.PITCH, at]
    fields = self.codec.fields[: len(ids)]
    part = np.empty(ids.shape, np.int64)
    part[events.ROW] = at
    for column in range(1, len(ids)):
      part[column] = fields[column].values.take(ids[column])
    value = holds(_VALUES[_KINDS.index(kind)], ids[events.VALUE], events.VALUE)
    placed = holds('position', ids[events.POSITION], events.POSITION)
    if kind == 'bar':
      part[events.VALUE][~value] = -1
      part[events.POSITION][placed] = 0
      return part
    whole = value & placed
    if kind == 'note':
      drum = holds('drum', ids[events.PITCH], events.PITCH)
      whole &= ids[events.PITCH :].min(axis=0) > 0
      whole &= drum == (part[events.VALUE] == events.DRUMS)
    return part if whole.all() else part[:, whole]

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
