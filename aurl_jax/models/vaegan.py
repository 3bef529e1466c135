"""`MusicTransformerVAEGAN`: the whole network, composed of its parts.

A part that the mode does not use is absent. Axes: `b` batch, `t` time,
`d` model width, `f` fields.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from aurl_jax.core import random
from aurl_jax.core.errors import ConfigError
from aurl_jax.core.typing import Keys
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.decoder import Decoder
from aurl_jax.models.encoder import Encoder
from aurl_jax.models.head import FieldHead
from aurl_jax.models.heard import Heard
from aurl_jax.models.hierarchy import Hierarchy
from aurl_jax.models.latent import Posterior
from aurl_jax.models.layers import (
  Embedding,
  dropout,
  normal,
  unseen,
  with_reaches,
)
from aurl_jax.models.lead import Lead
from aurl_jax.models.oneshot import OneShot
from aurl_jax.parallel.rules import constrain_rows


class MusicTransformerVAEGAN(nnx.Module):
  """Embedding, decoder and field head; of mode `vae` an encoder, too."""

  def __init__(
    self,
    config: ModelConfig,
    vocabulary: tuple[int, ...],
    key: PRNGKeyArray,
    pitches: tuple[tuple[int, ...], ...] = (),
    beat: int = 1,
    heard: Mapping[str, int] = MappingProxyType({}),
  ) -> None:
    """Draws the parameters.

    Args:
      config: Hyperparameters.
      vocabulary: Number of ids of each field.
      key: Of the draws.
      pitches: For the `Embedding`.
      beat: Cells of a beat, for the `OneShot`.
      heard: Kind -> how many labels, for `Heard`.
    """
    embed, decoder, head = jax.random.split(key, 3)
    d = config.width
    self.embed = Embedding(vocabulary, d, embed, pitches)
    body = Hierarchy if config.pattern == 'hierarchy' else Decoder
    # Called alike; beyond that the pattern says which one there is.
    self.decoder: Any = body(config, decoder)
    self.head = FieldHead(len(vocabulary), d, config.head_width, head)
    if config.lead:
      self.lead = Lead(config, vocabulary, jax.random.fold_in(head, 1))
    if config.metrical:
      place = jax.random.fold_in(embed, 1)
      self.metrical_embed = normal(place, (config.metrical, d))
    if config.has_latents:
      self.encoder = Encoder(config, jax.random.fold_in(key, 1))
    if config.latent.oneshot:
      self.oneshot = OneShot(config, beat, jax.random.fold_in(key, 2))
    if heard:
      self.heard = Heard(dict(heard), d, jax.random.fold_in(key, 3))
    if config.activations:
      with_reaches(self, self.embed)
    self.config = config

  def posterior(
    self,
    ids: Int[Array, 'b t f'],
    real: Bool[Array, 'b t'],
    coordinates: Int[Array, 'b t 5'],
    slot: Int[Array, 'b t'],
    key: Keys | None = None,
    last: Int[Array, ' b'] | None = None,
  ) -> Posterior:
    """Returns the posterior of the latents of pieces, one a row.

    Args:
      ids: The steps.
      real: Which are no padding.
      coordinates: Place of each.
      slot: The slot of each (`latent.slot_of`).
      key: Of the dropout; None keeps everything.
      last: As of `Encoder`.
    """
    x = self.embedded(ids, coordinates)
    return self.encoder(x, real, slot, key, last)

  def embedded(
    self,
    ids: Int[Array, 'b t f'],
    coordinates: Int[Array, 'b t 5'] | None = None,
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

  def read(
    self,
    ids: Int[Array, 'b t f'],
    coordinates: Int[Array, 'b t 5'] | None = None,
    following: Int[Array, 'b t f'] | None = None,
  ) -> Float[Array, 'b t d']:
    """Returns steps as the decoder reads them: embedded, with their lead."""
    x = self.embedded(ids, coordinates)
    if not self.config.lead:
      return x
    if following is None:
      raise ConfigError(
        'model.lead: the decoder reads the next step of each; pass it',
        code='model_config',
      )
    return x + self.lead.told(following).astype(x.dtype)

  def _metrical(
    self, coordinates: Int[Array, 'b t 5'] | None
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
    coordinates: Int[Array, 'b t 5'] | None = None,
    told: Float[Array, 'b t _'] | None = None,
    following: Int[Array, 'b t f'] | None = None,
  ) -> Float[Array, 'b t d']:
    """Returns the decoder's normalised states; see `Decoder`.

    `following` is the next step of each, of which the lead is read.
    """
    first, second = (None, None) if key is None else random.split(key, 2)
    x = constrain_rows(self.read(ids, coordinates, following))
    x = dropout(x, self.config.dropout, first)
    if told is None:
      return self.decoder(x, segments, positions, second, coordinates)
    if key is not None:
      x = unseen(x, self.config.latent.drop, random.fold_rows(key, 'unseen'))
    return self.decoder(x, segments, positions, second, coordinates, told)

  def logits(
    self,
    hidden: Float[Array, 'b t d'],
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
    targets: Int[Array, 'b t f'],
  ) -> tuple[Float[Array, 'b t _'], ...]:
    """Returns float32 logits of all fields of the targets.

    Each id is looked up once: on CPUs the gradient of a look-up is dear.

    Args:
      hidden: As of the method `hidden`.
      ids: The steps that it has read.
      segments: Number of the piece at each step.
      targets: The steps to predict.
    """
    lead, found = self.config.lead, []
    if lead:
      before = self.lead.before(hidden, segments)
      last = self.embed(ids).astype(hidden.dtype)
    earlier = jnp.zeros_like(hidden)
    for field in range(targets.shape[-1]):
      if field:
        rows = self.embed.lookup(field - 1, targets[..., field - 1])
        earlier = earlier + rows.astype(hidden.dtype)
      if field < lead:
        logits = self.lead.logits(self.embed, before, last, earlier, field)
      else:
        logits = self.head.logits_after(self.embed, hidden, earlier, field)
      found.append(logits)
    return tuple(found)

  def lead_logits(
    self,
    before: Float[Array, '*n d'],
    last: Int[Array, '*n f'],
    partial: Int[Array, '*n f'],
    field: int,
  ) -> Float[Array, '*n v']:
    """Returns float32 logits of one field of the lead, while it is written.

    Args:
      before: State before the last step.
      last: That step.
      partial: The next one; fields at or after `field` are not read.
      field: Which field.
    """
    known = self.embed(last).astype(before.dtype)
    earlier = jnp.zeros_like(before)
    if field:
      earlier = self.embed(partial[..., :field]).astype(before.dtype)
    logits: Array = self.lead.logits(self.embed, before, known, earlier, field)
    return logits

  def field_logits(
    self,
    hidden: Float[Array, '*n d'],
    partial: Int[Array, '*n f'],
    field: int,
  ) -> Float[Array, '*n v']:
    """Returns float32 logits of one field, given the step's earlier ones."""
    return self.head.field_logits(self.embed, hidden, partial, field)
