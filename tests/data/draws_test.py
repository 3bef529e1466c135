import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.data import draws

PIECES = 1000
KEY = jax.random.key(3)


def batch(epoch=0):
  """One segment a row, of pieces 0, 1, 2 …"""
  return {
    'segments': jnp.ones((PIECES, 1), jnp.int32),
    'pieces': jnp.arange(PIECES, dtype=jnp.int32)[:, None],
    'epochs': jnp.full(PIECES, epoch, jnp.int32),
  }


def drawer(**rooms):
  tables = {
    name: np.tile(np.array(room, np.int32), (PIECES, 1))
    for name, room in rooms.items()
  }
  return draws.Draws(rooms=tables, programs=None, velocities=None, noise=True)


def drawn(name, room, chance=1.0, epoch=0):
  chances = {name: chance, 'humanise': 1.0}
  amounts = drawer(**{name: room})(batch(epoch), KEY, chances).amounts
  return np.asarray(amounts[name])[:, 0]


def test_amounts_are_uniform_over_the_room():
  counts = collections.Counter(drawn('transpose', (-3, 6)).tolist())
  assert sorted(counts) == list(range(-3, 7))
  # Chi-square with 9 degrees of freedom: above 33.7 once in 10,000.
  expected = PIECES / 10
  assert sum((n - expected) ** 2 / expected for n in counts.values()) < 33.7


@pytest.mark.parametrize('chance', [0.0, 0.25, 1.0])
def test_a_change_happens_as_often_as_asked(chance):
  share = (drawn('stretch', (5, 9), chance) != 0).mean()
  assert abs(share - chance) < 0.04


def test_changes_and_epochs_are_drawn_apart():
  one = drawn('transpose', (-50, 50))
  for other in (
    drawn('stretch', (-50, 50)),
    drawn('transpose', (-50, 50), epoch=1),
  ):
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.08


def test_one_change_is_the_same_whatever_else_is_on():
  rooms = {'transpose': (-12, 12), 'stretch': (-15, 12)}
  chances = dict.fromkeys((*rooms, 'humanise'), 1.0)
  both = drawer(**rooms)(batch(), KEY, chances).amounts
  alone = drawn('stretch', rooms['stretch'])
  np.testing.assert_array_equal(np.asarray(both['stretch'])[:, 0], alone)


def test_extreme_amounts_survive_packing():
  for value in (-128, -1, 0, 127):
    assert (drawn('transpose', (value, value)) == value).all()


def test_noise_is_uniform_and_silent_without_a_word():
  words = jnp.full((1, 20_000), 12345, jnp.uint32)
  positions = jnp.arange(20_000, dtype=jnp.int32)[None]
  amounts = np.asarray(draws.noise(words, positions, 2))
  counts = np.bincount(amounts[0] + 2, minlength=5)
  # Chi-square with 4 degrees of freedom: above 23.5 once in 10,000.
  assert ((counts - 4000.0) ** 2 / 4000).sum() < 23.5
  assert not np.asarray(draws.noise(words * 0, positions, 2)).any()
