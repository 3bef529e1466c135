"""A piece that is being written, told bar by bar as soon as bars are known.

Axes: `t` steps, `f` fields.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

from aurl_jax.generation.bar_lines import BarLines
from aurl_jax.generation.stream import Flow
from aurl_jax.music.window import Window, window
from aurl_jax.tokens.tokenizer import Tokenizer

_LOOK = 4
"""Steps between one look for a bar line and the next."""


class Bars:
  """What a flow of one row has written.

  Attributes:
    ids: int32 `[t, f]` so far, from BOS.
    first: The first bar that it writes, counted from 0.
    stop: One past the last that is wanted of it.
  """

  def __init__(
    self,
    tokenizer: Tokenizer,
    flow: Flow,
    prompt: Int[np.ndarray, 't f'],
    bars: range,
  ) -> None:
    """Begins behind the prompt.

    Args:
      tokenizer: Of the ids, with bars.
      flow: What writes.
      prompt: What it goes on from.
      bars: As of the attributes.
    """
    self.ids, self.first, self.stop = prompt, bars.start, bars.stop
    self._tokenizer, self._flow = tokenizer, flow
    self._lines = BarLines(tokenizer)

  def write(self, steps: int) -> None:
    """Writes some steps more.

    Raises:
      DecodeError: The model gave logits that are no finite numbers.
    """
    self.ids = np.concatenate([self.ids, self._flow.advance(steps)[0]])

  def fill(self, bar: int, steps: int = _LOOK) -> bool:
    """Writes on until a bar is complete, which only the next one tells.

    Args:
      bar: Counted from 0.
      steps: That are written at once.

    Returns:
      Whether there is such a bar: the music may have ended before it.
    """
    while not self._complete(bar):
      if self._flow.over:
        return len(self._tokenizer.bar_steps(self.ids)) > bar
      self.write(steps)
    return True

  def windows(
    self, bar: int, number: int, *, parts: bool = False
  ) -> Iterator[Window]:
    """Yields a bar; nothing where the music has ended before it.

    Args:
      bar: Counted from 0.
      number: What the windows call it.
      parts: Whether to tell what is known before the bar is complete: of
        events that come in their order all before the last one.
    """
    told = 0
    while parts and not (self._complete(bar) or self._flow.over):
      self.write(1)
      known = self._known(bar)
      if known > told:
        yield self._window(bar, number, told, known)
        told = known
    if self.fill(bar):
      yield self._window(bar, number, told, None)

  def silent(self, bar: int) -> bool:
    """Returns whether nothing sounds in a complete bar, but did before it."""
    _, begin = self._lines.before(self.ids, bar)
    notes, end = self._lines.before(self.ids, bar + 1)
    sounds = (notes.onset < end) & (notes.onset + notes.duration > begin)
    return bool((notes.onset < begin).any() and not sounds.any())

  def _complete(self, bar: int) -> bool:
    return self._lines.complete(self.ids) > bar

  def _known(self, bar: int) -> int:
    """Returns the ticks of an incomplete bar of which all is known."""
    if len(self._tokenizer.bar_steps(self.ids)) != bar + 1:
      return 0
    _, start = self._lines.before(self.ids, bar)
    notes = self._tokenizer.decode(self.ids)
    return max(0, int(notes.onset.max(initial=0)) - start)

  def _window(
    self, bar: int, number: int, start: int, stop: int | None
  ) -> Window:
    """Returns a part of a bar, in ticks of it; None is its end."""
    _, begin = self._lines.before(self.ids, bar)
    if stop is None:
      notes, end = self._lines.before(self.ids, bar + 1)
    else:
      notes, end = self._tokenizer.decode(self.ids), begin + stop
    return window(
      notes, begin + start, end, number, first=not start, last=stop is None
    )
