"""`Prior`: which latents music has, learned from posteriors, in any condition.

A causal transformer over the slots: it reads the condition, the piece's latent
and the slots before, and its state tells the density of the next slot: a
mixture of normals (`autoregressive`) or a bent one (`flow`). The piece's latent
has a density of the same kind, told the condition alone. With such a prior in
place of the standard normal, samples are like what the decoder has been trained
on (Chen et al. 2017, "Variational Lossy Autoencoder", section 3.2; fitted
afterwards, as in van den Oord et al. 2017, section 3.3).

A condition is a class of each of some kinds, such as key and meter; 0 leaves a
kind open. Axes: `b` pieces, `s` slots, `z` dims of a slot's latent, `p` of the
piece's, `d` width, `c` kinds of conditions.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from aurl_jax.core import random
from aurl_jax.core.errors import ConfigError
from aurl_jax.models import latent as latent_lib
from aurl_jax.models import positions
from aurl_jax.models.attention import naive
from aurl_jax.models.config import LatentConfig, ModelConfig
from aurl_jax.models.densities import Flow, Mixture
from aurl_jax.models.hierarchy import Stack
from aurl_jax.models.latent import Latents
from aurl_jax.models.layers import INIT_SCALE, Linear, RMSNorm, dropout, normal

KINDS = ('autoregressive', 'flow')
"""Of densities that are learned."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PriorConfig:
  """Hyperparameters of a `Prior`.

  Attributes:
    latent: Of the model whose latents these are.
    kind: `autoregressive`, mixtures of normals, or `flow`, affine couplings.
    width: Of the network's states, divisible by `heads`.
    layers: Blocks over the slots.
    heads: Of each block; `width / heads` is even.
    dropout: Chance in [0, 1) of dropping an activation in fitting.
    components: Normals of a mixture.
    couplings: Of a flow, beside its first affine map.
    hidden: Width inside a coupling.
    names: What conditions there are, in order.
    classes: How many classes each of them has; ids are 1..classes.
  """

  latent: LatentConfig
  kind: str = 'autoregressive'
  width: int = 64
  layers: int = 2
  heads: int = 4
  dropout: float = 0.1
  components: int = 8
  couplings: int = 6
  hidden: int = 64
  names: tuple[str, ...] = ()
  classes: tuple[int, ...] = ()

  def __post_init__(self) -> None:
    _require(
      self.latent.slot + self.latent.piece > 0,
      'latent',
      'has no dims; a prior is of the latents of a model of mode '
      "'vae': pass its config.latent",
    )
    _require(
      self.kind in KINDS,
      'kind',
      f'is {self.kind!r}; choose one of {", ".join(KINDS)}',
    )
    for name in ('width', 'layers', 'heads', 'components', 'hidden'):
      _require(getattr(self, name) > 0, name, 'must be at least 1')
    _require(self.couplings >= 0, 'couplings', 'must be 0 or more')
    _require(0 <= self.dropout < 1, 'dropout', 'must lie in [0, 1)')
    _require(
      self.width % (2 * self.heads) == 0,
      'heads',
      f'{self.heads} does not divide prior.width {self.width} into even parts',
    )
    _require(
      len(self.names) == len(self.classes) == len(set(self.names)),
      'names',
      f'{self.names} and prior.classes {self.classes} must be as many, and '
      'no name twice',
    )
    _require(
      all(count > 0 for count in self.classes),
      'classes',
      f'{self.classes}: each condition needs one class or more',
    )

  @property
  def network(self) -> ModelConfig:
    """Of the blocks over the slots."""
    return ModelConfig(
      width=self.width,
      layers=self.layers,
      heads=self.heads,
      dropout=self.dropout,
      context=max(2, self.latent.slots),
    )


