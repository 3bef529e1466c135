"""What a step is followed by, and how likely that is.

Axes: `b` batch, `t` time, `f` fields, `v` ids of a field.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def following(
  ids: Int[Array, 'b t f'], segments: Int[Array, 'b t']
) -> Int[Array, 'b t f']:
  """Returns the next step of each in its piece, else zeros."""
  same = jnp.pad(segments[:, 1:] == segments[:, :-1], ((0, 0), (0, 1)))
  return jnp.where(same[..., None], jnp.roll(ids, -1, axis=1), 0)


def chosen(
  logits: Float[Array, 'b t v'], ids: Int[Array, 'b t']
) -> Float[Array, 'b t']:
  """Returns the log-probability of ids, 0 where an id is 0."""
  picked = jnp.take_along_axis(logits, ids[..., None], axis=-1)[..., 0]
  lost = jax.scipy.special.logsumexp(logits, axis=-1)
  return jnp.where(ids == 0, 0.0, picked - lost)
