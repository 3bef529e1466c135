"""Conditional densities of vectors: mixtures of normals, and affine flows.

Each is a module that reads a state, gives the exact log density of vectors
under it, and draws vectors from it. Untrained, both are near the standard
normal. Axes: `z` dims of a vector, `d` width of the state, `k` components,
`n` any.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from aurl_jax.models.layers import INIT_SCALE, Linear, normal

_HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)
_LOG_VARIANCE = 6.0
"""Bound of the log-variances of a mixture: a deviation from 0.05 to 20."""
_LOG_SCALE = 2.0
"""Bound of the log-scale of one affine map: each widens at most 7 times."""
_SPREAD = 0.5
"""Deviation of the first means of components, so that they can part."""


def normal_log_prob(
  x: Float[Array, '*#n #z'],
  mean: Float[Array, '*#n #z'],
  log_variance: Float[Array, '*#n #z'],
) -> Float[Array, '...']:
  """Returns the log density of normals of independent dims, in nats.

  Example:
    >>> zero = jnp.zeros(2)
    >>> round(float(normal_log_prob(zero, zero, zero)), 4)
    -1.8379
  """
  away = (x - mean) ** 2 * jnp.exp(-log_variance)
  return -(0.5 * (away + log_variance) + _HALF_LOG_TAU).sum(-1)


class Mixture(nnx.Module):
  """A mixture of normals of independent dims (Bishop 1994, section 3)."""

  def __init__(
    self, dims: int, width: int, components: int, key: PRNGKeyArray
  ) -> None:
    kernel, means = jax.random.split(key)
    size = components * (1 + 2 * dims)
    self.out = Linear(width, size, kernel, INIT_SCALE)
    self.mean_bias = normal(means, (components, dims), _SPREAD)
    self.log_bias = nnx.Param(jnp.zeros((components, dims)))
    self.weight_bias = nnx.Param(jnp.zeros((components,)))
    self.dims, self.components = dims, components

  def parameters(
    self, state: Float[Array, '*n d']
  ) -> tuple[
    Float[Array, '*n k'], Float[Array, '*n k z'], Float[Array, '*n k z']
  ]:
    """Returns log weights, means and log-variances of the components."""
    k, z = self.components, self.dims
    weights, means, logs = jnp.split(self.out(state), [k, k + k * z], axis=-1)
    means, logs = (x.reshape(*x.shape[:-1], k, z) for x in (means, logs))
    weights = jax.nn.log_softmax(weights + self.weight_bias[...])
    logs = logs + self.log_bias[...]
    bounded = _LOG_VARIANCE * jnp.tanh(logs / _LOG_VARIANCE)
    return weights, means + self.mean_bias[...], bounded

  def log_prob(
    self, x: Float[Array, '*n z'], state: Float[Array, '*n d']
  ) -> Float[Array, '*n']:
    """Returns the log density of vectors, in nats."""
    weights, means, logs = self.parameters(state)
    each = weights + normal_log_prob(x[..., None, :], means, logs)
    return jax.scipy.special.logsumexp(each, axis=-1)

  def sample(
    self, state: Float[Array, '*n d'], key: PRNGKeyArray
  ) -> Float[Array, '*n z']:
    """Returns a vector for each state."""
    which, noise = jax.random.split(key)
    weights, means, logs = self.parameters(state)
    chosen = jax.random.categorical(which, weights)[..., None, None]
    mean, log = (
      jnp.take_along_axis(x, chosen, axis=-2)[..., 0, :] for x in (means, logs)
    )
    return mean + jnp.exp(0.5 * log) * jax.random.normal(noise, mean.shape)


class Coupling(nnx.Module):
  """Some dims change affinely by what the others and a state say.

  Dinh et al. 2017, section 3.2; a state beside what stays, as in conditional
  flows (Winkler et al. 2019).
  """

  def __init__(
    self, stays: np.ndarray, width: int, hidden: int, key: PRNGKeyArray
  ) -> None:
    first, second, last = jax.random.split(key, 3)
    dims = len(stays)
    # The usual scale: at GPT-2's the maps would hardly read what stays.
    self.read = Linear(dims, hidden, first, dims**-0.5)
    self.told = Linear(width, hidden, second, width**-0.5)
    self.hidden_bias = nnx.Param(jnp.zeros((hidden,)))
    self.out = Linear(hidden, 2 * dims, last, INIT_SCALE)
    self.out_bias = nnx.Param(jnp.zeros((2 * dims,)))
    self.stays = tuple(bool(x) for x in stays)

  def _affine(
    self, x: Float[Array, '*n z'], state: Float[Array, '*n d']
  ) -> tuple[Float[Array, '*n z'], Float[Array, '*n z']]:
    """Returns log-scales and shifts, 0 for what stays."""
    stays: Bool[Any, ' z'] = jnp.array(self.stays)
    read = self.read(jnp.where(stays, x, 0)) + self.told(state)
    inner = jax.nn.gelu(read + self.hidden_bias[...])
    log, shift = jnp.split(self.out(inner) + self.out_bias[...], 2, axis=-1)
    log = _LOG_SCALE * jnp.tanh(log / _LOG_SCALE)
    return jnp.where(stays, 0, log), jnp.where(stays, 0, shift)

  def forward(
    self, x: Float[Array, '*n z'], state: Float[Array, '*n d']
  ) -> tuple[Float[Array, '*n z'], Float[Array, '*n']]:
    """Returns what vectors become, and the log of how volume grows."""
    log, shift = self._affine(x, state)
    return x * jnp.exp(log) + shift, log.sum(-1)

  def inverse(
    self, y: Float[Array, '*n z'], state: Float[Array, '*n d']
  ) -> Float[Array, '*n z']:
    """Returns what `forward` has made these of."""
    log, shift = self._affine(y, state)
    return (y - shift) * jnp.exp(-log)


class Flow(nnx.Module):
  """A normal that is bent: one affine map by the state, then couplings.

  `forward` goes from vectors to what is standard normal; `inverse` draws.
  """

  def __init__(
    self, dims: int, width: int, couplings: int, hidden: int, key: PRNGKeyArray
  ) -> None:
    keys = jax.random.split(key, couplings + 1)
    nothing = np.zeros(dims, bool)
    self.steps = nnx.Dict(
      {'0': Coupling(nothing, width, hidden, keys[0])}
      | {
        str(i): Coupling(halves(dims, i - 1), width, hidden, keys[i])
        for i in range(1, couplings + 1)
      }
    )
    self.dims, self.couplings = dims, couplings

  def forward(
    self, x: Float[Array, '*n z'], state: Float[Array, '*n d']
  ) -> tuple[Float[Array, '*n z'], Float[Array, '*n']]:
    """Returns what vectors become, and the log of how volume grows."""
    total = jnp.zeros(x.shape[:-1])
    for number in range(self.couplings + 1):
      x, grown = self.steps[str(number)].forward(x, state)
      total = total + grown
    return x, total

  def inverse(
    self, y: Float[Array, '*n z'], state: Float[Array, '*n d']
  ) -> Float[Array, '*n z']:
    """Returns what `forward` has made these of."""
    for number in reversed(range(self.couplings + 1)):
      y = self.steps[str(number)].inverse(y, state)
    return y

  def log_prob(
    self, x: Float[Array, '*n z'], state: Float[Array, '*n d']
  ) -> Float[Array, '*n']:
    """Returns the log density of vectors, in nats."""
    y, grown = self.forward(x, state)
    zero = jnp.zeros((1,) * y.ndim)
    return normal_log_prob(y, zero, zero) + grown

  def sample(
    self, state: Float[Array, '*n d'], key: PRNGKeyArray
  ) -> Float[Array, '*n z']:
    """Returns a vector for each state."""
    noise = jax.random.normal(key, (*state.shape[:-1], self.dims))
    return self.inverse(noise, state)


def halves(dims: int, number: int) -> np.ndarray:
  """Returns which dims stay in a coupling, bool [z].

  Each second one leaves what the one before it changed; which dims go
  together changes from pair to pair, so that all come to depend on all.

  Example:
    >>> [halves(4, number).astype(int).tolist() for number in range(4)]
    [[0, 1, 0, 1], [1, 0, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0]]
  """
  bits = max(1, (dims - 1).bit_length())
  digit = np.arange(dims) >> (number // 2 % bits) & 1
  return np.asarray((digit + number) % 2 == 1)
