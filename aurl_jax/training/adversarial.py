"""Adversarial training: embeddings moved against the model.

The fast gradient method of Miyato et al. 2017 (Adversarial training methods
for semi-supervised text classification, section 3): embeddings are moved
along the gradient of the loss, at a fixed length, and the model learns from
the moved ones as well. Here the tables themselves are moved, each by a share
of its norm, so that a network needs no entry for perturbed embeddings; a
head that is tied to the tables feels it, too. It costs a second pass forward
and backward: twice the time of a step, and the memory of one more gradient.
"""

import re
from typing import Any

import jax
import jax.numpy as jnp

from aurl_jax.core.errors import ConfigError
from aurl_jax.parallel import rules

_TABLES = re.compile(r'(^|/)embed/')
_TINY = 1e-30


def move(params: dict[str, Any], grads: Any, share: float) -> dict[str, Any]:
  """Returns the parameters with each embedding table moved uphill.

  Args:
    params: As trained.
    grads: Gradient of the loss, a tree as `params`, of any scale: that of
      the whole batch, so that devices and accumulation change nothing.
    share: Length of the move over the norm of the table.

  Raises:
    ConfigError: No parameter lies below `embed`.
  """
  found = []

  def one(
    path: tuple[Any, ...], table: jax.Array, grad: jax.Array
  ) -> jax.Array:
    if not _TABLES.search(rules.path_name(path)):
      return table
    found.append(path)
    length = share * jnp.linalg.norm(table)
    return table + grad * (length / (jnp.linalg.norm(grad) + _TINY))

  moved: dict[str, Any] = jax.tree_util.tree_map_with_path(one, params, grads)
  if not found:
    raise ConfigError('adversarial: the model has no parameters below embed/')
  return moved
