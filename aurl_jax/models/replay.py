"""Free samples that a gradient flows through: replayed with the same noise.

A sequence is sampled id by id, by the largest sum of logits and Gumbel noise
(Gumbel 1954; Maddison et al. 2014), through the cache and without gradients.
One pass over the ids so written, given the same noise, then has the same
largest sums, and the softmax of these stands behind each id: the
straight-through Gumbel-softmax (Jang et al. 2017, section 2.2; Maddison et
al. 2017), at the price of a pass of training. Axes: `b` rows, `t` steps, `f`
fields, `v` ids of a field.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from aurl_jax.core import random
from aurl_jax.core.typing import Keys
from aurl_jax.models.cache import Cache
from aurl_jax.models.functional import Model, Params
from aurl_jax.models.latent import Latents

Noise = tuple[Float[Array, 'b t _'], ...]
"""Gumbel noise for each id of each field of each step."""


class Written(NamedTuple):
  """What was sampled, and what it takes to replay it.

  Attributes:
    ids: The steps; 0 behind the end.
    masks: Which ids of each field might stand.
    noise: The noise of the draws.
    latents: What the rows were told of.
  """

  ids: Int[Array, 'b t f']
  masks: tuple[Bool[Array, 'b t _'], ...]
  noise: Noise
  latents: Latents

  @property
  def segments(self) -> Int[Array, 'b t']:
    """1 for each step, 0 behind the end."""
    return (self.ids[..., 0] > 0).astype(jnp.int32)


class _Carry(NamedTuple):
  """State of the loop."""

  place: Int[Array, '']
  ids: Int[Array, 'b t f']
  masks: tuple[Bool[Array, 'b t _'], ...]
  cache: Cache
  state: Any
  ended: Bool[Array, ' b']


@dataclasses.dataclass(frozen=True)
class Replay:
  """Samples rows, and makes their distributions.

  Attributes:
    model: The network.
    grammar: What may follow what (`tokens.tokenizer.Grammar`).
    bos: The first step.
  """

  model: Model
  grammar: Any
  bos: tuple[int, ...]

  def noise(self, keys: Keys, steps: int) -> Noise:
    """Returns noise for so many steps of rows, of a key a row."""
    fold = random.fold_rows
    return tuple(
      jax.vmap(lambda key, size=size: jax.random.gumbel(key, (steps, size)))(
        fold(keys, field)
      )
      for field, size in enumerate(self.model.vocabulary)
    )

  def write(
    self,
    params: Params,
    latents: Latents,
    noise: Noise,
    most: Int[Array, ''] | int,
  ) -> Written:
    """Returns rows that the model writes from latents, without gradients.

    Args:
      params: Of the model.
      latents: What each row is told of.
      noise: As of `noise`; its steps are how many a row may have.
      most: Steps after which all rows break off.
    """
    params, latents = jax.lax.stop_gradient((params, latents))
    carry = self._begin(latents, noise)
    goes_on = lambda carry: (carry.place < most) & ~carry.ended.all()  # noqa: E731
    body = lambda carry: self._step(params, noise, carry)  # noqa: E731
    carry = jax.lax.while_loop(goes_on, body, carry)
    return Written(carry.ids, carry.masks, noise, latents)

  def soft(
    self, params: Params, written: Written, temperature: float
  ) -> tuple[Float[Array, 'b t _'], ...]:
    """Returns the written ids as one-hots that gradients flow through.

    Args:
      params: Those that wrote the rows; gradients are theirs.
      written: The rows.
      temperature: Of the softmax whose gradient an id has.
    """
    ids, segments = written.ids, written.segments
    positions = jnp.broadcast_to(jnp.arange(ids.shape[1]), segments.shape)
    targets = jnp.roll(ids, -1, axis=1).at[:, -1].set(0)
    logits = self.model.logits(
      params, ids, segments, positions, targets, None, written.latents
    )
    return tuple(
      _straight(*parts, ids[..., field], temperature)
      for field, parts in enumerate(
        zip(logits, written.noise, written.masks, strict=True)
      )
    )

  def _begin(self, latents: Latents, noise: Noise) -> _Carry:
    b, t = noise[0].shape[:2]
    first = jnp.broadcast_to(jnp.array(self.bos, jnp.int32), (b, len(self.bos)))
    state = jax.vmap(self.grammar.init)(jnp.full((b,), t, jnp.int32))
    state = jax.vmap(self.grammar.advance)(state, first)
    ids = jnp.zeros((b, t, len(self.bos)), jnp.int32)
    return _Carry(
      place=jnp.int32(1),
      ids=ids.at[:, 0].set(first),
      masks=tuple(jnp.ones(x.shape, bool) for x in noise),
      cache=self.model.init_cache(b, t, latents=latents),
      state=state,
      ended=jnp.zeros((b,), bool),
    )

  def _step(self, params: Params, noise: Noise, carry: _Carry) -> _Carry:
    """Writes the step at its place, field by field."""
    model, at = self.model, carry.place - 1
    last, lead = _at(carry.ids, at), model.config.lead
    step, masks, cache = jnp.zeros_like(last), [], carry.cache
    hidden = None
    for field, part in enumerate(noise):
      if field == lead:
        following = step if lead else None
        hidden, cache = model.step(params, cache, last, at, following)
      if field < lead:
        logits = model.lead_logits(params, cache, (last, at), step, field)
      else:
        assert hidden is not None
        logits = model.field_logits(params, hidden, step, field)
      mask = jax.vmap(lambda s, p, f=field: self.grammar.mask(s, f, p))(
        carry.state, step
      )
      chosen = jnp.argmax(_noisy(logits, _at(part, carry.place), mask), -1)
      step = step.at[:, field].set(chosen.astype(jnp.int32))
      masks.append(mask)
    state = jax.vmap(self.grammar.advance)(carry.state, step)
    return _Carry(
      place=carry.place + 1,
      ids=_put(carry.ids, step, carry.place),
      masks=tuple(
        _put(all_, now, carry.place)
        for all_, now in zip(carry.masks, masks, strict=True)
      ),
      cache=cache,
      state=state,
      ended=jax.vmap(self.grammar.distance)(state) <= 0,
    )


def _straight(
  logits: Float[Array, 'b t v'],
  noise: Float[Array, 'b t v'],
  mask: Bool[Array, 'b t v'],
  ids: Int[Array, 'b t'],
  temperature: float,
) -> Float[Array, 'b t v']:
  """Returns one-hots of ids whose gradient is that of a softmax.

  Logits are of the next step; the first one has none.
  """
  told = jnp.roll(logits, 1, axis=1)
  soft = jax.nn.softmax(_noisy(told, noise, mask) / temperature)
  real = (jnp.arange(ids.shape[1]) > 0)[:, None] & (ids > 0)[..., None]
  soft = jnp.where(real, soft, 0)
  hard = jax.nn.one_hot(ids, logits.shape[-1])
  return hard + soft - jax.lax.stop_gradient(soft)


def _noisy(
  logits: Float[Array, '*n v'],
  noise: Float[Array, '*n v'],
  mask: Bool[Array, '*n v'],
) -> Float[Array, '*n v']:
  return jnp.where(mask, logits + noise, -jnp.inf)


def _at(x: Array, index: Int[Array, '']) -> Array:
  return jax.lax.dynamic_index_in_dim(x, index, 1, keepdims=False)


def _put(x: Array, row: Array, index: Int[Array, '']) -> Array:
  return jax.lax.dynamic_update_slice_in_dim(x, row[:, None], index, 1)
