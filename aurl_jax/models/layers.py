"""The parts of a block: norm, linear map, MLP, embedding, dropout.

Modules are containers of float32 parameters; what they compute is in the
dtype of their input. Axes: `b` batch, `t` time, `d` model width, `f` fields.
"""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Shaped

from aurl_jax.core.typing import Keys
from aurl_jax.models import rounding
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.products import project

_EPSILON = 1e-6
_PITCHES, _CLASSES, _OCTAVES = 128, 12, 11
# GPT-2's scale of initial weights; suits tied embeddings, whose logits
# are then small against a normalised hidden state.
INIT_SCALE = 0.02


def normal(
  key: PRNGKeyArray, shape: tuple[int, ...], scale: float = INIT_SCALE
) -> nnx.Param:
  """Returns a float32 parameter drawn from a normal distribution."""
  return nnx.Param(scale * jax.random.normal(key, shape, jnp.float32))


class RMSNorm(nnx.Module):
  """Root-mean-square norm with a gain (Zhang & Sennrich 2019)."""

  def __init__(self, width: int) -> None:
    self.scale = nnx.Param(jnp.ones((width,), jnp.float32))

  def __call__(self, x: Float[Array, '*n d']) -> Float[Array, '*n d']:
    """Returns `x` at unit mean square, times the gain; keeps the dtype."""
    wide = x.astype(jnp.float32)
    power = jnp.mean(wide * wide, axis=-1, keepdims=True)
    wide = wide * jax.lax.rsqrt(power + _EPSILON)
    return (wide * self.scale[...]).astype(x.dtype)


class Linear(nnx.Module):
  """A matrix `[inside, outside]` without bias."""

  def __init__(
    self, inside: int, outside: int, key: PRNGKeyArray, scale: float
  ) -> None:
    self.kernel = normal(key, (inside, outside), scale)
    # Of the inputs, where they are rounded; see `with_reaches`.
    self.reach: nnx.Param | None = nnx.data(None)

  def __call__(self, x: Float[Array, '*n i']) -> Float[Array, '*n o']:
    """Returns `x @ kernel` in the dtype of `x`."""
    x = rounding.rounded(x, self.reach)
    return project(x, self.kernel[...].astype(x.dtype))


class MLP(nnx.Module):
  """GELU or SwiGLU feed-forward (Shazeer 2020)."""

  def __init__(self, config: ModelConfig, key: PRNGKeyArray) -> None:
    wide, gate, narrow = jax.random.split(key, 3)
    d, m = config.width, config.mlp_width
    self.wide = Linear(d, m, wide, INIT_SCALE)
    if config.mlp == 'swiglu':
      self.gate = Linear(d, m, gate, INIT_SCALE)
    self.gated = config.mlp == 'swiglu'
    self.narrow = Linear(m, d, narrow, residual_scale(config))

  def __call__(self, x: Float[Array, '*n d']) -> Float[Array, '*n d']:
    """Returns the feed-forward of every step."""
    wide = self.wide(x)
    if self.gated:
      return self.narrow(jax.nn.silu(self.gate(x)) * wide)
    return self.narrow(gelu(wide))


@jax.custom_vjp
def gelu(x: Float[Array, '*n']) -> Float[Array, '*n']:
  """GELU by its tanh form (Hendrycks & Gimpel 2016), keeping only `x`.

  The gradient computes the tanh again: on a CPU that costs less than to
  write it to memory and to read it back.
  """
  return jax.nn.gelu(x, approximate=True)


def _gelu_backward(x: Array, grad: Array) -> tuple[Array]:
  return jax.vjp(lambda x: jax.nn.gelu(x, approximate=True), x)[1](grad)


gelu.defvjp(lambda x: (gelu(x), x), _gelu_backward)


