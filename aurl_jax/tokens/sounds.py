"""What sounds in each slot, computed on the device from the ids of a piece.

A table a field says of every id whether it begins a note or holds one on,
its pitch, its velocity, and how long it lasts. The attributes of a slot are
those that `evaluation.attributes` has of an excerpt, of the notes that begin in
the slot (density), sound in it (polyphony, register) or have their strongest
place in it (syncopation: there the accent is missed, and there a model has to
know). Numbers are taken to about -2..2 by fixed middles and widths (`SCALES`),
so that no model depends on the data that they were measured on. Axes: `b`
batch, `t` steps, `f` fields, `n` steps that may be notes, `s` slots, `c` cells,
`p` the 128 MIDI pitches.
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from aurl_jax.music.grid import Grid
from aurl_jax.tokens.codec import Field
from aurl_jax.tokens.tokenizer import Tokenizer

SCALES: Mapping[str, tuple[float, float]] = {
  'density': (4.0, 2.0),
  'polyphony': (4.0, 2.0),
  'register': (60.0, 6.0),
  'syncopation': (0.5, 0.5),
}
"""Attribute -> its middle and its width, in its own unit: onsets a beat, notes,
MIDI pitch, strength a beat."""
PITCHES = 128
ROLLS = ('onset', 'sustain', 'velocity')
"""What a cell of a roll has of each pitch."""
NEVER = 1 << 24
"""Cells: later than any step; exact in float32."""
COLUMNS = 5
"""Of a table over ids."""
LEVELS = (4, 2, 1)
"""Parts of a beat, the weakest first."""


class Heard(NamedTuple):
  """The notes of rows; where `real` is not, nothing means anything.

  Attributes:
    begin: Cells since the segment began.
    length: Cells.
    position: Cells inside the bar, at the beginning.
    left: Cells from there to the next bar of the row.
    pitch: MIDI pitch.
    pitched: Whether it has one.
    real: Whether a note begins here.
    velocity: MIDI velocity; 0 where the tokenization tells none.
  """

  begin: Int[Array, 'b n']
  length: Int[Array, 'b n']
  position: Int[Array, 'b n']
  left: Int[Array, 'b n']
  pitch: Int[Array, 'b n']
  pitched: Bool[Array, 'b n']
  real: Bool[Array, 'b n']
  velocity: Int[Array, 'b n']


@dataclasses.dataclass(frozen=True)
class Sounds:
  """What ids sound like, by tables over them; hashable.

  Attributes:
    tables: int32 `[v, 5]` of each field, as bytes: begins, holds, pitch and 1
      (0 for none), cells, velocity.
    frames: Whether each step is a cell and each field a voice (`grid`).
    beat: Cells of a beat.
  """

  tables: tuple[bytes, ...] = dataclasses.field(repr=False)
  frames: bool
  beat: int

  @classmethod
  def of(cls, tokenizer: Tokenizer) -> 'Sounds | None':
    """Returns the sounds of a tokenizer's ids; None if a note takes steps."""
    fields, grid = tokenizer.codec.fields, tokenizer.grid
    frames = 'hold' in fields[0].starts
    if not frames and not ('note' in fields[0].starts and len(fields) > 1):
      return None
    tables = [_table(field, frames, grid) for field in fields]
    return cls(tuple(tables), frames, grid.cells_per_beat)

  def __call__(
    self,
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
    coordinates: Int[Array, 'b t 5'],
    slots: int,
    beats: int,
  ) -> dict[str, Float[Array, 'b s']]:
    """Returns each attribute of each slot, scaled (`SCALES`).

    A slot without a pitch has the middle register. What a slot has beyond the
    end of its piece counts as silence, and what follows the last slot is in it.

    Args:
      ids: Of one piece a row.
      segments: 0 for padding.
      coordinates: Of `tokens.places`.
      slots: How many.
      beats: Of each.
    """
    heard = self.heard(ids, segments, coordinates)
    edges = jnp.arange(slots) * beats * self.beat
    found = attributes(heard, edges, beats * self.beat, self.beat)
    return {name: _scaled(name, value) for name, value in found.items()}

  def last(
    self,
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
    coordinates: Int[Array, 'b t 5'],
  ) -> Int[Array, ' b']:
    """Returns the last cell in which a note of a piece sounds; 0 for none."""
    heard = self.heard(ids, segments, coordinates)
    end = jnp.where(heard.real, heard.begin + heard.length - 1, 0)
    return jnp.maximum(end.max(axis=1), 0)

  def rolls(
    self,
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
    coordinates: Int[Array, 'b t 5'],
    cells: int,
  ) -> dict[str, Float[Array, 'b c p']]:
    """Returns the first cells of pieces as piano rolls: `rolls` of them."""
    return rolls(self.heard(ids, segments, coordinates), cells)

  def heard(
    self,
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
    coordinates: Int[Array, 'b t 5'],
  ) -> Heard:
    """Returns the notes of rows."""
    real = segments > 0
    parts = [
      jnp.asarray(np.frombuffer(data, np.int32).reshape(-1, COLUMNS))[
        ids[..., f]
      ]
      for f, data in enumerate(self.tables)
    ]
    left = _left(coordinates, real)
    places = coordinates[..., 2], coordinates[..., 1], left
    if self.frames:
      told = jnp.stack(parts, axis=-2) * real[..., None, None]
      length = jax.vmap(_held, in_axes=-1, out_axes=-1)(told[..., 1])
      told = told.at[..., 3].set(length).reshape(len(ids), -1, COLUMNS)
      begin, position, left = (
        jnp.repeat(place, len(parts), axis=1) for place in places
      )
    else:
      told = jnp.stack(parts).max(axis=0) * real[..., None]
      begin, position, left = places
    pitch = told[..., 2] - 1
    kind = told[..., 0] > 0
    when = begin, told[..., 3], position, left
    return Heard(*when, pitch, pitch >= 0, kind, told[..., 4])


