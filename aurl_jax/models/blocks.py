"""One block of attention: some query rows and the keys that they may see.

What `models.blocked` and `models.windowed` have in common. The rows of a
block are the last `q` of the `s` steps it reads. Axes: `b` batch, `h` heads,
`c` heads of keys and values (`g` query heads share one, so that a block of
`q` rows is one of `g q` rows to its keys), `k` head width, `r` distances.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from aurl_jax.models.relative import skewed

# Not -inf: a row without any key must stay finite through its gradient.
MASKED = -1e30


class Seen(NamedTuple):
  """What a block reads.

  Attributes:
    k: Keys.
    v: Values.
    rows: Segments of the block's rows.
    keys: Segments of the keys.
  """

  k: Float[Array, 'b c s k']
  v: Float[Array, 'b c s k']
  rows: Int[Array, 'b q']
  keys: Int[Array, 'b s']


class Rows(NamedTuple):
  """What the backward pass knows of a block's rows.

  Attributes:
    q: Scaled queries.
    grad: Gradient of what they mixed.
    inner: Product of that gradient and the mixture itself.
    normaliser: Logarithm of the sum of their weights.
  """

  q: Float[Array, 'b h q k']
  grad: Float[Array, 'b h q k']
  inner: Float[Array, 'b h q 1']
  normaliser: Float[Array, 'b h q 1']


class Pulls(NamedTuple):
  """Gradients of a block, float32; `table` is None without one."""

  q: Float[Array, 'b h q k']
  k: Float[Array, 'b c s k']
  v: Float[Array, 'b c s k']
  table: Float[Array, 'h r k'] | None


def mix(
  q: Float[Array, 'b h q k'],
  seen: Seen,
  table: Float[Array, 'h r k'] | None = None,
  window: int = 0,
) -> tuple[Float[Array, 'b h q k'], Float[Array, 'b h q 1']]:
  """Returns the rows' mixtures of the values, and their normalisers.

  Args:
    q: Scaled queries.
    seen: Keys and values, and who may see whom.
    table: Of relative positions; see `models.relative`.
    window: Steps that a row sees; 0 for all before it.
  """
  scores = _scores(q, seen, table, window)
  top = scores.max(-1, keepdims=True)
  weights = jnp.exp(scores - top)
  total = weights.sum(-1, keepdims=True)
  v = seen.v
  sums = product('bhqt,bhtk->bhqk', _fold(weights.astype(v.dtype), v), v)
  sums = sums.reshape(q.shape)
  return (sums / total).astype(v.dtype), top + jnp.log(total)


def pull(
  rows: Rows,
  seen: Seen,
  table: Float[Array, 'h r k'] | None = None,
  window: int = 0,
) -> Pulls:
  """Returns the gradients of what `mix` computes; arguments as there."""
  q, k, v = rows.q, seen.k, seen.v
  weights = jnp.exp(_scores(q, seen, table, window) - rows.normaliser)
  moved = product('bhqk,bhtk->bhqt', _fold(rows.grad, v), v)
  moved = moved.reshape(weights.shape)
  pulls = (weights * (moved - rows.inner)).astype(q.dtype)
  weights = weights.astype(q.dtype)
  folded = _fold(pulls, k)
  dq = product('bhqt,bhtk->bhqk', folded, k).reshape(q.shape)
  dk = product('bhqt,bhqk->bhtk', folded, _fold(q, k))
  dv = product('bhqt,bhqk->bhtk', _fold(weights, v), _fold(rows.grad, v))
  if table is None:
    return Pulls(dq, dk, dv, None)
  # The products themselves are dead code here: only their gradient is used.
  back = jax.vjp(lambda q, table: skewed(q, table, k.shape[2]), q, table)[1]
  turned, table = back(pulls.astype(jnp.float32))
  return Pulls(
    dq + turned.astype(jnp.float32), dk, dv, table.astype(jnp.float32)
  )


def product(axes: str, x: Array, y: Array) -> Array:
  """Returns an einsum that sums in float32."""
  return jnp.einsum(axes, x, y, preferred_element_type=jnp.float32)


def _scores(
  q: Float[Array, 'b h q k'],
  seen: Seen,
  table: Float[Array, 'h r k'] | None,
  window: int,
) -> Float[Array, 'b h q s']:
  rows, keys = q.shape[2], seen.k.shape[2]
  scores = product('bhqk,bhtk->bhqt', _fold(q, seen.k), seen.k)
  scores = scores.reshape(*q.shape[:3], keys)
  if table is not None:
    scores = scores + skewed(q, table, keys)
  same = seen.rows[:, :, None] == seen.keys[:, None, :]
  at = jnp.arange(keys - rows, keys)[:, None]
  causal = at >= jnp.arange(keys)
  if window:
    causal &= at - jnp.arange(keys) < window
  return jnp.where((same & causal)[:, None], scores, MASKED)


def _fold(
  x: Float[Array, 'b h q _'], like: Float[Array, 'b c s _']
) -> Float[Array, 'b c gq _']:
  """Puts the rows of the heads that share keys behind each other."""
  b, heads = like.shape[:2]
  return x.reshape(b, heads, -1, x.shape[-1])
