"""REMI: one event a step, after Huang and Yang, "Pop Music Transformer".

ACM Multimedia 2020; with programs, voices and cut bars as in this grammar:

  BOS ( Bar [Meter] [Cut] ( Position [Tempo] [Chord]
    ( Program [Voice] (Pitch | Drum) Velocity Duration )* )* )* EOS

Axes: `t` steps; the one field has index 0. `e` events, as in `events`.
"""

import dataclasses
import functools
from typing import ClassVar

import numpy as np

from aurl_jax.music import chords as chords_lib
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import assembly, events, remi_stream
from aurl_jax.tokens.codec import Codec, Field, Range
from aurl_jax.tokens.options import EventTokenizer
from aurl_jax.tokens.remi_grammar import RemiGrammar


@dataclasses.dataclass(frozen=True, kw_only=True)
class Remi(EventTokenizer):
  """The tokenizer; its fields are its options (see `EventTokenizer`).

  Meter and tempo stand in bar 1 and where they change. `Cut` tells how many
  cells are left of a bar that a change of meter cuts short. Program 128 is
  the drums, whose pitches are events of their own; voice 0 is not told. Ids
  are `[t, 1]`.
  """

  _CONTROL_FIELD: ClassVar[int] = 0

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
  def _plain_grammar(self) -> RemiGrammar:
    """The legal sequences without controls."""
    return RemiGrammar(self._plain, self.grid)

  def _encode(self, notes: Notes) -> np.ndarray:
    """Returns the ids without controls."""
    notes = events.quantised(notes, self.grid)
    parts = events.from_notes(notes, self.grid)
    return remi_stream.write(parts, self.codec.fields[0])[:, None]

  def decode(self, ids: np.ndarray) -> Notes:
    """Returns the quantised music of ids `[t, 1]`, legal or cut anywhere.

    Tokens out of place are skipped: parts of a note that do not follow each
    other, what stands before the first bar or beyond its bar's last cell.

    Raises:
      TokenError: Not ids of this vocabulary (codes `shape`, `range`).
    """
    ids = self._music(ids)
    parts = remi_stream.read(ids[:, 0], self._plain.fields[0])
    return assembly.to_notes(parts, self.grid)
