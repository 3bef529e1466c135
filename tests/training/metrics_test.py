"""Sums on the devices against sums in Python."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.training import metrics
from aurl_jax.training.metrics import Totals, TrainingError


def _metrics(nats, counts, bad=0, rate=0.5):
  return {
    'objective': jnp.float32(sum(nats)),
    'nats': jnp.array(nats, jnp.float32),
    'counts': jnp.array(counts, jnp.int32),
    'correct': jnp.array([1, 0], jnp.int32),
    'tokens': jnp.int32(max(counts)),
    'grad_norm': jnp.float32(rate),
    'learning_rate': jnp.float32(rate),
    'bad_step': jnp.int32(bad),
  }


def test_summary_is_a_mean_over_ids_not_over_steps():
  totals = Totals()
  totals.add(_metrics([4.0, 2.0], [2, 1]))
  totals.add(_metrics([8.0, 0.0], [8, 1], rate=0.25))
  found = metrics.summary(totals.fetch(), ['kind', 'pitch'])
  assert found == {
    'loss': pytest.approx(14 / 12),
    'objective': pytest.approx(14 / 12),
    'accuracy': pytest.approx(2 / 12),
    'tokens': 10,
    'nats/kind': pytest.approx(1.2),
    'nats/pitch': pytest.approx(1.0),
    'grad_norm': pytest.approx(0.375),
    'learning_rate': 0.25,
  }


def test_saved_sums_go_on_bit_for_bit_through_json():
  whole, first = Totals(), Totals()
  third = [_metrics([1 / 3, 0.1 * i], [3, i]) for i in range(1, 5)]
  for one in third:
    whole.add(one)
  for one in third[:2]:
    first.add(one)
  second = Totals(json.loads(json.dumps(first.save())))
  for one in third[2:]:
    second.add(one)
  for name, expected in whole.fetch().items():
    np.testing.assert_array_equal(second.fetch()[name], expected)


def test_reset_forgets_and_empty_sums_save():
  totals = Totals()
  totals.add(_metrics([1.0, 1.0], [1, 1]))
  totals.reset()
  assert totals.save() == {}
  totals.check()
  totals.add(_metrics([2.0, 1.0], [1, 1]))
  assert metrics.summary(totals.fetch())['loss'] == pytest.approx(1.5)


def test_the_first_bad_step_is_the_one_that_is_named():
  totals = Totals()
  for bad in (0, 7, 8, 0):
    totals.add(_metrics([1.0, 1.0], [1, 1], bad=bad))
  with pytest.raises(TrainingError, match=r'step 7: .*learning_rate'):
    totals.check()


def test_nothing_counted_is_zero():
  totals = Totals()
  totals.add(_metrics([0.0, 0.0], [0, 0]))
  assert metrics.summary(totals.fetch(), ['a', 'b'])['nats/b'] == 0


def test_names_must_be_as_many_as_fields():
  totals = Totals()
  totals.add(_metrics([0.0, 0.0], [1, 1]))
  with pytest.raises(ValueError, match='zip'):
    metrics.summary(totals.fetch(), ['only one'])
