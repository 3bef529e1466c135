"""Means over a stream, and a last batch that is short."""

import math

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.training import losses, state, steps
from aurl_jax.training.evaluate import evaluate
from tests.training import toy


@pytest.fixture(scope='module')
def judged():
  """A step and parameters."""
  model = toy.Toy()
  params = state.create(model, optax.identity(), seed=2)['params']
  return steps.make_eval_step(model), params


def _by_hand(params, batches):
  nats, counts, correct = np.zeros((3, 2))
  tokens = 0
  for batch in batches:
    ids = batch['ids']
    targets = np.asarray(
      losses.shift_targets(jnp.asarray(ids), jnp.asarray(batch['segments']))
    )
    logits = toy.Toy().apply(params, ids, None, None, None).logits
    tokens += (targets > 0).any(-1).sum()
    for f, scores in enumerate(logits):
      scores = np.asarray(scores, np.float64)
      z = np.log(np.exp(scores).sum(-1))
      rows, times = np.nonzero(targets[..., f])
      wanted = targets[rows, times, f]
      nats[f] += (z[rows, times] - scores[rows, times, wanted]).sum()
      counts[f] += len(rows)
      correct[f] += (scores[rows, times].argmax(-1) == wanted).sum()
  return nats, counts, correct, tokens


def test_means_are_over_all_ids_of_all_batches(judged):
  batches = [toy.batch(1), toy.batch(2), toy.batch(3, rows=3)]
  found = evaluate(*judged, batches, fields=('kind', 'pitch'))
  nats, counts, correct, tokens = _by_hand(judged[1], batches)
  loss = nats.sum() / counts.sum()
  assert found == {
    'loss': pytest.approx(loss, rel=1e-5),
    'perplexity': pytest.approx(math.exp(loss), rel=1e-5),
    'accuracy': pytest.approx(correct.sum() / counts.sum()),
    'tokens': tokens,
    'nats/kind': pytest.approx(nats[0] / counts[0], rel=1e-5),
    'nats/pitch': pytest.approx(nats[1] / counts[1], rel=1e-5),
  }
  assert judged[0]._cache_size() == 1


def test_an_empty_split_says_so(judged):
  with pytest.raises(DataError, match='split is empty'):
    evaluate(*judged, [])


def test_a_split_of_padding_says_so(judged):
  padding = {name: np.zeros_like(x) for name, x in toy.batch(0).items()}
  with pytest.raises(DataError, match='split is empty'):
    evaluate(*judged, [padding])
