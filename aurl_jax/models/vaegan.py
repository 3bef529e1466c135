"""`MusicTransformerVAEGAN`: the whole network, composed of its parts.

A part that the mode does not use is absent. Axes: `b` batch, `t` time,
`d` model width, `f` fields.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from aurl_jax.core import random
from aurl_jax.core.errors import ConfigError
from aurl_jax.core.typing import Keys
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.decoder import Decoder
from aurl_jax.models.head import FieldHead
from aurl_jax.models.hierarchy import Hierarchy
from aurl_jax.models.layers import Embedding, dropout, normal
from aurl_jax.parallel.rules import constrain_rows


class MusicTransformerVAEGAN(nnx.Module):
  """Embedding, decoder and field head of mode `transformer`."""

  def __init__(
    self,
    config: ModelConfig,
    vocabulary: tuple[int, ...],
    key: PRNGKeyArray,
    pitches: tuple[tuple[int, ...], ...] = (),
  ) -> None:
    """Draws the parameters; `pitches` is for the `Embedding`."""
    embed, decoder, head = jax.random.split(key, 3)
    d = config.width
    self.embed = Embedding(vocabulary, d, embed, pitches)
    body = Hierarchy if config.pattern == 'hierarchy' else Decoder
    # Called alike; beyond that the pattern says which one there is.
    self.decoder: Any = body(config, decoder)
    self.head = FieldHead(len(vocabulary), d, config.head_width, head)
    if config.metrical:
      place = jax.random.fold_in(embed, 1)
      self.metrical_embed = normal(place, (config.metrical, d))
    self.config = config

  def embedded(
    self,
    ids: Int[Array, 'b t f'],
    coordinates: Int[Array, 'b t 4'] | None = None,
  ) -> Float[Array, 'b t d']:
    """Returns embedded steps in the dtype of the activations.

    Args:
      ids: The steps.
      coordinates: Bar, position, time and pitch of each, for a config that
        is `metrical`.

    Raises:
      ConfigError: It is, and there are none.
    """
    x = self.embed(ids)
    if self.config.metrical:
      x = x + self._metrical(coordinates)
    return x.astype(jnp.dtype(self.config.dtype))

  def _metrical(
    self, coordinates: Int[Array, 'b t 4'] | None
  ) -> Float[Array, 'b t d']:
    """Returns what tells the place of each step in its bar, float32."""
    if coordinates is None:
      raise ConfigError(
        'model.metrical: the network needs the place of each step; build the '
        'model with the Places of its tokenizer',
        code='model_config',
      )
    table = self.metrical_embed[...]
    return jnp.take(table, coordinates[..., 1], axis=0, mode='clip')

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
    x = constrain_rows(self.embedded(ids, coordinates))
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
