"""The loss against a naive one in numpy, step by step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.training import losses
from tests.training import toy


def _logits(seed=0, rows=4, steps=12):
  random = np.random.default_rng(seed)
  return tuple(
    jnp.asarray(random.normal(size=(rows, steps, v)) * 2, jnp.float32)
    for v in toy.SIZES
  )


def _targets(batch):
  ids, segments = jnp.asarray(batch['ids']), jnp.asarray(batch['segments'])
  return losses.shift_targets(ids, segments)


def _naive(logits, batch, smoothing=0.0, z_loss=0.0):
  """Loops over every step; float64."""
  fields = len(logits)
  nats, counts, correct = (
    np.zeros(fields),
    np.zeros(fields, int),
    np.zeros(fields, int),
  )
  objective, tokens = 0.0, 0
  ids, segments = batch['ids'], batch['segments']
  for row in range(ids.shape[0]):
    for t in range(ids.shape[1] - 1):
      if segments[row, t] == 0 or segments[row, t + 1] != segments[row, t]:
        continue
      tokens += any(ids[row, t + 1])
      for f in range(fields):
        target = ids[row, t + 1, f]
        if target == 0:
          continue
        scores = np.asarray(logits[f][row, t], np.float64)
        z = np.log(np.exp(scores).sum())
        chances = scores - z
        nats[f] -= chances[target]
        counts[f] += 1
        correct[f] += int(scores.argmax() == target)
        even = -chances[1:].mean()
        objective += (1 - smoothing) * -chances[target] + smoothing * even
        objective += z_loss * z**2
  return nats, counts, correct, objective, tokens


@pytest.mark.parametrize(('smoothing', 'z_loss'), [(0.0, 0.0), (0.1, 0.01)])
def test_sums_equal_a_naive_loss(smoothing, z_loss):
  batch, logits = toy.batch(3), _logits()
  config = losses.LossConfig(label_smoothing=smoothing, z_loss=z_loss)
  targets = _targets(batch)
  sums = losses.sums(logits, targets, config)
  nats, counts, correct, objective, tokens = _naive(
    logits, batch, smoothing, z_loss
  )
  np.testing.assert_allclose(sums['nats'], nats, rtol=1e-5)
  np.testing.assert_array_equal(sums['counts'], counts)
  np.testing.assert_array_equal(sums['correct'], correct)
  np.testing.assert_allclose(sums['objective'], objective, rtol=1e-5)
  assert int(sums['tokens']) == tokens


def test_targets_stay_inside_their_piece():
  ids = jnp.arange(1, 9).reshape(1, 8, 1)
  segments = jnp.array([[1, 1, 1, 2, 2, 3, 0, 0]])
  targets = losses.shift_targets(ids, segments)
  assert targets[0, :, 0].tolist() == [2, 3, 0, 5, 0, 0, 0, 0]


def test_padding_has_neither_loss_nor_gradient():
  batch, logits = toy.batch(1), _logits(1)
  targets = _targets(batch)
  gradient = jax.grad(lambda s: losses.sums(s, targets)['objective'])(logits)
  for field, slope in enumerate(gradient):
    counted = np.asarray(targets[..., field] != 0)
    assert np.abs(np.asarray(slope)[~counted]).max() == 0
    assert np.abs(np.asarray(slope)[counted]).max(-1).min() > 0


def test_nothing_to_predict_is_a_loss_of_zero():
  batch = toy.batch(0)
  targets = jnp.zeros_like(batch['ids'])
  sums = losses.sums(_logits(), targets)
  assert float(losses.mean(sums['nats'].sum(), sums['counts'].sum())) == 0


@pytest.mark.parametrize('wrong', [{'label_smoothing': 1.0}, {'z_loss': -1.0}])
def test_a_config_that_makes_no_sense_is_refused(wrong):
  with pytest.raises(ConfigError, match=next(iter(wrong))):
    losses.LossConfig(**wrong)
