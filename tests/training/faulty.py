"""A network whose bad batches are bad on purpose, and such batches.

The first position of a row says what becomes of it: -1 a loss that is not a
number, -2 an infinite one, -3 a gradient alone that is not a number, -4 a
spike. All other rows are as they were: on several devices only one sees it.
"""

import dataclasses
import types
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.training import toy

KINDS = {'nan': -1, 'inf': -2, 'gradient': -3, 'spike': -4}


@jax.custom_vjp
def _bad_gradient(x, bad):
  return x


_bad_gradient.defvjp(
  lambda x, bad: (x, bad),
  lambda bad, grad: (jnp.where(bad, jnp.nan, grad), None),
)


@dataclasses.dataclass(frozen=True)
class Faulty:
  """Another network, which fails where it is told to."""

  inner: Any = dataclasses.field(default_factory=toy.Toy)

  def init(self, key):
    return self.inner.init(key)

  def apply(self, params, ids, segments, positions, targets, key=None):
    mark = positions[:, :1, None]
    outputs = self.inner.apply(
      params, ids, segments, jnp.maximum(positions, 0), targets, key
    )

    def fail(logits):
      logits = jnp.where(mark == -1, jnp.nan, logits)
      logits = jnp.where(mark == -2, -jnp.inf, logits)
      logits = jnp.where(mark == -4, 1e3 * logits, logits)
      return _bad_gradient(logits, mark == -3)

    return types.SimpleNamespace(
      logits=tuple(fail(logits) for logits in outputs.logits)
    )


def batch(seed, rows=4, steps=12, kind=None):
  """Returns the batch of a seed, one row of it bad if a kind is given."""
  made = toy.batch(seed, rows, steps)
  if kind:
    made['positions'] = made['positions'].copy()
    made['positions'][seed % rows, 0] = KINDS[kind]
  return made


class Batches(toy.Batches):
  """A stream whose batches of some numbers, from 1, are bad.

  Attributes:
    bad: Number -> kind.
  """

  def __init__(self, bad, **kwargs):
    super().__init__(
      make=lambda index, rows, steps: batch(
        index, rows, steps, self.bad.get(index)
      ),
      **kwargs,
    )
    self.bad = bad


def arrays(tree):
  """Returns a tree copied to the host."""
  return jax.tree.map(np.array, jax.device_get(tree))


def same(one, two):
  """Fails unless two trees are equal, bit for bit."""
  assert jax.tree.structure(one) == jax.tree.structure(two)
  for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
    assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
