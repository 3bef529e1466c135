"""Compound: the events of REMI, each in one step of several fields.

After Hsiao et al., "Compound Word Transformer", AAAI 2021, with one step a
note (instrument, pitch, duration, velocity and position together). Axes:
`t` steps, `f` fields. A field that a step does not use holds `IGNORE`.
"""

import dataclasses
import functools
from typing import Any, ClassVar

import numpy as np

from aurl_jax.core import errors
from aurl_jax.music import chords as chords_lib
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import assembly, events, expressive
from aurl_jax.tokens.codec import Codec, Field, Range
from aurl_jax.tokens.compound_grammar import CompoundGrammar
from aurl_jax.tokens.options import EventTokenizer

_KINDS = ('bar', 'tempo', 'chord', 'note', 'pedal')
_VALUES = ('meter', 'tempo', 'chord', 'program', 'program')
"""Names of the kinds of `events`, in their order, and of their values."""
_BAR = (
  (events.VALUE, 'meter', 0, 'same'),
  (events.POSITION, 'cut', 1, 'whole'),
)
"""Fields of a bar step: what changes, its least value, and what does not."""
_MOST_MICRO = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compound(EventTokenizer):
  """The tokenizer; its fields are its options (see `EventTokenizer`).

  Fields of a step: `kind`, `position` (in a bar step: `whole`, or the cells
  left of a bar that is cut short), `value` (program, 128 for drums; tempo;
  chord; in a bar step a meter that changes, or `same`), `voice`, `pitch`,
  `duration`, `velocity`. No field says anything by being empty, so that what
  holds on is predicted as what changes is. With `micro` there is one more, of
  the same name; with `pedal` there are steps of that kind, which have
  `position`, `value` (the program), `voice`, `pitch` (0 up, 1 down) and
  `micro`. Neither changes the ids of what is told without it. Ids are `[t,
  7]`, with `micro` `[t, 8]`.

  Attributes:
    micro: Parts of a cell that onsets and pedals are told in, 2..64; 0 tells
      cells alone.
    pedal: Whether the sustain pedals are told.
  """

  _CONTROL_FIELD: ClassVar[int] = events.VALUE

  micro: int = 0
  pedal: bool = False

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.micro and not 2 <= self.micro <= _MOST_MICRO:
      raise errors.ConfigError(
        f'micro {self.micro} is neither 0 nor in 2..{_MOST_MICRO}'
      )

  @functools.cached_property
  def _plain(self) -> Codec:
    """The vocabulary without controls."""
    grid = self.grid
    one = ('bos', 'eos', 'bar', 'tempo', *self._chord('chord'), 'note')
    one += ('pedal',) * self.pedal
    value = [
      Range('program', 0, events.DRUMS),
      Range('tempo', 0, len(grid.tempos) - 1),
      Range('meter', 0, len(grid.meters) - 1),
      Range('same', 0, 0),
      *(Range(name, 0, chords_lib.SIZE - 1) for name in self._chord('chord')),
    ]
    last = grid.bar_cells - 1
    cells = (
      Range('position', 0, last),
      Range('cut', 1, last),
      Range('whole', 0, 0),
    )
    pitch = [Range('pitch', 0, 127), Range('drum', 0, 127)]
    pitch += [Range('pedal', 0, 1)] * self.pedal
    low = -(self.micro // 2)
    micro = Field('micro', (Range('micro', low, low + self.micro - 1),))
    duration = Range('duration', 0, len(grid.durations) - 1)
    velocity = Range('velocity', 0, grid.velocity_bins - 1)
    return Codec(
      (
        Field('kind', tuple(Range(name, 0, 0) for name in one)),
        Field('position', cells),
        Field('value', tuple(value)),
        Field('voice', (Range('voice', 0, self.voices - 1),)),
        Field('pitch', tuple(pitch)),
        Field('duration', (duration,)),
        Field('velocity', (velocity,)),
        *(micro,) * bool(self.micro),
      )
    )

  def _chord(self, name: str) -> tuple[str, ...]:
    return (name,) if self.chords else ()

  @functools.cached_property
  def _plain_grammar(self) -> CompoundGrammar:
    """The legal sequences without controls."""
    return CompoundGrammar(self._plain, self.grid)

  def quantise(self, notes: Notes) -> Notes:
    """Returns what `decode(encode(notes))` gives back.

    As `EventTokenizer.quantise`, with these options: times go to the nearest
    part of a cell first, which offsets tell of onsets and pedals, so that
    notes are merged if they begin in the same part; durations are in cells.
    Every track has a pedal; one without notes moves that of the first track
    of its instrument. Of the changes in a cell the last one counts, those at
    or after the end do not, and a pedal that is down there goes up.

    Raises:
      TokenError: Longer than 2^16 bars (code `too_long`).
    """
    if not (self.micro or self.pedal):
      return super().quantise(notes)
    found = self._rounded(notes)
    return expressive.perform(
      found.notes, self.micro, found.offset, found.pedals
    )

  def _rounded(self, notes: Notes) -> expressive.Rounded:
    fine = expressive.fine(self.grid, self.micro)
    given = notes if self.pedal else Notes.build(1)
    return expressive.rounded(
      events.quantised(notes, fine), given, self.grid, self.micro
    )

  def _encode(self, notes: Notes) -> np.ndarray:
    """Returns the ids without controls."""
    if self.micro or self.pedal:
      found = self._rounded(notes)
      offset = found.offset if self.micro else None
      parts = events.from_notes(found.notes, self.grid, offset, found.pedals)
    else:
      notes = events.quantised(notes, self.grid)
      parts = events.from_notes(notes, self.grid)
    ids = np.zeros((parts.size + 2, len(self.codec.fields)), np.int32)
    steps = ids[1:-1]
    for name, part in zip(_KINDS[1:], parts[1:], strict=True):
      if part.shape[1]:
        steps[part[events.ROW]] = self._steps(name, part)
    bars = parts.bars
    steps[bars[events.ROW], 0] = self.codec.id('bar')
    for column, event, low, other in _BAR:
      told = bars[column] >= low
      first = self.codec.fields[column].starts[event]
      usual = self.codec.id(other, field=column)
      value = np.where(told, bars[column] + first - low, usual)
      steps[bars[events.ROW], column] = value
    ids[0], ids[-1, 0] = self.bos(), self.codec.id('eos')
    return ids

  def _steps(self, kind: str, part: np.ndarray) -> np.ndarray:
    """Returns the ids of all kinds but bars, int32 `[n, 7 or 8]`."""
    fields = self.codec.fields
    ids = np.zeros((len(fields), part.shape[1]), np.int32)
    ids[0] = self.codec.id(kind)
    for column, name in self._uses(kind).items():
      field = fields[column]
      low = field.by_event[name].low
      np.add(part[column], field.starts[name] - low, out=ids[column])
    if kind == 'note':
      pitch = fields[events.PITCH].starts
      struck = part[events.VALUE] == events.DRUMS
      ids[events.PITCH, struck] += pitch['drum'] - pitch['pitch']
    return ids.T

  def _uses(self, kind: str) -> dict[int, str]:
    """Returns the columns that a kind but a bar has, and their events."""
    value = _VALUES[_KINDS.index(kind)]
    uses = {events.POSITION: 'position', events.VALUE: value}
    if kind == 'note':
      names = ('voice', 'pitch', 'duration', 'velocity')
      uses |= dict(enumerate(names, start=events.VOICE))
    if kind == 'pedal':
      uses |= {events.PITCH: 'pedal', events.VOICE: 'voice'}
    if kind in ('note', 'pedal') and self.micro:
      uses[events.MICRO] = 'micro'
    return uses

  def decode(self, ids: np.ndarray) -> Notes:
    """Returns the quantised music of ids, legal or cut anywhere.

    Steps that miss a field of their kind, or stand where their bar has no
    cell, are left out, and so is what follows the first EOS.

    Raises:
      TokenError: Not ids of this vocabulary (codes `shape`, `range`).
    """
    ids = self._music(ids)
    done = self.is_end(ids).nonzero()[0]
    rows = np.ascontiguousarray(ids[: done[0] if len(done) else None].T)
    kinds = _KINDS if self.pedal else _KINDS[:-1]
    parts = [self._part(kind, rows) for kind in kinds]
    return assembly.to_notes(events.Parts(*parts), self.grid, self.micro)

  def _part(self, kind: str, rows: np.ndarray) -> np.ndarray:
    """Returns the events of a kind, int64 `[3, 7 or 8, n]`.

    `rows` are ids `[7 or 8, t]`. Steps without the fields of the kind are
    not among the events, bars apart.
    """
    holds = self.codec.holds
    at = holds(kind, rows[0]).nonzero()[0]
    if kind == 'pedal':
      return self._pedals(rows, at)
    ids = rows[: len(rows) if kind == 'note' else events.VOICE, at]
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
      whole &= ids[events.VOICE :].min(axis=0) > 0
      whole &= drum == (part[events.VALUE] == events.DRUMS)
      if self.pedal:
        whole &= ~holds('pedal', ids[events.PITCH], events.PITCH)
    return part if whole.all() else part[:, whole]

  def _pedals(self, rows: np.ndarray, at: Any) -> np.ndarray:
    """Returns the pedals of steps `at` that have all fields, `[8, n]`."""
    part = np.zeros((events.MICRO + 1, len(at)), np.int64)
    part[events.ROW], whole = at, np.ones(len(at), np.bool_)
    for column, name in self._uses('pedal').items():
      ids = rows[column, at]
      part[column] = self.codec.fields[column].values.take(ids)
      whole &= self.codec.holds(name, ids, column)
    return part[:, whole]
