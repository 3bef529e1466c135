"""What REMI and compound share: options, controls, how a stream begins."""

import abc
import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from aurl_jax.core import errors
from aurl_jax.music import transform
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import events
from aurl_jax.tokens import infill as infill_lib
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.control_steps import ControlledGrammar, ControlSteps
from aurl_jax.tokens.controls import Controls
from aurl_jax.tokens.infill_grammar import InfillGrammar
from aurl_jax.tokens.tokenizer import Grammar

_CHOICES = {
  'cells_per_beat': (1, 480),
  'velocity_bins': (1, 128),
  'bar_beats': (2, 64),
  'voices': (1, 1024),
}
"""Both ends of what makes sense; keeps every table small."""


def check(options: Any, choices: Mapping[str, tuple[int, int]]) -> None:
  """Checks the options of a tokenizer, `velocity_bins` among them.

  Args:
    options: Has them as attributes.
    choices: Name -> least and largest value.

  Raises:
    ConfigError: An option out of range, or bins that do not divide 128.
  """
  for name, (low, high) in choices.items():
    value = getattr(options, name)
    if not low <= value <= high:
      raise errors.ConfigError(f'{name} {value} not in {low}..{high}')
  if 128 % options.velocity_bins:
    raise errors.ConfigError(
      f'velocity_bins {options.velocity_bins} does not divide 128'
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class EventTokenizer(abc.ABC):
  """A tokenization whose steps are events, but for how it writes them.

  Attributes:
    cells_per_beat: Positions in a quarter note.
    velocity_bins: Bins of velocity; a power of two up to 128.
    bar_beats: The longest bar, in quarter notes; longer meters are reduced.
    voices: Tracks that may share one instrument.
    chords: Whether chord symbols are told.
    controls: Whether controls may be told, see `control_steps`.
    studied: Whether those that studies hear are among them.
    infill: Whether parts of a piece may be taken out, see `infill`.

  Raises:
    ConfigError: An option out of range; names it.
  """

  cells_per_beat: int = 12
  velocity_bins: int = 32
  bar_beats: int = 12
  voices: int = 32
  chords: bool = False
  controls: bool = False
  infill: bool = False
  studied: bool = False

  steps_a_bar: ClassVar[int | None] = None
  """The notes of a bar decide."""
  _CONTROL_FIELD: ClassVar[int]
  """Where values of controls stand."""

  def __post_init__(self) -> None:
    check(self, _CHOICES)
    if self.studied and not self.controls:
      raise errors.ConfigError(
        'studied=True tells controls that studies hear; set controls=True, too'
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

  @property
  @abc.abstractmethod
  def _plain(self) -> Codec:
    """The vocabulary without controls."""

  @property
  @abc.abstractmethod
  def _plain_grammar(self) -> Grammar:
    """The legal sequences without controls."""

  @abc.abstractmethod
  def _encode(self, notes: Notes) -> np.ndarray:
    """Returns the ids without controls."""

  @functools.cached_property
  def codec(self) -> Codec:
    """The vocabulary."""
    codec = self._steps_of_controls.codec if self.controls else self._plain
    return infill_lib.extended(codec) if self.infill else codec

  @functools.cached_property
  def _steps_of_controls(self) -> ControlSteps:
    return ControlSteps(self._plain, self._CONTROL_FIELD, self.studied)

  @functools.cached_property
  def grammar(self) -> Any:
    """The legal sequences."""
    grammar: Any = self._plain_grammar
    if self.controls:
      grammar = ControlledGrammar(grammar, self._steps_of_controls)
    return InfillGrammar(grammar, self.codec) if self.infill else grammar

  def _music(self, ids: np.ndarray) -> np.ndarray:
    """Returns checked ids without controls, all parts in their place."""
    ids = self.codec.check(ids)
    if self.infill:
      ids = infill_lib.Infill(self.codec).put_back(ids)
    return self._steps_of_controls.without(ids) if self.controls else ids

  def encode(
    self, notes: Notes, controls: Controls | None = None
  ) -> np.ndarray:
    """Returns int32 `[t, f]` from BOS to EOS.

    Args:
      notes: Any piece.
      controls: What to tell of it, with the option `controls`.

    Raises:
      TokenError: Longer than 2^16 bars (code `too_long`), or controls that
        cannot be told (code `controls`).
    """
    ids = self._encode(notes)
    return ids if controls is None else self.tell(ids, controls)

  def tell(self, ids: np.ndarray, controls: Controls) -> np.ndarray:
    """Returns the ids of a piece, or of its beginning, with its controls.

    Args:
      ids: int32 `[t, f]` from BOS, without controls.
      controls: What to tell; those of bars that are not there are left out.

    Raises:
      TokenError: They cannot be told (code `controls`).
    """
    if not self.controls:
      raise errors.TokenError(
        'this tokenizer tells no controls; build it with controls=True',
        code='controls',
      )
    return self._steps_of_controls.insert(ids, self.bar_steps(ids), controls)

  def read_controls(self, ids: np.ndarray) -> Controls:
    """Returns the controls that ids tell; without the option, none."""
    if not self.controls:
      return Controls()
    return self._steps_of_controls.read(self.codec.check(ids))

  def bar_steps(self, ids: np.ndarray) -> np.ndarray:
    """Returns the step indices at which a bar starts, ascending."""
    return np.flatnonzero(ids[:, 0] == self.codec.id('bar'))

  def bos(self) -> np.ndarray:
    """Returns the first step, int32 `[f]`."""
    step = np.zeros(len(self.codec.fields), np.int32)
    step[0] = self.codec.id('bos')
    return step

  def is_end(self, ids: Any) -> Any:
    """Returns bool `[...]`: which steps of `[..., f]` are EOS."""
    return ids[..., 0] == self.codec.id('eos')