def rolls(heard: Heard, cells: int) -> dict[str, Float[Array, 'b c p']]:
  """Returns notes as piano rolls, pitched ones alone.

  Args:
    heard: The notes.
    cells: Of a roll; notes that begin later are left out.

  Returns:
    `onset` and `sustain`, 1 where a note begins, or sounds, else 0; and
    `velocity`, 0..1, where one begins.
  """
  real = heard.real & heard.pitched & (heard.begin < cells)
  # What is out of the roll is dropped.
  begin = jnp.where(real, heard.begin, cells + 1)
  end = jnp.where(real, jnp.minimum(begin + heard.length, cells), cells + 1)
  rows = jnp.arange(len(begin))[:, None]
  pitch = jnp.maximum(heard.pitch, 0)
  blank = jnp.zeros((len(begin), cells + 1, PITCHES))
  edges = blank.at[rows, begin, pitch].add(1.0, mode='drop')
  edges = edges.at[rows, end, pitch].add(-1.0, mode='drop')
  loud = heard.velocity / 127
  found = {
    'onset': blank.at[rows, begin, pitch].set(1.0, mode='drop'),
    'sustain': (jnp.cumsum(edges, axis=1) > 0).astype(jnp.float32),
    'velocity': blank.at[rows, begin, pitch].max(loud, mode='drop'),
  }
  return {name: roll[:, :cells] for name, roll in found.items()}


