"""The options that REMI and compound share, checked once."""

import dataclasses
import functools

import numpy as np

from aurl_jax.core import errors
from aurl_jax.music import transform
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import events
from aurl_jax.tokens.control_steps import ControlSteps
from aurl_jax.tokens.controls import Controls

_CHOICES = {
  'cells_per_beat': (1, 480),
  'velocity_bins': (1, 128),
  'bar_beats': (2, 64),
  'voices': (1, 1024),
}
"""Both ends of what makes sense; keeps every table small."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EventOptions:
  """Options of the tokenizations whose steps are events.

  Attributes:
    cells_per_beat: Positions in a quarter note.
    velocity_bins: Bins of velocity; a power of two up to 128.
    bar_beats: The longest bar, in quarter notes; longer meters are reduced.
    voices: Tracks that may share one instrument.
    chords: Whether chord symbols are told.
    controls: Whether controls may be told, see `control_steps`.

  Raises:
    ConfigError: An option out of range; names it.
  """

  cells_per_beat: int = 12
  velocity_bins: int = 32
  bar_beats: int = 12
  voices: int = 32
  chords: bool = False
  controls: bool = False

  def __post_init__(self) -> None:
    for name, (low, high) in _CHOICES.items():
      value = getattr(self, name)
      if not low <= value <= high:
        raise errors.ConfigError(f'{name} {value} not in {low}..{high}')
    if 128 % self.velocity_bins:
      raise errors.ConfigError(
        f'velocity_bins {self.velocity_bins} does not divide 128'
      )

  @functools.cached_property
  def grid(self) -> Grid:
    """What encoding quantises to."""
    return Grid(
      cells_per_beat=self.cells_per_beat,
      velocity_bins=self.velocity_bins,
      bar_beats=self.bar_beats,
      voices=self.voices,
      chords=self.chords,
    )

  def quantise(self, notes: Notes) -> Notes:
    """Returns what `decode(encode(notes))` gives back.

    That is `music.transform.quantise` with notes of equal (track, pitch,
    onset) merged.

    Raises:
      TokenError: Longer than 2^16 bars (code `too_long`).
    """
    return transform.merge_equal(events.quantised(notes, self.grid))[0]

  def _controlled(
    self,
    ids: np.ndarray,
    bars: np.ndarray,
    steps: ControlSteps,
    controls: Controls | None,
  ) -> np.ndarray:
    """Returns ids with their controls told, if there are any."""
    if controls is None:
      return ids
    if not self.controls:
      raise errors.TokenError(
        'this tokenizer tells no controls; build it with controls=True',
        code='controls',
      )
    return steps.insert(ids, bars, controls)
