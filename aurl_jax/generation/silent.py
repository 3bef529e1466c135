"""`Silent`: a track that does not play."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from aurl_jax.tokens import events
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.infill_parts import Track


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=['program', 'voice'],
  meta_fields=['codec'],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Silent:
  """The constraint that a track has no notes; of `compound`.

  A pytree of numbers: a program that was compiled for one track serves for
  all, and for none.

  Attributes:
    program: Id of its program in the field of values; -1 for no track.
    voice: Id of its voice.
    codec: The vocabulary.
  """

  program: Any
  voice: Any
  codec: Codec

  def init(self) -> Int[Array, '']:
    """Returns a state of nothing."""
    return jnp.int32(0)

  def mask(
    self, state: Int[Array, ''], field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns all ids but the voice, behind its program."""
    del state
    ids = jnp.arange(self.codec.sizes[field])
    if field != events.VOICE:
      return jnp.ones(len(ids), bool)
    return (ids != self.voice) | (partial[events.VALUE] != self.program)

  def advance(
    self, state: Int[Array, ''], step: Int[Array, ' f']
  ) -> Int[Array, '']:
    """Returns the state of nothing."""
    del step
    return state


def silent(codec: Codec, track: Track | None) -> Silent:
  """Returns the constraint that a track is silent; None for no track."""
  if track is None:
    return Silent(program=-1, voice=-1, codec=codec)
  return Silent(
    program=codec.id('program', track[0], events.VALUE),
    voice=codec.id('voice', track[1], events.VOICE),
    codec=codec,
  )