def attributes(
  heard: Heard, edges: Int[Array, 's'], cells: int, beat: int
) -> dict[str, Float[Array, 'b s']]:
  """Returns each attribute of each slot, in its unit.

  Args:
    heard: The notes.
    edges: First cell of each slot.
    cells: Of a slot.
    beat: Cells of a beat.
  """
  stops = jnp.append(edges[1:], NEVER)
  begin, end = heard.begin[..., None], (heard.begin + heard.length)[..., None]
  real = heard.real[..., None]
  starts = (begin >= edges) & (begin < stops) & real
  sounds = jnp.minimum(end, stops) - jnp.maximum(begin, edges)
  sounds = jnp.maximum(sounds, 0) * (real & heard.pitched[..., None])
  total = sounds.sum(axis=1)
  pitches = (sounds * heard.pitch[..., None]).sum(axis=1)
  middle = SCALES['register'][0]
  strong, place = (x[..., None] for x in strengths(heard, beat))
  missed = (place >= edges) & (place < stops) & real
  return {
    'density': starts.sum(axis=1) * (beat / cells),
    'polyphony': total / cells,
    'register': jnp.where(total > 0, pitches / jnp.maximum(total, 1), middle),
    'syncopation': (missed * strong).sum(axis=1) * (beat / cells),
  }


def strengths(
  heard: Heard, beat: int
) -> tuple[Int[Array, 'b n'], Int[Array, 'b n']]:
  """Returns how much stronger a place each note sounds across, and which.

  The strength, 0..4, is as `evaluation.attributes` defines it; a bar that no
  step begins is not sounded across. The place is the first so strong one, in
  cells since the segment began; that of a note without is its beginning.
  """
  weight = jnp.full_like(heard.begin, -len(LEVELS) - 1)
  strongest, place = weight, jnp.zeros_like(weight)
  for level, parts in zip((-3, -2, -1), LEVELS, strict=True):
    at = heard.position * parts
    weight = jnp.where(at % beat == 0, level, weight)
    next_ = (at // beat + 1) * beat
    across = next_ < at + heard.length * parts
    strongest = jnp.where(across, level, strongest)
    # Rounded up: places between cells are those of the next cell.
    place = jnp.where(across, -((at - next_) // parts), place)
  weight = jnp.where(heard.position == 0, 0, weight)
  across = heard.left < heard.length
  strongest = jnp.where(across, 0, strongest)
  place = jnp.where(across, heard.left, place)
  found = jnp.maximum(strongest - weight, 0)
  return found, heard.begin + jnp.where(found > 0, place, 0)


def _scaled(name: str, value: Float[Array, '*n']) -> Float[Array, '*n']:
  middle, width = SCALES[name]
  return (value - middle) / width


def _held(holds: Int[Array, 'b t']) -> Int[Array, 'b t']:
  """Returns the cells from each step to the next that holds nothing on."""
  index = jnp.arange(holds.shape[1])
  stops = jnp.where(holds > 0, holds.shape[1], index)
  return _following(stops, holds.shape[1]) - index


def _left(
  coordinates: Int[Array, 'b t 5'], real: Bool[Array, 'b t']
) -> Int[Array, 'b t']:
  """Returns the cells from each step to the next bar of its row."""
  start = coordinates[..., 2] - coordinates[..., 1]
  later = (start[:, 1:] > start[:, :-1]) & real[:, 1:]
  fresh = jnp.where(later, start[:, 1:], NEVER)
  fresh = jnp.pad(fresh, ((0, 0), (1, 0)), constant_values=NEVER)
  return _following(fresh, NEVER) - coordinates[..., 2]


def _following(values: Int[Array, 'b t'], last: int) -> Int[Array, 'b t']:
  """Returns the least value behind each step."""
  found = jax.lax.cummin(values, axis=1, reverse=True)
  return jnp.pad(found[:, 1:], ((0, 0), (0, 1)), constant_values=last)


def _table(field: Field, frames: bool, grid: Grid) -> bytes:
  """Returns the table of a field."""
  table = np.zeros((field.size, COLUMNS), np.int32)
  for id_, (name, value) in enumerate(
    zip(field.events, field.values.tolist(), strict=True)
  ):
    if name == 'note' or (frames and name == 'pitch'):
      table[id_, 0] = 1
    if name == 'hold':
      table[id_, 1] = 1
    if name == 'pitch':
      table[id_, 2] = value + 1
    if name == 'duration':
      table[id_, 3] = grid.durations[value]
    if name == 'velocity':
      table[id_, 4] = grid.velocities[value]
  return table.tobytes()
