"""Causal attention inside segments: packed pieces do not see each other.

Backends: `naive` (plain, any platform), `blocked` (`models.blocked`, for
CPUs), `fused` (`models.fused`, for GPUs) and `splash` (`models.splash`, for
TPUs). Axes: `b` batch, `h` heads, `c` heads of keys and values, each shared
by `h / c` query heads, `t` time of queries and keys, `k` head width, `r`
distances of relative positions.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from aurl_jax.core.errors import ConfigError
from aurl_jax.models import relative as relative_lib
from aurl_jax.models.blocked import MASKED, attend_blocked
from aurl_jax.models.fused import attend_fused
from aurl_jax.models.splash import attend_splash

_BY_PLATFORM = {'cpu': 'blocked', 'tpu': 'splash'}


def attend(
  q: Float[Array, 'b h t k'],
  k: Float[Array, 'b c t k'],
  v: Float[Array, 'b c t k'],
  *,
  segments: Int[Array, 'b t'] | None,
  backend: str = 'auto',
  window: int = 0,
  relative: Float[Array, 'h r k'] | None = None,
) -> Float[Array, 'b h t k']:
  """Returns each query's mix of the values at or before it in its segment.

  Args:
    q: Queries, not yet scaled.
    k: Keys.
    v: Values.
    segments: Number of the piece at each step, 0 or more; None where a row
      is one piece, which `fused` is faster with.
    backend: `naive`, `blocked`, `fused`, `splash`, or `auto`; see `chosen`.
    window: Steps that a query sees, its own and those before; 0 for all.
    relative: Embedding of each distance, added to the keys; see
      `models.relative`.

  Raises:
    ConfigError: The backend does not know relative positions, or does not
      run here.
  """
  backend = chosen(backend, relative is not None)
  if segments is None:
    if backend == 'fused':
      return attend_fused(q, k, v, None, window)
    segments = jnp.zeros((q.shape[0], q.shape[2]), jnp.int32)
  if backend == 'blocked':
    return attend_blocked(q, k, v, segments, relative, window)
  if backend == 'splash':
    return attend_splash(q, k, v, segments, window)
  mask = visible(segments, window)
  if backend == 'fused':
    return attend_fused(q, k, v, mask)
  return naive(q, k, v, mask, relative)


def chosen(backend: str, relative: bool = False) -> str:
  """Returns the backend that `auto` stands for here, else the one given.

  On a CPU `blocked`, on a TPU `splash`, elsewhere `fused`; with relative
  positions `blocked` everywhere, the one fast path that knows them.

  Raises:
    ConfigError: The backend does not know relative positions.
  """
  if relative and backend in ('fused', 'splash'):
    raise ConfigError(
      f'model.attention: {backend!r} knows no relative positions; set it to '
      "'auto'",
      code='model_config',
    )
  if backend != 'auto':
    return backend
  if relative:
    return 'blocked'
  return _BY_PLATFORM.get(jax.default_backend(), 'fused')


def visible(
  segments: Int[Array, 'b t'], window: int = 0
) -> Bool[Array, 'b t t']:
  """Returns which key (last axis) each query may see."""
  same = segments[:, :, None] == segments[:, None, :]
  causal = jnp.tri(segments.shape[1], dtype=bool)
  if window:
    causal &= ~jnp.tri(segments.shape[1], k=-window, dtype=bool)
  return same & causal


def naive(
  q: Float[Array, 'b h q k'],
  k: Float[Array, 'b c t k'],
  v: Float[Array, 'b c t k'],
  mask: Bool[Array, 'b #q t'],
  relative: Float[Array, 'h r k'] | None = None,
) -> Float[Array, 'b h q k']:
  """Plain softmax attention under any mask; the softmax is float32.

  With `relative` the queries are those of the last `q` of the `t` steps.
  """
  mixture = weights(q, k, mask, relative).astype(v.dtype)
  return jnp.einsum('bhqt,bhtk->bhqk', mixture, _shared(v, q))


def weights(
  q: Float[Array, 'b h q k'],
  k: Float[Array, 'b c t k'],
  mask: Bool[Array, 'b #q t'],
  relative: Float[Array, 'h r k'] | None = None,
) -> Float[Array, 'b h q t']:
  """Returns how much each query takes of each key, float32; rows sum to 1."""
  k = _shared(k, q)
  scores = jnp.einsum(
    'bhqk,bhtk->bhqt', q, k, preferred_element_type=jnp.float32
  )
  if relative is not None:
    at = jnp.arange(k.shape[2])
    distances = at[k.shape[2] - q.shape[2] :, None] - at
    scores = scores + relative_lib.picked(q, relative, distances)
  scores = scores * q.shape[-1] ** -0.5
  scores = jnp.where(mask[:, None], scores, MASKED)
  return jax.nn.softmax(scores, axis=-1)


def _shared(
  x: Float[Array, 'b c t k'], q: Float[Array, 'b h q k']
) -> Float[Array, 'b h t k']:
  """Gives each query head its own copy of the keys or values it shares."""
  groups = q.shape[1] // x.shape[1]
  return x if groups == 1 else jnp.repeat(x, groups, axis=1)
