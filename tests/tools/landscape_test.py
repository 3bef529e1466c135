"""Directions of a loss landscape, judged filter by filter."""

import csv
import importlib

import jax.numpy as jnp
import numpy as np
import pytest


@pytest.fixture(scope='module')
def landscape(tool_folder):
  return importlib.import_module('loss_landscape')


def drawn(shape, seed):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
  ('path', 'shape', 'filters'),
  [
    ('decoder/layers/0/mlp/wide/kernel', (6, 4), lambda x: x.T),
    (
      'decoder/layers/0/attention/qkv_kernel',
      (6, 3, 2, 4),
      lambda x: x.reshape(6, -1).T,
    ),
    (
      'decoder/layers/0/attention/out_kernel',
      (2, 4, 6),
      lambda x: x.reshape(8, 6).T,
    ),
    ('embed/tables/0', (9, 4), lambda x: x),
  ],
)
def test_filters_have_the_norms_of_the_model_s(landscape, path, shape, filters):
  leaf, random = drawn(shape, 1), drawn(shape, 2)
  found = np.asarray(landscape.normalised(random, leaf, path))
  for new, own, old in zip(
    filters(found), filters(leaf), filters(random), strict=True
  ):
    assert np.sqrt((new**2).sum()) == pytest.approx(np.sqrt((own**2).sum()))
    cosine = new @ old / np.sqrt((new @ new) * (old @ old))
    assert cosine == pytest.approx(1)


def test_gains_stay_and_scale_does_not_matter(landscape):
  gain = landscape.normalised(jnp.ones(4), jnp.ones(4), 'decoder/norm/scale')
  assert not gain.any()
  leaf, random = drawn((6, 4), 1), drawn((6, 4), 2)
  once = landscape.normalised(random, leaf, 'mlp/wide/kernel')
  twice = landscape.normalised(random * 7, leaf, 'mlp/wide/kernel')
  np.testing.assert_allclose(once, twice, rtol=1e-5)
  dead = landscape.normalised(random, np.zeros_like(leaf), 'mlp/wide/kernel')
  assert not dead.any()


def test_the_plane_is_the_loss_along_both_directions(landscape):
  params = {
    'mlp': {'kernel': jnp.asarray(drawn((3, 2), 4))},
    'norm': {'scale': jnp.ones(2)},
  }

  def loss(params):
    return float(
      jnp.sum(params['mlp']['kernel'] ** 2) + params['norm']['scale'].sum()
    )

  sides = np.linspace(-1, 1, 5)
  found = landscape.plane(loss, params, sides, seed=3)
  again = landscape.plane(loss, params, sides, seed=3)
  np.testing.assert_array_equal(found, again)
  assert found[2, 2] == pytest.approx(loss(params))
  first, second = landscape.directions(params, seed=3)
  kernel = np.asarray(params['mlp']['kernel'])
  one, two = (np.asarray(tree['mlp']['kernel']) for tree in (first, second))
  assert not np.allclose(one, two)
  for i, x in enumerate(sides):
    for j, y in enumerate(sides):
      expected = ((kernel + x * one + y * two) ** 2).sum() + 2
      assert found[i, j] == pytest.approx(expected, rel=1e-5)


def test_what_is_written_can_be_read(landscape, tmp_path):
  sides = np.array([-0.5, 0.0, 0.5])
  losses = np.arange(9.0).reshape(3, 3)
  landscape.write(tmp_path / 'found.csv', sides, losses)
  rows = list(csv.DictReader((tmp_path / 'found.csv').open()))
  assert len(rows) == 9
  assert rows[5] == {'x': '0', 'y': '0.5', 'loss': '5'}
  losses[2, 2] = np.nan
  said = landscape.summary(sides, losses)
  assert 'loss 4.0000 in the middle, lowest 0.0000 at (-0.50, -0.50)' in said
  landscape.draw(sides, losses, 'a title').savefig(tmp_path / 'a.png')
  assert (tmp_path / 'a.png').stat().st_size > 1000
