"""`MusicTransformerVAEGAN`: the whole network, composed of its parts.

A part that the mode does not use is absent. Axes: `b` batch, `t` time,
`d` model width, `f` fields.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from aurl_jax.core import random
from aurl_jax.core.typing import Keys
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.decoder import Decoder
from aurl_jax.models.head import FieldHead
from aurl_jax.models.layers import Embedding, dropout
from aurl_jax.parallel.rules import constrain_rows


class MusicTransformerVAEGAN(nnx.Module):
  """Embedding, decoder and field head of mode `transformer`."""

  def __init__(
    self, config: ModelConfig, vocabulary: tuple[int, ...], key: PRNGKeyArray
  ) -> None:
    embed, decoder, head = jax.random.split(key, 3)
    d = config.width
    self.embed = Embedding(vocabulary, d, embed)
    self.decoder = Decoder(config, decoder)
    self.head = FieldHead(len(vocabulary), d, config.head_width, head)
    self.config = config

  def embedded(self, ids: Int[Array, 'b t f']) -> Float[Array, 'b t d']:
    """Returns embedded steps in the dtype of the activations."""
    return self.embed(ids).astype(jnp.dtype(self.config.dtype))

  def hidden(
    self,
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
    positions: Int[Array, 'b t'],
    key: Keys | None = None,
    coordinates: Int[Array, 'b t 4'] | None = None,
  ) -> Float[Array, 'b t d']:
    """Returns the decoder's normalised states; see `Decoder`."""
    first, second = (None, None) if key is None else random.split(key, 2)
    x = constrain_rows(self.embedded(ids))
    x = dropout(x, self.config.dropout, first)
    return self.decoder(x, segments, positions, second, coordinates)

  def field_logits(
    self,
    hidden: Float[Array, '*n d'],
    partial: Int[Array, '*n f'],
    field: int,
  ) -> Float[Array, '*n v']:
    """Returns float32 logits of one field, given the step's earlier ones."""
    return self.head.field_logits(self.embed, hidden, partial, field)
