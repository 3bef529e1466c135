"""Sums on the devices against sums in Python."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.training import metrics
from aurl_jax.training.metrics import Totals


def _metrics(nats, counts, skipped=0, rate=0.5, norm=0.5):
  return {
    'objective': jnp.float32(sum(nats)),
    'nats': jnp.array(nats, jnp.float32),
    'counts': jnp.array(counts, jnp.int32),
    'correct': jnp.array([1, 0], jnp.int32),
    'tokens': jnp.int32(max(counts)),
    'grad_norm': jnp.float32(norm),
    'learning_rate': jnp.float32(rate),
    'skipped': jnp.int32(skipped),
    'streak': jnp.int32(skipped),
    'cause': jnp.int32(skipped),
  }


def test_summary_is_a_mean_over_ids_not_over_steps():
  totals = Totals()
  totals.add(_metrics([4.0, 2.0], [2, 1]))
  totals.add(_metrics([8.0, 0.0], [8, 1], rate=0.25, norm=0.25))
  found = metrics.summary(totals.fetch(), ['kind', 'pitch'])
  assert found == {
    'loss': pytest.approx(14 / 12),
    'objective': pytest.approx(14 / 12),
    'accuracy': pytest.approx(2 / 12),
    'tokens': 10,
    'nats/kind': pytest.approx(1.2),
    'nats/pitch': pytest.approx(1.0),
    'grad_norm': pytest.approx(0.375),
    'skipped': 0,
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
  totals.add(_metrics([2.0, 1.0], [1, 1]))
  assert metrics.summary(totals.fetch())['loss'] == pytest.approx(1.5)


def test_skipped_steps_are_counted_and_are_no_part_of_means():
  totals = Totals()
  totals.add(_metrics([4.0, 2.0], [2, 1], norm=0.75))
  totals.add(_metrics([0.0, 0.0], [0, 0], skipped=1, norm=0.0))
  fetched = totals.fetch()
  assert fetched['streak'] == fetched['cause'] == 1
  found = metrics.summary(fetched)
  assert found['skipped'] == 1
  assert found['loss'] == pytest.approx(2.0)
  assert found['grad_norm'] == pytest.approx(0.75)
  totals.add(_metrics([1.0, 1.0], [1, 1]))
  assert totals.fetch()['streak'] == 0


def test_where_all_was_skipped_there_is_no_mean():
  totals = Totals()
  totals.add(_metrics([0.0, 0.0], [0, 0], skipped=1))
  found = metrics.summary(totals.fetch(), ['kind', 'pitch'])
  assert found == {'tokens': 0, 'skipped': 1, 'learning_rate': 0.5}


def test_nothing_counted_is_zero():
  totals = Totals()
  totals.add(_metrics([0.0, 0.0], [0, 0]))
  assert metrics.summary(totals.fetch(), ['a', 'b'])['nats/b'] == 0


def test_names_must_be_as_many_as_fields():
  totals = Totals()
  totals.add(_metrics([0.0, 0.0], [1, 1]))
  with pytest.raises(ValueError, match='zip'):
    metrics.summary(totals.fetch(), ['only one'])