class Embedding(nnx.Module):
  """One table a field; a step is the sum of its fields' rows.

  The head projects on the same tables, so the module is their one owner.
  """

  def __init__(
    self,
    vocabulary: tuple[int, ...],
    width: int,
    key: PRNGKeyArray,
    pitches: tuple[tuple[int, ...], ...] = (),
  ) -> None:
    """Draws the tables.

    Args:
      vocabulary: Ids of each field.
      width: Model width.
      key: Of the draw.
      pitches: MIDI pitch of each id of each field, 0 for none; given, a row
        is the sum of the id's own, its pitch's and its pitch class's.
    """
    keys = jax.random.split(key, len(vocabulary))
    self.tables = nnx.Dict(
      {
        str(f): normal(keys[f], (size, width))
        for f, size in enumerate(vocabulary)
      }
    )

    if pitches:
      first, second = jax.random.split(jax.random.fold_in(key, 1))
      self.shared = nnx.Dict(
        {
          'pitch': normal(first, (_PITCHES, width)),
          'class': normal(second, (_CLASSES, width)),
        }
      )
    self.pitches = pitches
    # Of states that are compared with each table, where those are rounded.
    self.reaches: Mapping[str, nnx.Param] | None = nnx.data(None)

  def reach(self, field: int) -> nnx.Param | None:
    """Returns how far states reach that are compared with a field's rows."""
    return None if self.reaches is None else self.reaches[str(field)]

  def table(self, field: int) -> Float[Array, 'v d']:
    """Returns the rows of one field, float32."""
    own = self.tables[str(field)][...]
    pitches = np.array(self.pitches[field] if self.pitches else ())
    if not pitches.any():
      return own
    classes = jnp.tile(self.shared['class'][...], (_OCTAVES, 1))
    rows = self.shared['pitch'][...] + classes[:_PITCHES]
    return own + jnp.where(pitches[:, None] > 0, rows[pitches], 0)

  def lookup(self, field: int, ids: Int[Array, '*n']) -> Float[Array, '*n d']:
    """Returns the rows of one field's ids, float32."""
    return jnp.take(self.table(field), ids, axis=0)

  def __call__(self, ids: Int[Array, '*n f']) -> Float[Array, '*n d']:
    """Returns the sum over fields of the rows of `ids`, float32."""
    rows = (self.lookup(f, ids[..., f]) for f in range(ids.shape[-1]))
    return sum(rows, start=jnp.zeros((), jnp.float32))


def with_reaches(module: nnx.Module, embedding: Embedding) -> None:
  """Gives all linear maps of a module, and a head, reaches of their inputs.

  Args:
    module: The network.
    embedding: Its part whose tables the head compares with.
  """
  for _, part in nnx.iter_modules(module):
    if isinstance(part, Linear):
      part.reach = rounding.new()
  embedding.reaches = nnx.Dict(
    {field: rounding.new() for field in embedding.tables}
  )


def dropout(
  x: Shaped[Array, '*n'], rate: float, key: Keys | None
) -> Shaped[Array, '*n']:
  """Drops with probability `rate` and rescales.

  Args:
    x: Activations.
    rate: In [0, 1).
    key: One key, or one for each row of `x`; None keeps all.
  """
  if key is None or not rate:
    return x
  kept = _kept(x.shape, rate, key)
  return jnp.where(kept, x / (1 - rate), 0).astype(x.dtype)


def unseen(
  x: Float[Array, 'b t d'], rate: float, key: Keys
) -> Float[Array, 'b t d']:
  """Blanks whole steps with probability `rate`; nothing is rescaled.

  Args:
    x: Embedded steps.
    rate: In [0, 1).
    key: One key, or one for each row.
  """
  if not rate:
    return x
  return jnp.where(_kept(x.shape[:2], rate, key)[..., None], x, 0)


def _kept(shape: tuple[int, ...], rate: float, key: Keys) -> Bool[Array, '*n']:
  draw = functools.partial(
    jax.random.bernoulli, p=1 - rate, shape=shape[key.ndim :]
  )
  kept: Array = jax.vmap(draw)(key) if key.ndim else draw(key)
  return kept


def residual_scale(config: ModelConfig) -> float:
  """Initial scale of maps that add to the residual stream (GPT-2, 2.3)."""
  return INIT_SCALE * (2 * config.layers) ** -0.5
