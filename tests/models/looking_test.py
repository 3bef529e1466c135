"""The stream between layers is the one that makes the logits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.models import looking
from tests.models.functional_test import build, piece, rows


@pytest.mark.parametrize(
  'options', [{}, {'scan': True}, {'positions': 'rope', 'layers': 1}]
)
def test_the_last_stream_makes_the_logits(options):
  model, params = build(**options)
  ids, segments, positions, targets = rows(piece(13, 1), piece(9, 2))
  found = looking.states(model, params, ids, segments, positions)
  assert found.shape[0] == model.config.layers + 1
  module = model.bind(params)
  np.testing.assert_allclose(found[0], module.embedded(ids), atol=1e-6)
  last = np.asarray(found[-1])
  scale = np.asarray(params['decoder']['norm']['scale'])
  root = np.sqrt(np.square(last).mean(axis=-1, keepdims=True) + 1e-6)
  got = module.logits(jnp.asarray(last / root * scale), ids, segments, targets)
  want = model.logits(params, ids, segments, positions, targets)
  for one, other in zip(got, want, strict=True):
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_layers_add_up_one_by_one():
  """Of two layers the stream behind the first is that of a model of one."""
  model, params = build(layers=2)
  short, _ = build(layers=1)
  one = jax.tree.map(lambda x: x, params)
  one['decoder'] = {**params['decoder'], 'layers': {}}
  one['decoder']['layers'] = {'0': params['decoder']['layers']['0']}
  batch = rows(piece(13, 1))[:3]
  np.testing.assert_allclose(
    looking.states(model, params, *batch)[:2],
    looking.states(short, one, *batch),
    atol=1e-6,
  )


def test_a_hierarchy_has_no_layer_of_all_steps():
  model, params = build(pattern='hierarchy')
  with pytest.raises(ConfigError, match='hierarchy'):
    looking.states(model, params, *rows(piece(13, 1))[:3])
