import json

import numpy as np
import pytest

from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import sealed

ARRAYS = {'a': np.arange(5, dtype=np.uint16), 'b': np.ones((2, 3), np.float32)}
DATA = sealed.seal(ARRAYS, {'format': 3, 'more': ['x', None]})


def unseal(data, version=3):
  return sealed.unseal(data, 'it.safetensors', version, 'bake it again')


def test_arrays_and_config_come_back():
  config, arrays = unseal(DATA)
  assert config == {'format': 3, 'more': ['x', None]}
  assert arrays.keys() == ARRAYS.keys()
  for name, array in arrays.items():
    assert array.dtype == ARRAYS[name].dtype
    np.testing.assert_array_equal(array, ARRAYS[name])


def test_files_are_the_same_each_time():
  again = {
    sealed.seal(ARRAYS, {'format': 3, 'more': ['x', None]}) for _ in '12345'
  }
  assert again == {DATA}


def test_any_flipped_bit_is_found():
  for at in range(len(DATA)):
    data = bytearray(DATA)
    data[at] ^= 1 << (at % 8)
    with pytest.raises(BundleError) as caught:
      unseal(bytes(data))
    assert caught.value.code == 'altered'
  for part in (b'', DATA[:7], DATA[:-1], b'\xff' * 40):
    with pytest.raises(BundleError, match='remove it and bake it again'):
      unseal(part)


def test_another_format_is_refused():
  with pytest.raises(BundleError, match=r'3.*reads 4.*or bake') as caught:
    unseal(DATA, version=4)
  assert caught.value.code == 'format'


def test_the_header_is_that_of_safetensors():
  size = int.from_bytes(DATA[:8], 'little')
  header = json.loads(DATA[8 : 8 + size])
  assert {'a', 'b', '__metadata__'} == header.keys()
