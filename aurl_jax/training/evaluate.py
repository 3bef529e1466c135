"""The likelihood of a finite stream of batches."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from aurl_jax.core.errors import DataError
from aurl_jax.core.typing import Batch
from aurl_jax.training import feed
from aurl_jax.training import metrics as metrics_lib


def evaluate(
  step: Callable[[Any, Batch], Mapping[str, jax.Array]],
  params: Any,
  batches: Iterable[Batch],
  *,
  fields: Sequence[str] = (),
  mesh: jax.sharding.Mesh | None = None,
  with_ids: bool = False,
) -> dict[str, float]:
  """Returns means over all target ids of the batches.

  Args:
    step: As of `make_eval_step`.
    params: What is judged.
    batches: Host batches, of any number of contexts. One with fewer rows
      than the first of its context is filled up with padding, which counts
      nothing and spares a compilation.
    fields: Names of the fields.
    mesh: Where batches go; None for one device.
    with_ids: Whether `ids`, how many targets count, is among the figures.

  Returns:
    `loss` (nats a target id), `perplexity` (its exponential), `accuracy`,
    `tokens` (steps with anything to predict), `nats/NAME` for each field.

  Raises:
    DataError: There is no batch, or nothing in it to predict.
  """
  place, totals = feed.placer(mesh), metrics_lib.Totals()
  rows: dict[int, int] = {}
  for batch in batches:
    count, context = batch['ids'].shape[:2]
    full = rows.setdefault(context, count)
    totals.add(step(params, place(_fill(batch, full))))
  total = totals.fetch()
  if not total or not total['counts'].sum():
    raise DataError('nothing to evaluate on: the split is empty')
  result = metrics_lib.summary(total, fields)
  del result['objective']
  if with_ids:
    result['ids'] = float(total['counts'].sum())
  return result | {'perplexity': float(np.exp(result['loss']))}


def _fill(batch: Batch, rows: int) -> Batch:
  missing = rows - len(batch['ids'])
  if not missing:
    return batch
  pad = lambda x: np.pad(x, [(0, missing)] + [(0, 0)] * (x.ndim - 1))  # noqa: E731
  filled: Batch = jax.tree.map(lambda column: pad(np.asarray(column)), batch)
  return filled
