"""Spectral normalisation: linear maps whose largest singular value is 1.

Miyato et al., "Spectral Normalization for Generative Adversarial Networks",
ICLR 2018, section 2.1 and algorithm 1: a vector a matrix follows its first
left singular vector by one power iteration a step, and the matrix is divided
by the value that the vector shows. The vectors are state of their own beside
the parameters, a tree of the same paths. Axes: `i` and `o`, sides of a matrix.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

Params = dict[str, Any]

_TINY = 1e-12
_FIRST = 30
"""Power iterations of a fresh vector, so that the first step has a bound."""
_ROWS_LAST = 'out_kernel'
"""Kernels of several axes map the first one, but for this: to the last."""


def init(params: Params, key: PRNGKeyArray) -> Params:
  """Returns the vectors of all matrices, `[i]` each, close to singular ones.

  Args:
    params: Nested dicts of arrays; those of one axis have no vector.
    key: Of the vectors that iteration starts from.
  """

  def start(number: int, matrix: Array) -> Array:
    drawn = jax.random.normal(jax.random.fold_in(key, number), matrix.shape[:1])
    return _unit(drawn)

  flat = _matrices(params)
  vectors = {path: start(i, m) for i, (path, m) in enumerate(flat.items())}
  body = lambda _, found: {p: _iterated(flat[p], u) for p, u in found.items()}  # noqa: E731
  whole: Params = jax.lax.fori_loop(0, _FIRST, body, vectors)
  return whole


def iterate(params: Params, vectors: Params) -> Params:
  """Returns the vectors after a power iteration; no gradient flows."""
  return {
    path: _iterated(matrix, vectors[path])
    for path, matrix in _matrices(params).items()
  }


def normalise(params: Params, vectors: Params) -> Params:
  """Returns the parameters with each matrix divided by its value.

  The vectors are constants for the gradient (equation 11).
  """
  found = _matrices(params)
  sizes = {path: _size(found[path], u) for path, u in vectors.items()}

  def one(path: Any, leaf: Array) -> Array:
    name = jax.tree_util.keystr(path, simple=True, separator='.')
    return leaf / sizes[name] if name in sizes else leaf

  whole: Params = jax.tree_util.tree_map_with_path(one, params)
  return whole


def _matrices(params: Params) -> dict[str, Float[Array, 'i o']]:
  """Returns all parameters of two axes or more, as matrices by their path."""
  found = {}
  for path, leaf in jax.tree_util.tree_leaves_with_path(params):
    if leaf.ndim > 1:
      name = jax.tree_util.keystr(path, simple=True, separator='.')
      last = name.endswith(_ROWS_LAST)
      shape = (-1, leaf.shape[-1]) if last else (leaf.shape[0], -1)
      found[name] = leaf.reshape(shape)
  return found


def _size(matrix: Float[Array, 'i o'], u: Float[Array, ' i']) -> Array:
  u = jax.lax.stop_gradient(u)
  v = jax.lax.stop_gradient(_unit(u @ matrix))
  return jnp.maximum(u @ matrix @ v, _TINY)


def _iterated(matrix: Float[Array, 'i o'], u: Float[Array, ' i']) -> Array:
  return jax.lax.stop_gradient(_unit(matrix @ _unit(u @ matrix)))


def _unit(x: Float[Array, ' n']) -> Float[Array, ' n']:
  return x / jnp.maximum(jnp.linalg.norm(x), _TINY)
