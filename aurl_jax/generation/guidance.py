"""Classifier-free guidance: music that follows its controls more closely.

After Ho and Salimans, "Classifier-Free Diffusion Guidance", 2022, and for
autoregressive models Sanchez et al., "Stay on topic with Classifier-Free
Guidance", 2023. The twin of a prompt, without its controls, is
`tokens.control_dropout.unconditional`. Axes: `b` rows, `v` ids of a field.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from aurl_jax.models.latent import Latents
from aurl_jax.tokens.codec import Codec


def guided(
  conditional: Float[Array, '*b v'],
  unconditional: Float[Array, '*b v'],
  weight: Float[Array, '*w'] | float,
) -> Float[Array, '*b v']:
  """Returns `unconditional + weight * (conditional - unconditional)`.

  Both are taken as log-probabilities first, so that what a logit is relative
  to does not count.

  Args:
    conditional: Logits with the controls.
    unconditional: Logits without.
    weight: One, or one for each row, [b, 1]. 0 leaves the controls out, 1 is
      the model as it is, more follows the controls more closely; 1.5 to 3 is
      usual.
  """
  with_ = jax.nn.log_softmax(conditional, axis=-1)
  without = jax.nn.log_softmax(unconditional, axis=-1)
  return without + weight * (with_ - without)


class Guided(NamedTuple):
  """Prompts, and what else guides the writing.

  Attributes:
    prompts: Steps to begin with.
    twins: The same without what guides, each no longer than its prompt; None
      for no guidance.
    weight: As of `guided`.
    latents: A row a prompt, for models that have some; None for the middle
      of the standard normal.
    unread: bool [v] of field 0: steps that are written and that twins do not
      read, as controls of bars; None for none.
  """

  prompts: Sequence[Int[np.ndarray, '_ f']]
  twins: Sequence[Int[np.ndarray, '_ f']] | None = None
  weight: float = 1.0
  latents: Latents | None = None
  unread: Bool[np.ndarray, ' v'] | None = None

  def part(self, rows: slice) -> 'Guided':
    """Returns some of the prompts."""
    twins = None if self.twins is None else self.twins[rows]
    latents = jax.tree.map(lambda x: x[rows], self.latents)
    return self._replace(
      prompts=self.prompts[rows], twins=twins, latents=latents
    )


class Without:
  """The constraint that some events are not written.

  For those that belong into prompts alone: `mask`, `fill`, controls; or, where
  bars are filled in, their meters and cuts, which the context has told.
  Hashable, equal to another of the same codec and events.
  """

  def __init__(
    self, codec: Codec, events: tuple[str, ...] = ('mask', 'fill')
  ) -> None:
    """Takes the vocabulary, and the events to leave out, in every field."""
    self._codec, self._events = codec, events

  def __hash__(self) -> int:
    return hash((self._codec, self._events))

  def __eq__(self, other: object) -> bool:
    return (
      isinstance(other, Without)
      and self._codec == other._codec
      and self._events == other._events
    )

  def init(self) -> Int[Array, '']:
    """Returns a state of nothing."""
    return jnp.int32(0)

  def mask(
    self, state: Int[Array, ''], field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns all ids but those of the events."""
    del state, partial
    part = self._codec.fields[field]
    ids = jnp.arange(part.size)
    wanted = jnp.ones(part.size, bool)
    for event in self._events:
      if event in part.starts:
        wanted &= ~part.holds(event, ids)
    return wanted

  def advance(
    self, state: Int[Array, ''], step: Int[Array, ' f']
  ) -> Int[Array, '']:
    """Returns the state of nothing."""
    del step
    return state
