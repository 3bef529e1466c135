"""Sets of windows: told apart by spoilt music, refused where too small."""

import json
import math

import numpy as np
import pytest
from scipy import linalg

from aurl_jax.evaluation import corruption, spaces
from aurl_jax.music import audio
from tests.tokens import pieces


class Bands:
  """An embedding of eight bands of a tenth of a second's spectrum, in logs.

  As ears and networks hear: in plain energy a few loud windows are all that a
  kernel of the third power sees.
  """

  name, rate = 'bands', 4_000

  def __call__(self, sound):
    count = max(1, len(sound) // 400)
    sound = np.resize(sound, count * 400).reshape(count, 400)
    heights = abs(np.fft.rfft(sound, axis=1))[:, 1:]
    return np.log1p(heights.reshape(count, 8, 25).sum(axis=2))


def some(first, count=40):
  return [pieces.piece(seed, notes=20) for seed in range(first, first + count)]


@pytest.fixture(scope='module')
def sets():
  return [spaces.heard(some(k), Bands(), seconds=4) for k in (0, 100)]


def test_windows_are_of_what_is_played(sets):
  wanted = [
    Bands()(audio.render(notes, rate=4_000, seconds=4)) for notes in some(0)
  ]
  np.testing.assert_array_equal(sets[0].rows, np.concatenate(wanted))
  np.testing.assert_array_equal(
    sets[0].owner, np.repeat(np.arange(40), [len(x) for x in wanted])
  )
  assert max(map(len, wanted)) <= 40
  done = []
  spaces.heard(some(0, 2), Bands(), seconds=1, told=lambda *x: done.append(x))
  assert done == [(1, 2), (2, 2)]


def test_the_plain_distance_is_that_of_all_windows(sets):
  found = spaces.distances(*sets)['frechet']
  one, other = (each.rows for each in sets)
  first, second = (np.cov(x, rowvar=False) for x in (one, other))
  root = linalg.sqrtm(first @ second).real
  wanted = ((one.mean(0) - other.mean(0)) ** 2).sum()
  wanted += np.trace(first + second - 2 * root)
  # Covariances are shrunk, of so many windows by little.
  assert found['plain'] == pytest.approx(wanted, rel=0.1)
  assert found['pieces'] == 40
  assert found['windows'] == [len(one), len(other)]
  assert found['without'] == [0, 0]


def test_spoilt_music_is_farther(sets):
  alike = spaces.distances(*sets)
  # The music is random itself, so that noise is not much worse.
  spoilt = [corruption.noise(x, 1.0, i) for i, x in enumerate(some(0))]
  found = spaces.distances(spaces.heard(spoilt, Bands(), seconds=4), sets[1])
  assert found['frechet']['plain'] > 1.3 * alike['frechet']['plain']
  assert found['kernel']['distance'] > alike['kernel']['distance']
  assert found['frechet']['floor'] == alike['frechet']['floor']


def test_equal_seeds_give_equal_figures(sets):
  assert spaces.distances(*sets, seed=3) == spaces.distances(*sets, seed=3)
  assert spaces.distances(*sets, seed=3) != spaces.distances(*sets, seed=4)


@pytest.mark.parametrize(('count', 'windows'), [(0, 0), (1, 3), (31, 1)])
def test_too_few_pieces_have_a_reason(count, windows, sets):
  rng = np.random.default_rng(0)
  few = spaces.gathered(
    [rng.normal(size=(windows, 8)) for _ in range(count)] + [np.zeros((0, 8))]
  )
  assert few.pieces == count
  for found in (spaces.distances(few, sets[0]), spaces.distances(sets[0], few)):
    told = json.loads(json.dumps(found, allow_nan=False))
    assert set(told) == {'frechet', 'kernel'}
    for each in told.values():
      assert f'{count} ' in each['why'] or f'of {count}' in each['why']
      assert sorted(each['without']) == [0, 1]


def test_many_windows_are_drawn_from_by_pieces():
  rng = np.random.default_rng(1)
  many = spaces.gathered(rng.normal(size=(70, 50, 3)))
  found = spaces.distances(many, many)
  assert math.isfinite(found['kernel']['distance'])
  assert found['kernel']['windows'] == [3500, 3500]