class PriorNetwork(nnx.Module):
  """Parameters of a prior; see the module's docstring."""

  def __init__(self, config: PriorConfig, key: PRNGKeyArray) -> None:
    blocks, read, whole, start, table, one, all_ = jax.random.split(key, 7)
    latent, d = config.latent, config.width
    self.start_embed = normal(start, (latent.slots, d), 1.0)
    if config.classes:
      keys = jax.random.split(table, len(config.classes))
      self.told_embed = nnx.Dict(
        {
          str(i): normal(keys[i], (count + 1, d), INIT_SCALE)
          for i, count in enumerate(config.classes)
        }
      )
    # An array without numbers cannot be kept.
    if latent.slot:
      self.read = Linear(latent.slot, d, read, latent.slot**-0.5)
      self.stack = Stack(config.network, config.layers, blocks)
      self.norm = RMSNorm(d)
      self.slot: Any = density(config, latent.slot, one)
    if latent.piece:
      self.read_piece = Linear(latent.piece, d, whole, latent.piece**-0.5)
      self.piece_start_embed = normal(jax.random.fold_in(start, 1), (d,), 1.0)
      self.piece_norm = RMSNorm(d)
      self.piece: Any = density(config, latent.piece, all_)
    self.config = config

  def told(self, condition: Int[Array, 'b c']) -> Float[Array, 'b d']:
    """Returns what a condition adds to every state; 0 is a row of its own."""
    total = jnp.zeros((condition.shape[0], self.config.width))
    for number in range(condition.shape[1]):
      table = self.told_embed[str(number)][...]
      total = total + jnp.take(table, condition[:, number], axis=0)
    return total

  def whole(self, told: Float[Array, 'b d']) -> Float[Array, 'b d']:
    """Returns the state that the piece's latent is predicted by."""
    return self.piece_norm(told + self.piece_start_embed[...])

  def states(
    self,
    latents: Latents,
    told: Float[Array, 'b d'],
    key: PRNGKeyArray | None = None,
  ) -> Float[Array, 'b s d']:
    """Returns the states that slots are predicted by; none reads its own.

    Args:
      latents: Of pieces.
      told: As of the method `told`.
      key: Of the dropout; None keeps everything.
    """
    first, second = (None, None) if key is None else random.split(key, 2)
    count, config = self.config.latent.slots, self.config.network
    before = jnp.pad(latents.slots[:, :-1], ((0, 0), (1, 0), (0, 0)))
    x = self.read(before) + self.start_embed[...] + told[:, None]
    if self.config.latent.piece:
      x = x + self.read_piece(latents.piece)[:, None]
    x = dropout(x, config.dropout, first)
    index = jnp.broadcast_to(jnp.arange(count), x.shape[:2])
    rope = positions.angles(
      index, config.head_dim, config.rope_base, config.context
    )
    mask = jnp.broadcast_to(jnp.tri(count, dtype=bool), (len(x), count, count))
    return self.norm(
      self.stack(x, rope, lambda q, k, v: naive(q, k, v, mask), second)
    )


