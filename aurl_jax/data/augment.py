"""Augmentation: jitted, on batches of ids, by the ranges of their codec.

Axes: `b` rows, `t` steps, `f` fields, `k` segments of a row, `p` pieces.

Each change moves the values of one kind of event by an amount that is drawn
once a piece and epoch, from the seed, the epoch and the piece alone: the same
stretch of music is changed alike in whatever row it stands, with whatever
neighbours, before and after a restart. What is drawn stays in the piece's
room (`data.rooms`), so nothing is clipped, and every change keeps the order
of what it moves. A row is therefore canonical afterwards as it stands, with
no step to add, drop or sort, and the grammar accepts it.

  transpose    pitches, chords and keys, in semitones; drums stay. What
               controls tell of register follows by whole octaves, the
               nearest, and so may be one level off
  stretch      tempos, all of a piece by one factor: a bar stays a bar. Where
               the ids tell time itself (`shift` events), the time
  velocity     all of a piece louder or softer, its dynamics as they are
  instruments  programs, to another one of their General MIDI family; two
               that differ go on to differ
  swing        the second half of straight beats comes later, and its 16ths
               with it; beats with triplets stay
  humanise     velocities, note by note

After MidiTok's offsets and Magenta's stretch and transpose ranges, which are
drawn for each file and with numpy.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from aurl_jax.core.errors import ConfigError
from aurl_jax.data import draws, swing
from aurl_jax.data.draws import Drawn
from aurl_jax.data.rooms import PITCHED, Rooms
from aurl_jax.music import chords
from aurl_jax.music.grid import TEMPO_STEPS, Grid
from aurl_jax.music.theory import FAMILY
from aurl_jax.tokens import control_steps
from aurl_jax.tokens.codec import Codec, Field, Range
from aurl_jax.tokens.tokenizer import Tokenizer

Rows = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chance:
  """How likely a change is: from `first` to `last` over so many steps.

  Attributes:
    first: Probability at step 0.
    last: Probability from step `ramp` on.
    ramp: Steps of the straight line between the two.
  """

  first: float = 1.0
  last: float = 1.0
  ramp: int = 0

  def __post_init__(self) -> None:
    if not (0 <= self.first <= 1 and 0 <= self.last <= 1):
      raise ConfigError(
        f'chances {self.first} and {self.last} are not both in 0..1'
      )
    if self.ramp < 0:
      raise ConfigError(f'ramp {self.ramp} must be 0 or more steps')

  def at(self, step: Any) -> Any:
    """Returns the probability at a step, which may be traced."""
    done = jnp.minimum(step / max(self.ramp, 1), 1.0) if self.ramp else 1.0
    return self.first + (self.last - self.first) * done


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentConfig:
  """What may be changed, how far and how often; by default nothing.

  Attributes:
    transpose: Semitones at most, up or down, 0..12.
    stretch: How much slower or faster at most, 0..0.5; 0.2 is tempos of 0.8
      to 1.2 times the piece's.
    velocity: Bins at most, up or down.
    instruments: Whether programs are exchanged inside their family.
    swing: Whether straight beats are swung.
    humanise: Bins at most, up or down, by which single notes differ.
    transpose_chance: How often a piece is transposed, and so on.
    stretch_chance: See above.
    velocity_chance: See above.
    instruments_chance: See above.
    swing_chance: See above.
    humanise_chance: See above.
  """

  transpose: int = 0
  stretch: float = 0.0
  velocity: int = 0
  instruments: bool = False
  swing: bool = False
  humanise: int = 0
  transpose_chance: Chance = Chance()
  stretch_chance: Chance = Chance()
  velocity_chance: Chance = Chance()
  instruments_chance: Chance = Chance()
  swing_chance: Chance = Chance()
  humanise_chance: Chance = Chance()

  def __post_init__(self) -> None:
    limits = {'transpose': 12, 'stretch': 0.5, 'velocity': 64, 'humanise': 64}
    for name, most in limits.items():
      if not 0 <= getattr(self, name) <= most:
        raise ConfigError(
          f'augment.{name} {getattr(self, name)} is not in 0..{most}'
        )

  @property
  def changes(self) -> tuple[str, ...]:
    """The changes that are asked for."""
    return tuple(name for name in draws.CHANGES if getattr(self, name))


_ROOTS, _QUALITIES = len(chords.ROOTS), len(chords.QUALITIES)


class Augmenter:
  """Changes the rows of batches on the device; see the module.

  Pure, so it may stand inside any jitted function.
  """

  def __init__(
    self, config: AugmentConfig, tokenizer: Tokenizer, rooms: Rooms
  ) -> None:
    """Makes the constants.

    Args:
      config: What to change.
      tokenizer: Made the ids.
      rooms: How far the split's pieces can be changed.

    Raises:
      ConfigError: The ids are merged ones (`tokens.bpe`).
    """
    merged = any('merged' in part.by_event for part in tokenizer.codec.fields)
    if config.changes and merged:
      raise ConfigError(
        'augment: the values of merged ids cannot be moved; train on the base '
        'tokenizer, or augment before merging (Bpe.expand, then Bpe.merge)'
      )
    self._config = config
    self._codec: Codec = tokenizer.codec
    self._grid: Grid = tokenizer.grid
    self._draws = draws.Draws(
      rooms=_limits(config, self._codec, self._grid, rooms),
      programs=rooms.program if config.instruments else None,
      velocities=_velocities(config, self._codec, rooms),
      noise=config.humanise > 0,
    )

  def __call__(self, batch: Rows, key: PRNGKeyArray, step: Any) -> Rows:
    """Returns the batch with changed ids.

    Args:
      batch: As of `data.pipeline`, `epochs` and all.
      key: Of the run; the same at every step.
      step: int32 [], what the chances depend on.
    """
    config = self._config
    if not config.changes:
      return batch
    chances = {
      name: getattr(config, f'{name}_chance').at(step)
      for name in config.changes
    }
    drawn = self._draws(batch, key, chances)
    ids = jnp.asarray(batch['ids'])
    places = self._places(batch, ids, drawn)
    moved = ids
    for number, field in enumerate(self._codec.fields):
      column = ids[..., number]
      delta = self._delta(field, column, batch, drawn)
      if places is not None:
        delta = delta + _swung(field, column, places, self._grid)
      if not isinstance(delta, int):
        # All columns in one pass: to write one by itself takes as long.
        here = np.arange(ids.shape[2], dtype=np.int32) == number
        moved += delta[..., None] * here
    return dict(batch) | {'ids': moved} | _labelled(batch, drawn)

  def _delta(self, field: Field, ids: Any, batch: Rows, drawn: Drawn) -> Any:
    """Returns by how much the ids of a field move, but for swing.

    int32 [b, t], or 0 for a field that nothing is done to.
    """
    amounts = drawn.amounts
    delta: Any = 0
    for event, name in _MOVES:
      if field.tells(event) and name in amounts:
        delta += jnp.where(field.holds(event, ids), amounts[name], 0)
    if field.tells('velocity') and 'velocity' in amounts:
      delta += _velocity_delta(field, ids, amounts)
    for event in ('chord', 'harmony'):
      if field.tells(event) and 'transpose' in amounts:
        delta += _chord_delta(field, event, ids, amounts['transpose'])
    if 'transpose' in amounts:
      delta += _control_delta(field, ids, amounts['transpose'])
    if drawn.programs is not None and field.tells('program'):
      delta += _program_delta(field, ids, drawn)
    timed = field.tells('shift')
    noise = None
    if drawn.words is not None:
      most = 1 if timed else self._config.humanise
      noise = draws.noise(drawn.words, batch['positions'], most)
    if timed and ('stretch' in amounts or noise is not None):
      delta += _shift_delta(field, ids, amounts.get('stretch'), noise)
    elif noise is not None and field.tells('velocity'):
      delta += _velocity_noise(field, ids, delta, noise)
    return delta

  def _places(self, batch: Rows, ids: Any, drawn: Drawn) -> Any:
    """Returns what swing needs to know of each step, or None."""
    if 'swing' not in drawn.amounts:
      return None
    column = next(
      number
      for number, field in enumerate(self._codec.fields)
      if field.tells('position')
    )
    field = self._codec.fields[column]
    bar = self._codec.holds('bar', ids[..., 0])
    first = batch['positions'] == 0
    return swing.Places.of(
      cell=jnp.asarray(field.values)[ids[..., column]],
      told=field.holds('position', ids[..., column]),
      new=bar | first,
      amount=drawn.amounts['swing'],
      cells=self._grid.cells_per_beat,
    )


def _labelled(batch: Rows, drawn: Drawn) -> dict[str, Any]:
  """Returns what the kinds that are asked say of transposed music."""
  semitones = drawn.amounts.get('transpose')
  if semitones is None or 'aux' not in batch:
    return {}
  moved = {}
  for name, labels in batch['aux'].items():
    # Ids of a field of its own: the label and 1, as an unknown one has 0.
    ids = jnp.asarray(labels) + 1
    field = Field(name, (Range(name, 0, control_steps.SIZES[name] - 1),))
    delta = _control_delta(field, ids, semitones)
    if name == 'harmony':
      delta = _chord_delta(field, name, ids, semitones)
    moved[name] = labels + delta
  return {'aux': moved}


_MOVES = (
  *((event, 'transpose') for event in PITCHED),
  ('tempo', 'stretch'),
)
"""Events whose values are added to, and by what."""


def _limits(
  config: AugmentConfig, codec: Codec, grid: Grid, rooms: Rooms
) -> dict[str, np.ndarray]:
  """Returns the amounts that may be drawn for each piece, int32 [p, 2]."""
  slower = -math.floor(-math.log2(1 - config.stretch) * TEMPO_STEPS)
  faster = math.floor(math.log2(1 + config.stretch) * TEMPO_STEPS)
  limits = {
    'transpose': rooms.pitch.clip(-config.transpose, config.transpose),
  }
  if _has(codec, 'shift'):
    limits['stretch'] = _everywhere(slower, faster, rooms)
    # A velocity event that changes nothing would not be canonical.
    limits['velocity'] = rooms.velocity.clip(-config.velocity, config.velocity)
  else:
    limits['stretch'] = rooms.tempo.clip(slower, faster)
    limits['velocity'] = _everywhere(-config.velocity, config.velocity, rooms)
  if _has(codec, 'position') and swing.is_possible(grid.cells_per_beat):
    swings = _everywhere(1, len(swing.SHARES) - 1, rooms)
    limits['swing'] = swings * rooms.simple[:, None]
  return {name: limits[name] for name in config.changes if name in limits}


def _everywhere(low: int, high: int, rooms: Rooms) -> np.ndarray:
  """Returns the same limits for every piece."""
  return np.broadcast_to(np.array([low, high], np.int32), (len(rooms), 2))


def _has(codec: Codec, event: str) -> bool:
  return any(field.tells(event) for field in codec.fields)


def _chord_delta(field: Field, event: str, ids: Any, semitones: Any) -> Any:
  """Moves the roots of chords; that of no chord, index 0, stays."""
  index = ids - field.starts[event] - 1
  is_chord = field.holds(event, ids) & (index >= 0)
  moved = (index + semitones * _QUALITIES) % (_ROOTS * _QUALITIES)
  return jnp.where(is_chord, moved - index, 0)


def _control_delta(field: Field, ids: Any, semitones: Any) -> Any:
  """Moves what controls tell of pitch; 0 for a field without controls."""
  delta: Any = 0
  if field.tells('key'):
    # Twelve major keys by their tonic, then twelve minor ones.
    key = ids - field.starts['key']
    moved = key // _ROOTS * _ROOTS + (key + semitones) % _ROOTS
    delta += jnp.where(field.holds('key', ids), moved - key, 0)
  if field.tells('register'):
    level = ids - field.starts['register']
    octaves = (semitones + _ROOTS // 2) // _ROOTS
    last = field.by_event['register'].size - 1
    moved = jnp.clip(level + octaves, 0, last)
    delta += jnp.where(field.holds('register', ids), moved - level, 0)
  return delta


def _program_delta(field: Field, ids: Any, drawn: Drawn) -> Any:
  program = ids - field.starts['program']
  shifts = drawn.programs
  # Drums, number 128, are in no family.
  known = field.holds('program', ids) & (program < FAMILY * shifts.shape[1])
  at = drawn.slots * shifts.shape[1] + program // FAMILY
  return jnp.where(known, shifts.reshape(-1).take(at, mode='clip'), 0)


def _velocities(
  config: AugmentConfig, codec: Codec, rooms: Rooms
) -> np.ndarray | None:
  """Returns the softest and loudest bin of each piece, if they matter."""
  if not config.velocity or not _has(codec, 'velocity'):
    return None
  last = rooms.velocity_bins - 1
  return np.stack([-rooms.velocity[:, 0], last - rooms.velocity[:, 1]], 1)


def _velocity_delta(field: Field, ids: Any, amounts: Any) -> Any:
  """Moves the piece's range of velocities, squeezed where it would end.

  What was louder stays at least as loud as what was softer.
  """
  span = field.by_event['velocity'].size - 1
  low, high = amounts['softest'], amounts['loudest']
  new_low = jnp.maximum(low + amounts['velocity'], 0)
  new_high = jnp.minimum(high + amounts['velocity'], span)
  # A range at the edge keeps one bin.
  new_low, new_high = jnp.minimum(new_low, span), jnp.maximum(new_high, 0)
  bin_ = ids - field.starts['velocity']
  scale = (new_high - new_low) / jnp.maximum(high - low, 1)
  moved = new_low + jnp.rint((bin_ - low) * scale).astype(jnp.int32)
  return jnp.where(field.holds('velocity', ids), moved - bin_, 0)


def _velocity_noise(field: Field, ids: Any, delta: Any, noise: Any) -> Any:
  """Returns the noise, as far as the bins reach."""
  start = field.starts['velocity']
  last = start + field.by_event['velocity'].size - 1
  moved = ids + delta
  noisy = jnp.clip(moved + noise, start, last)
  return jnp.where(field.holds('velocity', ids), noisy - moved, 0)


def _shift_delta(field: Field, ids: Any, stretch: Any, noise: Any) -> Any:
  """Makes pauses longer or shorter, in as many steps as before.

  Of a pause of n shifts, all but the last are the longest possible; the last
  takes up the change, as far as n shifts can tell it.
  """
  start, longest = field.starts['shift'], field.by_event['shift'].high
  is_shift = field.holds('shift', ids)
  value = ids - start + field.by_event['shift'].low
  steps = jnp.arange(ids.shape[1])
  other = jax.lax.cummax(jnp.where(is_shift, -1, steps), axis=1)
  full = (steps - other - 1) * longest
  goes_on = jnp.pad(is_shift[:, 1:], ((0, 0), (0, 1)))
  pause = (full + value).astype(jnp.float32)
  if stretch is not None:
    pause *= jnp.exp2(-stretch.astype(jnp.float32) / TEMPO_STEPS)
  wanted = jnp.rint(pause).astype(jnp.int32) - full
  if noise is not None:
    wanted += noise
  changed = is_shift & ~(goes_on & (value == longest))
  return jnp.where(changed, jnp.clip(wanted, 1, longest) - value, 0)


def _swung(field: Field, ids: Any, places: swing.Places, grid: Grid) -> Any:
  """Returns the moves of positions and of exact durations by swing."""
  delta: Any = 0
  if field.tells('position'):
    moved = places.moved - places.cell
    delta += jnp.where(field.holds('position', ids), moved, 0)
  if field.tells('duration'):
    # The first durations are 1, 2, 3 … cells; beyond these they stay.
    exact = grid.exact_beats * grid.cells_per_beat
    index = ids - field.starts['duration']
    is_exact = field.holds('duration', ids) & (index < exact)
    length = jnp.clip(index + 1 + places.longer(index + 1), 1, exact)
    delta += jnp.where(is_exact, length - index - 1, 0)
  return delta
