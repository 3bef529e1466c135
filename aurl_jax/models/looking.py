"""What a model holds between its layers, for whoever looks into it.

Axes: `b` batch, `t` time, `f` fields, `d` model width.
"""

from jaxtyping import Array, Float, Int

from aurl_jax.models.functional import Model, Params


def states(
  model: Model,
  params: Params,
  ids: Int[Array, 'b t f'],
  segments: Int[Array, 'b t'],
  positions: Int[Array, 'b t'],
) -> Float[Array, 'depths b t d']:
  """Returns the stream of every step before the first layer and behind each.

  There are `layers + 1` depths, none of them normalised. With a `lead` the
  stream of a step holds what is read of the next one.

  Args:
    model: Any but of the pattern `hierarchy`.
    params: Of the model.
    ids: The steps that are read.
    segments: Number of the piece at each step, 0 for padding.
    positions: Index of each step inside its piece.

  Raises:
    ConfigError: The pattern is `hierarchy`, in which no layer reads all
      steps, or `t` is more than the context.
  """
  module, where = model.looked(params, ids, segments, positions)
  found: Array = module.decoder.states(*where)
  return found
