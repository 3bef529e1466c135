"""One model out of several checkpoints: the mean of their weights.

Averaging the last checkpoints of a run smooths the noise of the last steps
(Vaswani et al., Attention Is All You Need, 2017, section 6.1; Izmailov et
al., Averaging Weights Leads to Wider Optima, 2018).
"""

from typing import Any

import jax
import jax.numpy as jnp

from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.core.errors import CheckpointError


def average(checkpoints: Checkpoints, like: Any, count: int) -> Any:
  """Returns the mean of the newest good checkpoints.

  No more than two checkpoints are in memory beside the mean, which is taken in
  float32 or wider. What is no floating-point number is that of the newest.

  Args:
    checkpoints: Where from.
    like: Pytree of arrays or `jax.ShapeDtypeStruct`, the whole state or a
      part of it, as for `Checkpoints.restore`.
    count: How many.

  Raises:
    CheckpointError: There are fewer good ones (`too_few`), or they are of
      another model.
  """
  if count < 1:
    raise CheckpointError(f'an average is of 1 checkpoint or more, not {count}')
  steps = newest_good(checkpoints, count)
  if len(steps) < count:
    raise CheckpointError(
      f'{checkpoints.folder} holds {len(steps)} good checkpoints, {count} '
      'are to be averaged; ask for fewer, or keep more '
      '(logging.keep_checkpoints)',
      code='too_few',
    )
  newest = checkpoints.restore(like, steps[0], partial=True).state
  total = jax.tree.map(_widen, newest)
  for step in steps[1:]:
    state = checkpoints.restore(like, step, partial=True).state
    total = jax.tree.map(_add, total, state)
  return jax.tree.map(lambda x, first: _mean(x, first, count), total, newest)


def newest_good(checkpoints: Checkpoints, count: int) -> list[int]:
  """Returns up to so many good steps, the newest first."""
  steps: list[int] = []
  until = None
  while len(steps) < count:
    found = checkpoints.latest(until)
    if found is None:
      break
    steps.append(found)
    until = found - 1
  return steps


def _is_real(leaf: Any) -> bool:
  return jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.floating)


def _widen(leaf: Any) -> Any:
  if not _is_real(leaf):
    return leaf
  array = jnp.asarray(leaf)
  return array.astype(jnp.promote_types(array.dtype, jnp.float32))


def _add(total: Any, leaf: Any) -> Any:
  return total + leaf if _is_real(leaf) else total


def _mean(total: Any, like: Any, count: int) -> Any:
  if not _is_real(like):
    return total
  return (total / count).astype(jnp.asarray(like).dtype)
