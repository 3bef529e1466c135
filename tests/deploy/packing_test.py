import numpy as np
import pytest

from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import packing
from aurl_jax.deploy.packing import Packing

SHAPES = {
  'decoder/layers/0/mlp/wide/kernel': (48, 40),
  'decoder/layers/0/attention/qkv_kernel': (48, 3, 4, 12),
  'decoder/layers/0/attention/out_kernel': (4, 12, 48),
  'embed/tables/0': (70, 48),
  'metrical_embed': (33, 47),
  'decoder/norm/scale': (48,),
  'summary/query': (4, 12),
}
# By hand: the axis of each output, and those that are summed over.
OUTPUTS = {
  'decoder/layers/0/mlp/wide/kernel': (0,),
  'decoder/layers/0/attention/qkv_kernel': (0,),
  'decoder/layers/0/attention/out_kernel': (0, 1),
  'embed/tables/0': (1,),
  'metrical_embed': (1,),
}
PACKINGS = [
  Packing(bits=8),
  Packing(bits=8, group=16),
  Packing(bits=4, group=32),
  Packing(bits=4, group=7),
  Packing(bits=4),
]


def arrays():
  rng = np.random.default_rng(0)
  return {
    path: rng.normal(0, 0.02, shape).astype(np.float32)
    for path, shape in SHAPES.items()
  }


def back(found, how):
  return packing.unpack(packing.pack(found, how), SHAPES, how)


@pytest.mark.parametrize('how', PACKINGS, ids=str)
def test_what_is_stored_is_what_is_expected_of_the_shapes(how):
  stored = packing.pack(arrays(), how)
  found = {path: (x.shape, str(x.dtype)) for path, x in stored.items()}
  assert found == packing.expected(SHAPES, how)


@pytest.mark.parametrize('how', PACKINGS, ids=str)
def test_a_second_packing_changes_nothing(how):
  once = back(arrays(), how)
  twice = back(once, how)
  for path, array in once.items():
    np.testing.assert_allclose(array, twice[path], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize('path', sorted(OUTPUTS))
def test_8_bits_are_off_by_half_a_level_of_their_output(path):
  array = arrays()[path]
  level = np.abs(array).max(axis=OUTPUTS[path], keepdims=True) / 127
  found = back(arrays(), Packing(bits=8))[path]
  assert (np.abs(found - array) <= 0.5001 * level).all()
  # So many levels, and no more.
  whole = found / level
  np.testing.assert_allclose(whole, np.round(whole), atol=1e-3)


def test_4_bits_have_levels_of_their_own_in_each_group():
  path, how = 'decoder/layers/0/mlp/wide/kernel', Packing(bits=4, group=16)
  array = arrays()
  array[path][:16] *= 100
  found = back(array, how)[path]
  for first in range(0, 48, 16):
    part, old = found[first : first + 16], array[path][first : first + 16]
    for column, before in zip(part.T, old.T, strict=True):
      assert len(np.unique(np.abs(column))) <= 8
      assert np.abs(column - before).max() <= 0.31 * np.abs(before).max()
  errors = [
    np.square(back(array, Packing(bits=4, group=g))[path] - array[path])
    for g in (16, 0)
  ]
  # A group that is large does not spoil the others.
  assert errors[0][16:].sum() < errors[1][16:].sum() / 50


def test_a_scale_of_4_bits_leaves_less_error_than_that_of_the_largest():
  path, how = 'embed/tables/0', Packing(bits=4, group=24)
  array = arrays()[path]
  parts = array.reshape(70, 2, 24)
  scale = np.abs(parts).max(-1, keepdims=True) / 7
  plain = (np.round(parts / scale) * scale).reshape(array.shape)
  found = back(arrays(), how)[path]
  assert np.square(found - array).sum() < 0.95 * np.square(plain - array).sum()


def test_sizes_are_a_quarter_and_an_eighth_and_their_scales():
  array = {'wide/kernel': np.ones((768, 192), np.float32)}
  sizes = [
    sum(x.nbytes for x in packing.pack(array, packing.default(bits)).values())
    for bits in (8, 4)
  ]
  assert sizes == [768 * 192 + 4 * 192, 768 * 96 + 2 * 24 * 192]


def test_zeros_stay_zeros_and_small_arrays_lose_half_precision_alone():
  found = arrays() | {'embed/tables/0': np.zeros((70, 48), np.float32)}
  given = back(found, Packing(bits=4, group=32))
  assert not given['embed/tables/0'].any()
  for path in ('decoder/norm/scale', 'summary/query'):
    np.testing.assert_array_equal(given[path], np.float16(found[path]))


def test_every_whole_number_of_4_bits_comes_back():
  levels = np.arange(-7, 8, dtype=np.float32)
  weights = np.tile(levels, 80).reshape(75, 16)
  how = Packing(bits=4)
  stored = packing.pack({'a/kernel': weights.copy()}, how)
  whole = packing.levels_of('a/kernel', stored['a/kernel'], (75, 16), how)
  np.testing.assert_array_equal(whole, weights)


@pytest.mark.parametrize(('bits', 'group'), [(2, 0), (16, 0), (8, -1)])
def test_packings_that_there_are_not_are_refused(bits, group):
  with pytest.raises(BundleError, match='choose 8 or 4 bits') as caught:
    Packing(bits=bits, group=group)
  assert caught.value.code == 'packing'