@dataclasses.dataclass(frozen=True)
class Prior:
  """A learned prior as pure functions of its parameters.

  Attributes:
    config: Hyperparameters.
  """

  config: PriorConfig

  @functools.cached_property
  def _graph(self) -> nnx.GraphDef:
    make = lambda: PriorNetwork(self.config, jax.random.key(0))  # noqa: E731
    return nnx.split(nnx.eval_shape(make))[0]

  def init(self, key: PRNGKeyArray) -> dict[str, Any]:
    """Returns fresh parameters, a nested dict of float32 arrays."""
    draw = lambda key: nnx.to_pure_dict(  # noqa: E731
      nnx.split(PriorNetwork(self.config, key))[1]
    )
    return jax.jit(draw)(key)

  def bind(self, params: Any) -> PriorNetwork:
    """Returns the module that computes with these parameters."""
    return nnx.merge(self._graph, params)

  def log_probs(
    self,
    params: Any,
    latents: Latents,
    condition: Any = None,
    key: PRNGKeyArray | None = None,
  ) -> tuple[Float[Array, 'b s'], Float[Array, ' b']]:
    """Returns the log densities of each slot, given those before, and piece.

    In nats; 0 for what the model does not have. Slots count whether or not
    they are used.

    Args:
      params: As of `init`.
      latents: Of pieces.
      condition: int [b, c], 0 for open; None leaves all open.
      key: Of the dropout; None keeps everything.

    Raises:
      ConfigError: Latents or condition are not of the shapes of the config,
        or a class is none of its.
    """
    config = self.config.latent
    rows = len(latents.slots)
    latent_lib.check(config, latents, rows)
    net = self.bind(params)
    told = net.told(self.condition(condition, rows))
    slots, piece = jnp.zeros((rows, config.slots)), jnp.zeros((rows,))
    if config.slot:
      slots = net.slot.log_prob(latents.slots, net.states(latents, told, key))
    if config.piece:
      piece = net.piece.log_prob(latents.piece, net.whole(told))
    return slots, piece

  def log_prob(
    self,
    params: Any,
    latents: Latents,
    used: Bool[Array, 'b s'] | Bool[np.ndarray, 'b s'],
    condition: Any = None,
    key: PRNGKeyArray | None = None,
  ) -> Float[Array, ' b']:
    """Returns the log density of the latents that pieces have, in nats.

    Args:
      params: As of `init`.
      latents: Of pieces.
      used: The slots that each has, its first ones; others do not count.
      condition: As for `log_probs`.
      key: Likewise.

    Raises:
      ConfigError: As `log_probs`.
    """
    slots, piece = self.log_probs(params, latents, condition, key)
    return jnp.where(used, slots, 0).sum(-1) + piece

  def sample(
    self, params: Any, key: PRNGKeyArray, n: int, condition: Any = None
  ) -> Latents:
    """Returns latents of `n` pieces, all slots of them.

    Args:
      params: As of `init`.
      key: Of the draws.
      n: How many.
      condition: int [n, c] or [c] for all, 0 for open; None likewise.

    Raises:
      ConfigError: The condition is not of the config.
    """
    return self._sampler(params, key, self.condition(condition, n))

  @functools.cached_property
  def _sampler(self) -> Any:
    return jax.jit(self._sample)

  def _sample(self, params: Any, key: Any, condition: Any) -> Latents:
    config, rows = self.config.latent, len(condition)
    net = self.bind(params)
    told = net.told(condition)
    piece = jnp.zeros((rows, config.piece))
    if config.piece:
      state = net.whole(told)
      piece = net.piece.sample(state, random.fold(key, 'piece'))
    slots = jnp.zeros((rows, config.slots, config.slot))
    if not config.slot:
      return Latents(slots=slots, piece=piece)

    # Slots are few: all states again for each costs less than a cache.
    def one(at: Any, slots: Any) -> Any:
      states = net.states(Latents(slots=slots, piece=piece), told)
      drawn = net.slot.sample(states[:, at], random.fold(key, 'slot', at))
      return slots.at[:, at].set(drawn)

    slots = jax.lax.fori_loop(0, config.slots, one, slots)
    return Latents(slots=slots, piece=piece)

  def condition(self, condition: Any, rows: int) -> Int[Array, 'b c']:
    """Returns a condition of so many pieces, checked.

    Classes are checked where their numbers are known, which they are not
    inside a traced function.

    Raises:
      ConfigError: It is not of the config.
    """
    return checked(self.config.names, self.config.classes, condition, rows)


def checked(
  names: tuple[str, ...], classes: tuple[int, ...], condition: Any, rows: int
) -> Int[Array, 'b c']:
  """Returns a condition as int32 [rows, c]; None leaves all open.

  Raises:
    ConfigError: It has another shape, or a class that there is not.
  """
  if condition is None:
    condition = np.zeros(len(classes), np.int32)
  shape = tuple(np.shape(condition))
  if shape not in ((len(classes),), (rows, len(classes))):
    raise ConfigError(
      f'a condition of shape {shape} does not fit {rows} pieces and '
      f'{len(classes)} kinds of conditions ({", ".join(names) or "none"}); '
      'pass an id of each kind, 0 for open',
      code='condition',
    )
  if not isinstance(condition, jax.core.Tracer):
    for at, (name, count) in enumerate(zip(names, classes, strict=True)):
      column = np.asarray(condition)[..., at]
      if ((column < 0) | (column > count)).any():
        raise ConfigError(
          f'condition {name}: ids from {column.min()} to {column.max()} are '
          f'not all among 1..{count}, or 0 for open',
          code='condition',
        )
  ids = jnp.asarray(condition, jnp.int32)
  return jnp.broadcast_to(ids, (rows, len(classes)))


def density(
  config: PriorConfig, dims: int, key: PRNGKeyArray
) -> Mixture | Flow:
  """Returns a fresh density of vectors of the kind of the config."""
  if config.kind == 'flow':
    return Flow(dims, config.width, config.couplings, config.hidden, key)
  return Mixture(dims, config.width, config.components, key)


def _require(holds: bool, name: str, cause: str) -> None:
  if not holds:
    raise ConfigError(f'prior.{name}: {cause}', code='prior_config')
