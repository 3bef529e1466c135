"""`Drafts`: several tries at once at the next bars of a piece, or inner ones.

All batches have the same number of rows, steps of prompts and steps in all, so
that a piece of any length takes two programs: one goes on, one fills in.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from aurl_jax.generation import constraints, decode, ending, lines
from aurl_jax.generation.constraints import Constraint
from aurl_jax.generation.decode import Batch, Writer
from aurl_jax.generation.guidance import Guided, Without
from aurl_jax.generation.sampling import Sampler
from aurl_jax.generation.silent import silent
from aurl_jax.generation.stretch import Bar, Stretch
from aurl_jax.models.functional import Model
from aurl_jax.tokens.infill import ALL, Infill, Part, Track

MOST_BARS = 8
"""Bars that are written at once."""
_ROOM, _WINDOW = 384, 640
"""Steps that are written at once, and steps that are read before, at most."""
_NEVER = 1 << 20
"""Bars that no piece has."""
_HELD = ('tempo', 'meter', 'cut')
"""One meter and one tempo hold for a piece."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drafts:
  """Writes drafts of bars.

  Attributes:
    model: The network.
    params: Its parameters.
    stretch: Between ids and bars.
    sampler: How ids are drawn.
    count: Drafts at once.
  """

  model: Model
  params: Any
  stretch: Stretch
  sampler: Sampler
  count: int = 4

  @property
  def infills(self) -> bool:
    """Whether the model has learnt to infill."""
    return 'mask' in self.stretch.tokenizer.codec.fields[0].starts

  @functools.cached_property
  def room(self) -> int:
    """Steps that are written at once."""
    return min(_ROOM, self.model.config.context // 2)

  @functools.cached_property
  def window(self) -> int:
    """Steps of what is read before."""
    return min(_WINDOW, self.model.config.context - self.room)

  def onward(
    self,
    bars: Sequence[Bar],
    count: int,
    seed: int,
    *,
    mute: Track | None = None,
  ) -> list[list[Bar]]:
    """Returns drafts of the bars that follow.

    Args:
      bars: The piece so far, of which as much is read as there is room for.
      count: Bars that are added, at most `MOST_BARS`.
      seed: Of the first draft.
      mute: A track that does not play.
    """
    tokenizer, codec = self.stretch.tokenizer, self.stretch.tokenizer.codec
    kept = bars[len(bars) - self.stretch.fitting(bars, self.window) :]
    prompt = self.stretch.join(kept)
    steps = len(prompt) + self.room
    # The opening has a bar already.
    more = count if kept else count - 1
    length = _length(self.stretch, prompt, more, steps)
    wanted: list[Constraint] = [
      length,
      *ending.within(tokenizer, length.most),
      *ending.paced(tokenizer, length.most, steps),
      Without(codec, (*_HELD, 'mask', 'fill')),
      silent(codec, mute),
    ]
    first = len(kept)
    return [
      self.stretch.bars(ids)[first : first + count]
      for ids in self._written(prompt, steps, tuple(wanted), seed)
    ]

  def within(
    self,
    bars: Sequence[Bar],
    first: int,
    last: int,
    seed: int,
    *,
    part: Part = ALL,
    mute: Track | None = None,
  ) -> list[list[Bar]]:
    """Returns drafts of bars `first` up to, but without, `last`.

    Args:
      bars: The piece, which ends with the last of them, of which as much as
        there is room for is read on both sides.
      first: Number of the first bar that is written anew.
      last: One past that of the last.
      seed: Of the first draft.
      part: What of them is written anew.
      mute: A track that does not play.
    """
    tokenizer, codec = self.stretch.tokenizer, self.stretch.tokenizer.codec
    begin, stop = self.stretch.around(bars, first, last, self.window - 8)
    whole = self.stretch.join(bars[begin:stop], end=stop == len(bars))
    infill, starts = Infill(codec), tokenizer.bar_steps(whole)
    prompt = infill.take_out(
      whole, starts, first - begin, last - begin, part
    ).context
    # Notes may sound on behind these bars, but not behind the piece.
    most = len(starts) + 1 if stop == len(bars) else _NEVER
    wanted: tuple[Constraint, ...] = (
      *ending.within(tokenizer, most),
      *lines.lines(codec, prompt),
      silent(codec, mute),
    )
    steps = len(prompt) + self.room
    return [
      self.stretch.bars(infill.put_back(ids))[first - begin : last - begin]
      for ids in self._written(prompt, steps, wanted, seed)
    ]

  def _written(
    self,
    prompt: np.ndarray,
    steps: int,
    wanted: tuple[Constraint, ...],
    seed: int,
  ) -> list[np.ndarray]:
    """Returns the ids of all drafts, prompts included."""
    grammar = self.stretch.tokenizer.grammar
    writer = Writer(self.model, self.params, grammar, wanted, self.sampler)
    batch = Batch.of(Guided([prompt] * self.count), steps, seed)
    batch = dataclasses.replace(batch, least=self.window)
    return [sample.ids for sample in decode.write(writer, batch)]


def _length(
  stretch: Stretch, prompt: np.ndarray, more: int, steps: int
) -> constraints.Length:
  """Returns the constraint of `more` bars, which may be none."""
  length = constraints.bars(stretch.tokenizer, prompt, max(1, more), steps)
  return dataclasses.replace(length, most=length.most + min(0, more - 1))
