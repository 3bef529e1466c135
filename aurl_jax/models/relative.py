"""Relative attention: a learned embedding of how far back a key stands.

A score is `q . (k + e)`, where `e` is the row of the distance in a table of
the head (Shaw et al. 2018; Huang et al. 2018, "Music Transformer", section
3.4). Queries meet every row of the table once, and skewing moves the products
to their keys, so that no array holds an embedding for each pair of steps:
memory for the embeddings is linear in the length. Distances beyond the table
count as its last row. Axes: `b` batch, `h` heads, `q` queries, `t` keys, `k`
head width, `r` distances.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def skewed(
  q: Float[Array, 'b h q k'], table: Float[Array, 'h r k'], keys: int
) -> Float[Array, 'b h q {keys}']:
  """Returns each query's product with the embedding of each key's distance.

  The queries are those of the last `q` of the `keys` steps. What stands at
  keys behind a query is no product and must be masked.

  Args:
    q: Queries.
    table: Embedding of each distance, 0 first.
    keys: Number of steps that the queries look at, at least `q`.
  """
  b, h, rows, _ = q.shape
  near = min(table.shape[1], keys)
  # Column u is distance keys - 1 - u; the far ones are all the last row.
  found = jnp.einsum(
    'bhqk,hrk->bhqr',
    q,
    table[:, :near][:, ::-1],
    preferred_element_type=jnp.float32,
  )
  far = jnp.broadcast_to(found[..., :1], (b, h, rows, keys - near))
  behind = jnp.zeros((b, h, rows, rows), found.dtype)
  wide = jnp.concatenate([far, found, behind], axis=-1)
  # Row a begins `rows - 1 - a` columns late: read flat, a row that is one
  # column shorter than it was begins one column later each time.
  flat = wide.reshape(b, h, -1)
  flat = flat[..., rows - 1 : rows - 1 + rows * (keys + rows - 1)]
  return flat.reshape(b, h, rows, -1)[..., :keys]


def picked(
  q: Float[Array, 'b h q k'],
  table: Float[Array, 'h r k'],
  distances: Int[Array, 'q t'],
) -> Float[Array, 'b h q t']:
  """Returns the same of any distances, which are cut to those of the table.

  The plain form: it picks from the products with all rows.
  """
  found = jnp.einsum(
    'bhqk,hrk->bhqr', q, table, preferred_element_type=jnp.float32
  )
  index = jnp.clip(distances, 0, table.shape[1] - 1)
  return jnp.take_along_axis(found, index[None, None], axis=-1)
