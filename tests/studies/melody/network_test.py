"""The network in numpy against itself in jax, and through its file."""

import importlib.util

import jax
import numpy as np
import pytest
import safetensors.numpy

from aurl_jax.music.notes import Notes
from aurl_jax.studies.melody import facts, network


def piece(many=60, seed=0):
  rng = np.random.default_rng(seed)
  return Notes.build(
    480,
    {
      'onset': np.sort(rng.integers(0, many * 120, many)),
      'duration': rng.integers(60, 400, many),
      'pitch': rng.integers(36, 90, many),
      'velocity': rng.integers(30, 110, many),
    },
  )


@pytest.fixture(scope='module')
def tool(repository):
  path = repository / 'tools/fit_melody.py'
  spec = importlib.util.spec_from_file_location('fit_melody', path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


@pytest.mark.parametrize('number', [0, 1])
def test_what_is_fitted_is_what_is_heard(tool, number):
  found = facts.find(piece())
  wide = found.rows.shape[1]
  params = tool.begin(number, wide)
  rng = np.random.default_rng(number)
  params['out'] = rng.normal(size=params['out'].shape).astype(np.float32)
  rows = np.zeros((1, 80, wide), np.float32)
  near = np.zeros((1, 80, 2), np.int32)
  mask = np.zeros((1, 80), np.float32)
  rows[0, :60], near[0, :60], mask[0, :60] = found.rows, found.near, 1
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(jax.random, 'bernoulli', lambda key, p, shape: 0.9)
    odds = tool.apply(params, rows, near, mask, jax.random.key(0))
  want = np.asarray(jax.nn.log_softmax(odds[0, :60]))
  arrays = {name: np.asarray(array) for name, array in params.items()}
  arrays |= {'mean': np.zeros(wide), 'std': np.ones(wide)}
  arrays = {name: a.astype(np.float32) for name, a in arrays.items()}
  got = network.Pass(arrays, tool.STEPS[number])(found.rows, found.near)
  np.testing.assert_allclose(got, want, atol=2e-3)


def test_the_file_says_nearly_what_went_into_it(tmp_path):
  one, two = network.load()
  path = tmp_path / 'roles.safetensors'
  path.write_bytes(network.packed((one, two)))
  back = network.load(path)
  for before, after in zip((one, two), back, strict=True):
    assert after.steps == before.steps
    for name, array in before.arrays.items():
      off = np.abs(after.arrays[name] - array).max()
      assert off <= np.abs(array).max() / 100


def test_the_shipped_file_is_small_and_bytes():
  assert network.PATH.stat().st_size < 300_000
  stored = safetensors.numpy.load_file(network.PATH)
  assert {str(stored[f'{n}.w0'].dtype) for n in (0, 1)} == {'int8'}


def test_roles_are_chances():
  found = facts.find(piece(300))
  chance = network.roles(found)
  assert chance.shape == (300, 3)
  np.testing.assert_allclose(chance.sum(axis=1), 1, atol=1e-4)
  assert (chance >= 0).all()
  assert network.roles(facts.find(Notes.build(480))).shape == (0, 3)


def test_long_pieces_are_heard_in_parts_that_overlap():
  one, _ = network.load()
  found = facts.find(piece(5000))
  whole = one(found.rows, found.near)
  low = 2048 - 256
  near = np.clip(found.near[low : low + 2560] - low, 0, 2559)
  part = one(found.rows[low : low + 2560], near)
  assert whole.shape == (5000, 3)
  assert np.isfinite(whole).all()
  # Heard as its second part is, but for what lies beyond either end.
  off = np.abs(np.exp(whole[2048:4096]) - np.exp(part[256:2304]))
  assert np.median(off) < 0.02
