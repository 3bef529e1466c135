"""A critic of latents: whether a piece's were drawn of the standard normal.

Matching the aggregate posterior to the prior by a critic (Makhzani et al.
2016, "Adversarial Autoencoders"; Tolstikhin et al. 2018, "Wasserstein
Auto-Encoders", algorithm 1, WAE-GAN), all latents of a piece together, so that
draws of the prior are what the decoder knows. Slots that a piece does not have
are filled with such draws; dials have no prior and are left out. Axes: `b`
rows, `s` slots, `z` dims of a slot's latent, `d` width.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from aurl_jax.core import random
from aurl_jax.core.typing import Keys
from aurl_jax.models import spectral
from aurl_jax.models.config import LatentConfig
from aurl_jax.models.critic import Variables
from aurl_jax.models.latent import Latents
from aurl_jax.models.layers import INIT_SCALE, Linear

_WIDTH = 128


class _Net(nnx.Module):
  """Two hidden layers, of numbers and a one, in the place of biases."""

  def __init__(self, inside: int, key: PRNGKeyArray) -> None:
    keys = jax.random.split(key, 3)
    self.first = Linear(inside + 1, _WIDTH, keys[0], INIT_SCALE)
    self.second = Linear(_WIDTH, _WIDTH, keys[1], INIT_SCALE)
    self.score = Linear(_WIDTH, 1, keys[2], INIT_SCALE)

  def __call__(self, x: Float[Array, 'b n']) -> Float[Array, ' b']:
    """Returns the score of each row."""
    x = jnp.concatenate([x, jnp.ones_like(x[:, :1])], axis=1)
    for layer in (self.first, self.second):
      x = jax.nn.leaky_relu(layer(x))
    found: Array = self.score(x)[:, 0]
    return found


@dataclasses.dataclass(frozen=True)
class LatentCritic:
  """A critic of latents as pure functions of its variables.

  Attributes:
    config: Of the latents.
  """

  config: LatentConfig

  def init(self, key: PRNGKeyArray) -> Variables:
    """Returns fresh variables; all maps have the norm 1."""
    params = nnx.to_pure_dict(nnx.split(self._module(key))[1])
    aux = spectral.init(params, jax.random.fold_in(key, 1))
    return {'params': spectral.normalise(params, aux), 'aux': aux}

  def score(self, variables: Variables, latents: Latents) -> Float[Array, ' b']:
    """Returns a score a row, higher for draws of the prior."""
    config, params = self.config, variables['params']
    slots = latents.slots[..., len(config.dial_names) :]
    x = jnp.concatenate([slots.reshape(len(slots), -1), latents.piece], axis=1)
    net = nnx.merge(self._graph, spectral.normalise(params, variables['aux']))
    return net(x)

  def prior(self, keys: Keys) -> Latents:
    """Returns draws of the standard normal, of a key a row."""
    config = self.config
    draw = lambda name, *shape: jax.vmap(  # noqa: E731
      lambda key: jax.random.normal(key, shape)
    )(random.fold_rows(keys, name))
    return Latents(
      slots=draw('slots', config.slots, config.slot),
      piece=draw('piece', config.piece),
    )

  def filled(
    self, latents: Latents, used: Bool[Array, 'b s'], keys: Keys
  ) -> Latents:
    """Returns latents whose other slots are draws of the prior."""
    drawn = self.prior(keys).slots
    slots = jnp.where(used[..., None], latents.slots, drawn)
    return dataclasses.replace(latents, slots=slots)

  def iterated(self, variables: Variables) -> Variables:
    """Returns the variables whose vectors have followed the parameters."""
    aux = spectral.iterate(variables['params'], variables['aux'])
    return variables | {'aux': aux}

  @functools.cached_property
  def _graph(self) -> nnx.GraphDef:
    return nnx.split(nnx.eval_shape(lambda: self._module(jax.random.key(0))))[0]

  def _module(self, key: PRNGKeyArray) -> _Net:
    config = self.config
    learnt = config.slot - len(config.dial_names)
    return _Net(config.slots * learnt + config.piece, key)
