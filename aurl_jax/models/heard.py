"""What a network is asked of its states: labels that studies heard.

One linear map of the decoder's states a kind of label, as a probe is (Alain and
Bengio, "Understanding intermediate layers using linear classifier probes",
2016), but learnt with the network: the states are to hold what the label says.
Nothing reads the answers but the loss. Axes: `b` batch, `t` time, `d` width,
`c` labels of a kind.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from aurl_jax.models.layers import INIT_SCALE, Linear


class Heard(nnx.Module):
  """A linear map of states a kind of label."""

  def __init__(
    self, sizes: dict[str, int], width: int, key: PRNGKeyArray
  ) -> None:
    """Draws the parameters.

    Args:
      sizes: Kind -> how many labels it has.
      width: Of the states.
      key: Of the draws.
    """
    keys = jax.random.split(key, len(sizes))
    self.kinds = nnx.Dict(
      {
        name: Linear(width, size, draw, INIT_SCALE)
        for (name, size), draw in zip(sizes.items(), keys, strict=True)
      }
    )

  def __call__(
    self, hidden: Float[Array, 'b t d']
  ) -> dict[str, Float[Array, 'b t c']]:
    """Returns float32 logits of the labels, by kind."""
    states = hidden.astype(jnp.float32)
    return {name: ask(states) for name, ask in self.kinds.items()}
