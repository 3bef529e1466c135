"""What a one-shot decoder is trained by: its piano roll against the music's.

Means over the cells that pieces have, of sums over pitches, in nats a cell.
Begins and sounds are binary; of a hundred pitches few are there, so that the
easy ones, which are right already, count less and less: the focal loss of Lin
et al. 2017, section 3. The velocity is a squared error where notes begin
(Hawthorne et al. 2018, "Onsets and Frames"). Axes: `b` batch, `c` cells, `p`
pitches, `n` any.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from aurl_jax.core.errors import ConfigError

FRAMES = 'frames'
"""Name of the loss among the auxiliary ones."""
_POSITIVE = 2.0
_GAMMA = 1.0
"""Milder than the 2 that detection takes: probabilities then stay near what
they say, and the threshold near a half."""


def frames(outputs: Any, batch: Mapping[str, Any]) -> Float[Array, '']:
  """Returns the loss of a one-shot decoder, an auxiliary one."""
  del batch
  aux = rolls(outputs, FRAMES)
  total = sum(
    binary(aux[f'frames/{name}'], aux[f'roll/{name}'], _POSITIVE, _GAMMA)
    for name in ('onset', 'sustain')
  )
  loud = jax.nn.sigmoid(aux['frames/velocity']) - aux['roll/velocity']
  # Tokenizations without velocities tell 0, which no note has.
  told = aux['roll/velocity'] > 0
  total = total + jnp.where(told, loud**2, 0)
  return by_cell(total, aux['roll/cells'])


def rolls(outputs: Any, name: str) -> Mapping[str, Array]:
  """Returns the outputs of a model that has a one-shot decoder.

  Raises:
    ConfigError: It has none; `name` is the loss that asks.
  """
  aux: Mapping[str, Array] = getattr(outputs, 'aux', {})
  if 'frames/onset' not in aux:
    raise ConfigError(
      f'auxiliary loss {name!r}: the model has no one-shot decoder; set '
      'model.latent.oneshot to 2, say, or leave the loss out'
    )
  return aux


def binary(
  logits: Float[Array, '*n'],
  target: Float[Array, '*n'],
  positive: float = 1.0,
  gamma: float = 0.0,
) -> Float[Array, '*n']:
  """Returns the cross-entropy of what is there or not, in nats.

  Args:
    logits: Of its being there.
    target: 1 where it is, else 0.
    positive: How much more what is there counts.
    gamma: Power of the probability of the wrong answer that each is weighed
      with; 0 for none.

  Example:
    >>> float(binary(jnp.zeros(()), jnp.ones(()), 2.0, 1.0))  # 2 * 0.5 * ln 2
    0.6931471824645996
  """
  signed = jnp.where(target > 0, logits, -logits)
  nats = jax.nn.softplus(-signed) * jnp.where(target > 0, positive, 1.0)
  return nats * jax.nn.sigmoid(-signed) ** gamma if gamma else nats


def by_cell(
  values: Float[Array, 'b c p'], cells: Bool[Array, 'b c']
) -> Float[Array, '']:
  """Returns the mean over cells that count of sums over pitches."""
  total = jnp.where(cells, values.sum(-1), 0).sum()
  return total / jnp.maximum(cells.sum(), 1)
