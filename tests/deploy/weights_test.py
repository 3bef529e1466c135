import pathlib

import numpy as np
import pytest

from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import weights
from aurl_jax.deploy.packing import Packing
from tests.generation import writers

HERE = pathlib.Path('b/weights.safetensors')


@pytest.fixture(scope='module')
def parts():
  return writers.model_of('grid')


@pytest.mark.parametrize(
  ('dtype', 'config'),
  [
    ('float32', {}),
    ('float16', {'weights': 'float16'}),
    ('float32', {'weights': 'packed', 'packing': {'bits': 8, 'group': 0}}),
  ],
)
def test_params_come_back_as_they_are_stored(parts, dtype, config):
  model, params = parts
  packing = Packing(**config['packing']) if 'packing' in config else None
  data = weights.to_bytes(weights.arrays(params), dtype, packing)
  found = weights.arrays(weights.params(HERE, model, data, config))
  for path, array in weights.arrays(params).items():
    assert found[path].dtype == np.float32
    most = np.abs(array).max()
    np.testing.assert_allclose(found[path], array, atol=most / 200)


def test_other_params_are_refused_by_name(parts):
  model, params = parts
  arrays = weights.arrays(params)
  arrays['decoder/norm/scale'] = np.ones(3, np.float32)
  data = weights.to_bytes(arrays, 'float32', None)
  with pytest.raises(BundleError, match='decoder/norm/scale differ') as caught:
    weights.params(HERE, model, data, {})
  assert caught.value.code == 'other_model'


def test_what_is_no_safetensors_file_is_refused(parts):
  with pytest.raises(BundleError, match='no safetensors file'):
    weights.params(HERE, parts[0], b'PK', {})


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_no_numbers_are_refused_in_few_bits_too(parts, value):
  arrays = weights.arrays(parts[1])
  path = 'decoder/norm/scale'
  arrays[path] = np.full_like(arrays[path], value)
  with pytest.raises(BundleError, match='8 bits cannot'):
    weights.to_bytes(arrays, 'float32', Packing(bits=8))
