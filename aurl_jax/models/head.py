"""Autoregressive field head, tied to the embedding.

A step's fields are predicted in order: field 0 from the hidden state, each
later one from the hidden state and the embeddings of the step's earlier
fields, through an MLP of its own. With one field only the tied projection
is left. Axes: `b` batch, `t` time, `d` model width, `f` fields, `v` ids of
a field, `m` head width.
"""

import jax
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from aurl_jax.models import rounding
from aurl_jax.models.layers import INIT_SCALE, Embedding, Linear
from aurl_jax.models.products import against


class FieldMLP(nnx.Module):
  """Corrects the hidden state for one field, given the earlier ones."""

  def __init__(self, width: int, head_width: int, key: PRNGKeyArray) -> None:
    hidden, earlier, out = jax.random.split(key, 3)
    self.hidden = Linear(width, head_width, hidden, INIT_SCALE)
    self.earlier = Linear(width, head_width, earlier, INIT_SCALE)
    self.out = Linear(head_width, width, out, INIT_SCALE)

  def __call__(
    self, hidden: Float[Array, '*n d'], earlier: Float[Array, '*n d']
  ) -> Float[Array, '*n d']:
    """Returns the state that the field's table is compared with."""
    inside = self.hidden(hidden) + self.earlier(earlier)
    return hidden + self.out(jax.nn.gelu(inside, approximate=True))


def project_on(
  embedding: Embedding, state: Float[Array, '*n d'], field: int
) -> Float[Array, '*n v']:
  """Returns the products of states with the rows of a field, float32."""
  table = embedding.table(field).astype(state.dtype)
  state = rounding.rounded(state, embedding.reach(field))
  rows = state.reshape(-1, state.shape[-1])
  return against(rows, table).reshape(*state.shape[:-1], len(table))


class FieldHead(nnx.Module):
  """Logits of every field; the tables stay the embedding's."""

  def __init__(
    self, fields: int, width: int, head_width: int, key: PRNGKeyArray
  ) -> None:
    keys = jax.random.split(key, fields)
    self.fields = nnx.Dict(
      {str(f): FieldMLP(width, head_width, keys[f]) for f in range(1, fields)}
    )

  def field_logits(
    self,
    embedding: Embedding,
    hidden: Float[Array, '*n d'],
    partial: Int[Array, '*n f'],
    field: int,
  ) -> Float[Array, '*n v']:
    """Returns the float32 logits of one field.

    Args:
      embedding: Owner of the tables.
      hidden: Normalised state of the decoder.
      partial: Ids of the step; those at or after `field` are not read.
      field: Which field to predict.
    """
    if not field:
      return project_on(embedding, hidden, field)
    earlier = embedding(partial[..., :field]).astype(hidden.dtype)
    return self.logits_after(embedding, hidden, earlier, field)

  def logits_after(
    self,
    embedding: Embedding,
    hidden: Float[Array, '*n d'],
    earlier: Float[Array, '*n d'],
    field: int,
  ) -> Float[Array, '*n v']:
    """As `field_logits`, given the sum of the rows of the earlier fields."""
    if field:
      hidden = self.fields[str(field)](hidden, earlier)
    return project_on(embedding, hidden, field)
