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
from aurl_jax.tokens import assembly, events, remi_stream
from aurl_jax.tokens.codec import Codec, Field, Range
from aurl_jax.tokens.control_steps import ControlledGrammar, ControlSteps
from aurl_jax.tokens.controls import Controls
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
    return self._steps_of_controls.codec if self.controls else self._plain

  @functools.cached_property
  def _steps_of_controls(self) -> ControlSteps:
    return ControlSteps(self._plain, 0)

  @functools.cached_property
  def _plain(self) -> Codec:
    """The vocabulary without controls."""
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
  def grammar(self) -> RemiGrammar | ControlledGrammar:
    """The legal sequences."""
    plain = RemiGrammar(self._plain, self.grid)
    if not self.controls:
      return plain
    return ControlledGrammar(plain, self._steps_of_controls)

  def encode(
    self, notes: Notes, controls: Controls | None = None
  ) -> np.ndarray:
    """Returns int32 `[t, 1]` from BOS to EOS.

    Args:
      notes: Any piece.
      controls: What to tell of it, with the option `controls`.

    Raises:
      TokenError: Longer than 2^16 bars (code `too_long`), or controls that
        cannot be told (code `controls`).
    """
    notes = events.quantised(notes, self.grid)
    parts = events.from_notes(notes, self.grid)
    ids = remi_stream.write(parts, self.codec.fields[0])[:, None]
    steps = self._steps_of_controls
    return self._controlled(ids, self.bar_steps(ids), steps, controls)

  def decode(self, ids: np.ndarray) -> Notes:
    """Returns the quantised music of ids `[t, 1]`, legal or cut anywhere.

    Tokens out of place are skipped: parts of a note that do not follow each
    other, what stands before the first bar or beyond its bar's last cell.

    Raises:
      TokenError: Not ids of this vocabulary (codes `shape`, `range`).
    """
    ids = self.codec.check(ids)
    if self.controls:
      ids = self._steps_of_controls.without(ids)
    parts = remi_stream.read(ids[:, 0], self._plain.fields[0])
    return assembly.to_notes(parts, self.grid)

  def read_controls(self, ids: np.ndarray) -> Controls:
    """Returns the controls that ids tell; without the option, none."""
    if not self.controls:
      return Controls()
    return self._steps_of_controls.read(self.codec.check(ids))

  def bar_steps(self, ids: np.ndarray) -> np.ndarray:
    """Returns the step indices at which a bar starts, ascending."""
    return np.flatnonzero(ids[:, 0] == self.codec.id('bar'))

  def bos(self) -> np.ndarray:
    """Returns the first step, int32 `[1]`."""
    return np.array([self.codec.id('bos')], np.int32)

  def is_end(self, ids: Any) -> Any:
    """Returns bool `[...]`: which steps of `[..., 1]` are EOS."""
    return ids[..., 0] == self.codec.id('eos')
