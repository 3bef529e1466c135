"""A network and batches small enough to check by hand.

The network has the methods that training asks of a model, and none of its
parts: an embedding of the step, dropout, one matrix a field.
"""

import dataclasses
import functools
import types

import jax
import jax.numpy as jnp
import numpy as np

from aurl_jax.training import callbacks
from aurl_jax.training.metrics import Totals

SIZES = (7, 5)


@dataclasses.dataclass(frozen=True)
class Toy:
  """Predicts the next step from this one alone."""

  sizes: tuple[int, ...] = SIZES
  width: int = 8
  dropout: float = 0.0

  def init(self, key):
    keys = iter(jax.random.split(key, 2 * len(self.sizes)))
    draw = lambda shape: jax.random.normal(next(keys), shape) / 2  # noqa: E731
    return {
      'embed': {
        str(f): draw((v, self.width)) for f, v in enumerate(self.sizes)
      },
      'head': {
        str(f): {'kernel': draw((self.width, v)), 'bias': jnp.zeros(v)}
        for f, v in enumerate(self.sizes)
      },
    }

  def apply(self, params, ids, segments, positions, targets, key=None):
    fields = range(len(self.sizes))
    x = sum(params['embed'][str(f)][ids[..., f]] for f in fields)
    if key is not None and self.dropout:
      # A key a row, as steps give them.
      draw = functools.partial(
        jax.random.bernoulli, p=1 - self.dropout, shape=x.shape[1:]
      )
      x = x * jax.vmap(draw)(key)
    heads = [params['head'][str(f)] for f in fields]
    logits = tuple(x @ head['kernel'] + head['bias'] for head in heads)
    return types.SimpleNamespace(logits=logits)


def batch(seed=0, rows=4, steps=12, sizes=SIZES):
  """Returns rows of two packed pieces and some padding, ids 0 among them."""
  random = np.random.default_rng(seed)
  segments = np.zeros((rows, steps), np.int32)
  positions = np.zeros((rows, steps), np.int32)
  for row in range(rows):
    cut, end = (
      random.integers(2, steps // 2),
      random.integers(steps // 2, steps),
    )
    segments[row, :cut], segments[row, cut:end] = 1, 2
    positions[row, :cut] = np.arange(cut)
    positions[row, cut:end] = np.arange(end - cut)
  columns = [
    random.integers(int(f == 0), v, (rows, steps)) for f, v in enumerate(sizes)
  ]
  ids = np.stack(columns, -1).astype(np.int32) * (segments > 0)[..., None]
  return {
    'ids': ids,
    'segments': segments,
    'positions': positions,
    'pieces': np.where(segments > 0, segments + 10, -1).astype(np.int32),
  }


class Batches:
  """An endless, resumable stream: its state is one integer."""

  def __init__(self, rows=4, steps=12, end=None, make=batch):
    self.index, self.end = 0, end
    self.rows, self.steps, self.make = rows, steps, make

  def __iter__(self):
    return self

  def __next__(self):
    if self.index == self.end:
      raise StopIteration
    self.index += 1
    return self.make(self.index, self.rows, self.steps)

  def get_state(self):
    return {'index': self.index}

  def set_state(self, state):
    self.index = state['index']


def context(step, *, clock=None, totals=None, **more):
  """Returns what callbacks see behind a step of a run from its start."""
  return callbacks.Context(
    **{'first': 0, 'state': {}, 'metrics': {}} | more,
    step=step,
    totals=totals or Totals(),
    clock=clock or callbacks.Clock(),
  )
