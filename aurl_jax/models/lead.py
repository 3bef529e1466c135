"""The first fields of a step, told and predicted a step early.

A step of several fields is predicted from one state: where a note will stand
is known to the head that predicts its pitch, but not to attention, which has
looked back before. So the first fields of the next step, its lead, are read
with a step, and attention can look for what stood there in earlier bars, or
what that voice did last. They are predicted one step earlier still: from the
state before this step, and from this step by an MLP. (The delay of Copet et
al. 2023, MusicGen, section 2.2, turned round.) The product of all
probabilities is that of the steps, exactly. Axes: `b` batch, `t` time, `d`
model width, `f` fields, `m` head width.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from aurl_jax.models.config import ModelConfig
from aurl_jax.models.head import project_on
from aurl_jax.models.layers import INIT_SCALE, Embedding, Linear, normal


class LeadMLP(nnx.Module):
  """From the state before a step, and that step, to one field of the next."""

  def __init__(self, width: int, head_width: int, key: PRNGKeyArray) -> None:
    keys = jax.random.split(key, 4)
    self.hidden = Linear(width, head_width, keys[0], INIT_SCALE)
    self.last = Linear(width, head_width, keys[1], INIT_SCALE)
    self.earlier = Linear(width, head_width, keys[2], INIT_SCALE)
    self.out = Linear(head_width, width, keys[3], INIT_SCALE)

  def __call__(
    self,
    before: Float[Array, '*n d'],
    last: Float[Array, '*n d'],
    earlier: Float[Array, '*n d'],
  ) -> Float[Array, '*n d']:
    """Returns the state that the field's table is compared with."""
    inside = self.hidden(before) + self.last(last) + self.earlier(earlier)
    return before + self.out(jax.nn.gelu(inside, approximate=True))


class Lead(nnx.Module):
  """What attention is told of the next step, and who predicts that."""

  def __init__(
    self,
    config: ModelConfig,
    vocabulary: tuple[int, ...],
    key: PRNGKeyArray,
  ) -> None:
    tables, start, heads = jax.random.split(key, 3)
    self.count = config.lead
    d = config.width
    self.embed = Embedding(vocabulary[: self.count], d, tables)
    # Stands for the state before a piece's first step.
    self.start = normal(start, (d,))
    keys = jax.random.split(heads, self.count)
    self.fields = nnx.Dict(
      {
        str(f): LeadMLP(d, config.head_width, keys[f])
        for f in range(self.count)
      }
    )

  def told(self, following: Int[Array, '*n f']) -> Float[Array, '*n d']:
    """Returns what is added to steps whose following ones begin so, float32.

    Args:
      following: The next step of each; what is not in the lead is not read.
    """
    return self.embed(following[..., : self.count])

  def before(
    self, hidden: Float[Array, 'b t d'], segments: Int[Array, 'b t']
  ) -> Float[Array, 'b t d']:
    """Returns the state before each step, in its piece."""
    first = jnp.pad(
      segments[:, 1:] != segments[:, :-1],
      ((0, 0), (1, 0)),
      constant_values=True,
    )
    return self.or_start(jnp.roll(hidden, 1, axis=1), first)

  def or_start(
    self, before: Float[Array, '*n d'], first: Array
  ) -> Float[Array, '*n d']:
    """Returns states, where a piece begins that which stands for none."""
    start = self.start[...].astype(before.dtype)
    return jnp.where(first[..., None], start, before)

  def logits(
    self,
    embedding: Embedding,
    before: Float[Array, '*n d'],
    last: Float[Array, '*n d'],
    earlier: Float[Array, '*n d'],
    field: int,
  ) -> Float[Array, '*n v']:
    """Returns the float32 logits of one field of the lead.

    Args:
      embedding: Owner of the tables.
      before: As of the method `before`.
      last: The rows of the step that is over, summed up.
      earlier: Those of the fields of the next one before this field.
      field: Which field.
    """
    state = self.fields[str(field)](before, last, earlier)
    return project_on(embedding, state, field)
