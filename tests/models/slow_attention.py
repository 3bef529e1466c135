"""Attention in plain loops over float64 numbers: the judge of every backend."""

import jax.numpy as jnp
import numpy as np

OPTIONS = {
  'plain': {},
  'window': {'window': 5},
  'wide window': {'window': 24},
  'grouped': {'groups': 2},
  'relative': {'relative': 64},
  'short relative': {'relative': 6},
  'all': {'window': 9, 'groups': 2, 'relative': 4},
}
"""Name -> window, query heads a key head, rows of the table of distances."""


def inputs(t, b=2, h=2, k=4, *, groups=1, relative=0, seed=0):
  """Returns q, k, v, table or None, weight of the output, packed segments."""
  rng = np.random.default_rng(seed)

  def draw(*shape):
    return jnp.asarray(rng.normal(size=shape), jnp.float32)

  q, weight = draw(b, h, t, k), draw(b, h, t, k)
  keys, values = draw(b, h // groups, t, k), draw(b, h // groups, t, k)
  table = draw(h, relative, k) if relative else None
  segments = np.ones((b, t), np.int32)
  for row, length in enumerate(rng.integers(1, max(t, 2), size=b)):
    segments[row, length:] = 2
    segments[row, length + (t - length) // 2 :] = 0
  return q, keys, values, table, weight, jnp.asarray(segments)


def by_loops(q, k, v, table, segments, window=0):
  """Returns what attention should be; None for no table, 0 for no window."""
  q, k, v = (np.asarray(x, float) for x in (q, k, v))
  segments = np.asarray(segments)
  b, h, t, width = q.shape
  out = np.zeros(q.shape)
  for row, head, at in np.ndindex(b, h, t):
    own = head // (h // k.shape[1])
    first = max(0, at + 1 - window) if window else 0
    seen = [
      s for s in range(first, at + 1) if segments[row, s] == segments[row, at]
    ]
    keys = k[row, own, seen]
    if table is not None:
      last = table.shape[1] - 1
      rows = [min(at - s, last) for s in seen]
      keys = keys + np.asarray(table, float)[head, rows]
    weights = np.exp(keys @ q[row, head, at] / np.sqrt(width))
    out[row, head, at] = weights / weights.sum() @ v[row, own, seen]
  return out
