import math

import jax.numpy as jnp
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.training import losses, perceptual
from aurl_jax.training.losses import LossConfig

FIELDS = [
  ('kind', [('bar', 1), ('note', 1)]),
  ('pitch', [('pitch', 2), ('drum', 1)]),
]


def test_an_event_comes_before_its_field():
  found = perceptual.tables(FIELDS, {'pitch': 0.5, 'note': 3.0, 'kind': 2.0})
  assert found == ((1.0, 2.0, 3.0), (1.0, 0.5, 0.5, 0.5))
  assert perceptual.tables(FIELDS, {}) == ()
  assert perceptual.tables(FIELDS, {'drum': 0.0})[1] == (1.0, 1.0, 1.0, 0.0)


def test_text_is_read():
  assert perceptual.parse('') == {}
  assert perceptual.parse('pitch=1, velocity=0.5') == {
    'pitch': 1.0,
    'velocity': 0.5,
  }


@pytest.mark.parametrize('text', ['pitch', 'pitch=', 'pitch=loud'])
def test_other_text_is_refused(text):
  with pytest.raises(ConfigError, match='NAME=NUMBER'):
    perceptual.parse(text)


def test_wrong_weights_are_refused():
  with pytest.raises(ConfigError, match="did you mean 'pitch'"):
    perceptual.tables(FIELDS, {'pich': 1.0})
  with pytest.raises(ConfigError, match='negative'):
    perceptual.tables(FIELDS, {'pitch': -1.0})
  with pytest.raises(ConfigError, match='negative'):
    LossConfig(weights=((1.0, -1.0),))


def test_weights_by_hand():
  # One row of three steps; logits of 0 and log 3 make chances 1/4 and 3/4.
  third = math.log(3)
  logits = (
    jnp.array([[[-1e9, 0.0, third]] * 3]),
    jnp.array([[[-1e9, 0.0, -1e9, third]] * 3]),
  )
  targets = jnp.array([[[1, 3], [2, 1], [0, 0]]])
  config = LossConfig(weights=((1.0, 2.0, 3.0), (1.0, 0.5, 0.5, 0.25)))
  found = losses.sums(logits, targets, config)
  few, many = math.log(4), math.log(4 / 3)
  expected = 2 * few + 3 * many + 0.25 * many + 0.5 * few
  assert float(found['objective']) == pytest.approx(expected, rel=1e-6)
  # What is reported stays the likelihood.
  assert found['nats'].tolist() == pytest.approx([few + many] * 2, rel=1e-6)
  plain = losses.sums(logits, targets)
  assert float(plain['objective']) == pytest.approx(2 * (few + many), rel=1e-6)


def test_smoothed_targets_are_weighed_whole():
  logits = (jnp.array([[[-1e9, 0.0, math.log(3)]]]),)
  config = LossConfig(label_smoothing=0.5, weights=((1.0, 1.0, 4.0),))
  found = losses.sums(logits, jnp.array([[[2]]]), config)
  even = (math.log(4) + math.log(4 / 3)) / 2
  expected = 4 * (0.5 * math.log(4 / 3) + 0.5 * even)
  assert float(found['objective']) == pytest.approx(expected, rel=1e-6)


def test_only_what_counts_is_a_target():
  targets = jnp.array([[[3, 4], [5, 6], [0, 0]]])
  weights = jnp.array([[[1, 1], [0, 1], [1, 0]]])
  found = losses.counted(targets, weights)
  assert found.tolist() == [[[0, 4], [5, 0], [0, 0]]]
  assert losses.counted(targets, None) is targets
