"""A tiny generator with latents, its critic, and rows: quick to compile."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from aurl_jax.models import Model, ModelConfig
from aurl_jax.models.config import LatentConfig
from aurl_jax.models.critic import Critic, CriticConfig
from aurl_jax.models.replay import Replay
from aurl_jax.tokens.marks import COUNT, Marks
from aurl_jax.training.gan import Gan, GanConfig
from tests.models.counting import Counting

SIZES = (7, 6)
BOS, EOS = 1, 2
STEPS, ROWS = 8, 4


class Left(NamedTuple):
  steps: jax.Array
  ended: jax.Array


@dataclasses.dataclass(frozen=True)
class Short:
  """Sequences of BOS, steps of ids above EOS, and EOS within the budget."""

  def init(self, budget):
    return Left(jnp.int32(budget), jnp.bool_(False))

  def mask(self, state, field, partial):
    ids = jnp.arange(SIZES[field])
    if field:
      silent = state.ended | (partial[0] == EOS)
      return jnp.where(silent, ids == 0, ids > 0)
    going = jnp.where(state.steps > 1, ids >= EOS, ids == EOS)
    return jnp.where(state.ended, ids == 0, going)

  def advance(self, state, step):
    over = state.ended | (step[0] == EOS) | (step[0] == 0)
    return Left(state.steps - 1, over)

  def distance(self, state):
    return jnp.where(state.ended, 0, 1)


def marks():
  rng = np.random.default_rng(0)
  return Marks(
    tuple(
      (rng.random((size, COUNT)) < 0.2).astype(np.float32).tobytes()
      for size in SIZES
    )
  )


LATENT = LatentConfig(slot=3, piece=2, slots=3, layers=1)
MODEL = Model.build(
  ModelConfig(
    mode='vae_gan',
    width=8,
    layers=1,
    heads=2,
    head_width=4,
    context=STEPS,
    dropout=0.0,
    latent=LATENT,
  ),
  SIZES,
  Counting(cells=60),
)
CRITIC = Critic(
  CriticConfig(width=8, layers=1, beats=4, bars=2), SIZES, MODEL.places, marks()
)
REPLAY = Replay(MODEL, Short(), (BOS, 0))


def gan(**changes):
  options = {'steps': 1, 'ramp': 2, 'warmup': 1, 'penalty_every': 2} | changes
  return Gan(GanConfig(**options), CRITIC, REPLAY)


def batch(seed=0, rows=ROWS):
  """Rows of one piece each; the last one is empty, as bad ones are."""
  rng = np.random.default_rng(seed)
  ids = rng.integers(3, 6, (rows, STEPS, 2))
  ids[:, 0] = BOS, 0
  length = rng.integers(4, STEPS + 1, rows)
  length[-1] = 0
  segments = np.arange(STEPS) < length[:, None]
  for row in range(rows - 1):
    ids[row, length[row] - 1] = EOS, 0
  return {
    'ids': jnp.asarray(ids * segments[..., None], jnp.int32),
    'segments': jnp.asarray(segments, jnp.int32),
    'positions': jnp.broadcast_to(jnp.arange(STEPS), (rows, STEPS)),
  }


def ajar(state):
  """The state as an open gate leaves it."""
  return state | {'gan': state['gan'] | {'open': jnp.ones(())}}
