"""Figures of latents, against a made-up model and plain numpy."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.models.latent import Latents, Posterior
from aurl_jax.training import telemetry

ROWS, SLOTS = 6, 3


class Told:
  """A model whose latents tell `strength` times the first ids of a row."""

  def __init__(self, strength):
    self.strength = strength

  def posterior(self, params, ids, segments):
    del params
    real = segments > 0
    seen = self.strength * ids[:, :SLOTS, 0].astype(jnp.float32)
    still = jnp.zeros_like(seen)
    mean = Latents(slots=jnp.stack([seen, still], axis=-1), piece=still[:, :1])
    logs = Latents(
      slots=jnp.full_like(mean.slots, -2.0), piece=jnp.zeros_like(mean.piece)
    )
    return Posterior(mean=mean, log_variance=logs, used=real[:, :SLOTS])

  def log_probs(
    self, params, ids, segments, positions, targets, key=None, latents=None
  ):
    del params, ids, segments, positions, key
    wrong = jnp.abs(targets[:, :1, 0] - latents.slots[:, 1:2, 0]) + 0.5
    return jnp.where(targets > 0, -wrong[..., None], 0)


def batch(seed=0):
  ids = np.random.default_rng(seed).integers(1, 9, (ROWS, 5, 1))
  segments = np.ones((ROWS, 5), np.int32)
  segments[-1] = 0
  return {
    'ids': ids.astype(np.int32) * segments[..., None],
    'segments': segments,
    'positions': np.zeros((ROWS, 5), np.int32),
  }


def figures(strength):
  step = telemetry.make_telemetry(Told(strength))
  return telemetry.measure(step, {}, [batch(0), batch(1)])


def test_figures_by_hand():
  found = figures(1.0)
  own, other, ids, kl, told, slots = 0.0, 0.0, 0, [], 0.0, 0
  for seed in (0, 1):
    x = batch(seed)['ids'][:, :, 0].astype(float)
    for row in range(1, ROWS - 1):
      # Of five steps four have one that follows.
      own += 4 * 0.5
      other += 4 * (abs(x[row, 1] - x[row - 1, 1]) + 0.5)
      ids += 4
    real = x[:-1, :SLOTS].reshape(-1)
    kl += [0.5 * (math.exp(-2) + m * m - 1 + 2) for m in real]
    variance = math.exp(-2)
    for m in real:
      densities = np.exp(-0.5 * (m - real) ** 2 / variance)
      told += -math.log(densities.mean())
      slots += 1
  assert (found['latents/units'], found['latents/units_of']) == (1, 3)
  assert found['latents/shuffled'] == pytest.approx((other - own) / ids)
  assert found['latents/gap'] == pytest.approx((other - own) / own)
  assert found['latents/kl_most'] == pytest.approx(np.mean(kl), rel=1e-5)
  still = 0.5 * (math.exp(-2) - 1 + 2)
  assert found['latents/kl_least'] == pytest.approx(still, rel=1e-5)
  assert found['latents/information'] == pytest.approx(told / slots, rel=1e-4)


def test_latents_that_tell_nothing():
  found = figures(0.0)
  assert found['latents/units'] == 0
  assert found['latents/gap'] == 0
  assert found['latents/information'] == pytest.approx(0, abs=1e-5)


def test_nothing_to_measure_on():
  step = telemetry.make_telemetry(Told(1.0))
  with pytest.raises(DataError, match='empty'):
    telemetry.measure(step, {}, [])
