"""The `Tokenizer` and `Grammar` protocols: what every tokenization offers.

ids are int32 `[time, field]` everywhere. A tokenizer is a frozen dataclass
whose fields are its whole state, so that its JSON is `dataclasses.asdict`.
"""

import dataclasses
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from aurl_jax.music import grid as grid_lib
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.codec import Codec


@runtime_checkable
class Grammar(Protocol):
  """Which ids may follow: four pure functions over a small fixed pytree.

  They are written for one row in jax.numpy and vmapped by the decoder.
  The state counts down a budget of steps, and the mask leaves out whatever
  would make the end unreachable within it, so that a sequence sampled under
  the mask always ends.
  """

  def init(self, budget: int | jax.Array) -> Any:
    """Returns the state before the first step.

    `budget` is how many steps the sequence may take in all, BOS and EOS
    included; at least `distance(init(..))`.
    """
    ...

  def mask(self, state: Any, field: int, partial: jax.Array) -> jax.Array:
    """Returns bool `[sizes[field]]`: the ids that may stand here.

    `partial` int32 `[field count]` holds the ids of this step's fields
    before `field`; the rest is ignored. At least one id is always allowed;
    for a field that the step does not use, exactly `IGNORE`.
    """
    ...

  def advance(self, state: Any, step: jax.Array) -> Any:
    """Returns the state after a whole step, int32 `[field count]`.

    After EOS (or PAD) the state is final: only PAD steps are allowed.
    """
    ...

  def distance(self, state: Any) -> jax.Array:
    """Returns the steps of the shortest legal end, EOS included; 0 at it."""
    ...


@runtime_checkable
class Tokenizer(Protocol):
  """Both directions between `Notes` and ids, of one tokenization."""

  @property
  def codec(self) -> Codec:
    """The vocabulary."""
    ...

  @property
  def grid(self) -> grid_lib.Grid:
    """The clock of decoded music, and what its values may be."""
    ...

  @property
  def grammar(self) -> Grammar:
    """The legal sequences."""
    ...

  def quantise(self, notes: Notes) -> Notes:
    """Returns what ids can hold of a piece: `decode(encode(notes))`.

    Computed without ids. What is already quantised stays as it is.

    Raises:
      TokenError: As `encode`.
    """
    ...

  def encode(self, notes: Notes) -> np.ndarray:
    """Returns int32 `[time, field]`, from BOS to EOS.

    Raises:
      TokenError: This tokenization cannot hold the piece; says why.
    """
    ...

  def decode(self, ids: np.ndarray) -> Notes:
    """Returns the quantised music of ids, legal or cut anywhere."""
    ...

  def bar_steps(self, ids: np.ndarray) -> np.ndarray:
    """Returns the step indices at which a bar starts, ascending.

    They are where training may cut a piece; a tokenization without bars has
    other places for that.
    """
    ...

  @property
  def steps_a_bar(self) -> int | None:
    """Steps of a bar of 4/4; None where its notes decide."""
    ...

  def bos(self) -> np.ndarray:
    """Returns the step that begins a piece, int32 `[field]`."""
    ...

  def is_end(self, ids: Any) -> Any:
    """Returns bool `[...]`: which steps of `[..., field]` are EOS.

    For numpy and for jax arrays.
    """
    ...


def save(tokenizer: Tokenizer) -> dict[str, Any]:
  """Returns the config section that `core.config.build` makes it from.

  Example:
    >>> from aurl_jax.tokens.grid import VoiceGrid
    >>> save(VoiceGrid(program=19))['program']
    19
  """
  kind = type(tokenizer)
  fields = dataclasses.asdict(tokenizer)  # type: ignore[call-overload]
  return {'name': f'{kind.__module__}:{kind.__qualname__}', **fields}
