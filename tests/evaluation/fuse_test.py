"""The filter: nothing that was put in is missed, little else is found."""

import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.evaluation import fuse


def hashes(count, seed=0):
  rng = np.random.default_rng(seed)
  return rng.integers(0, 2**32, (count, 2), dtype=np.uint32)


@pytest.mark.parametrize('count', [0, 1, 2, 3, 7, 50, 1000, 30_000])
def test_what_was_put_in_is_found(count):
  inside = hashes(count)
  made = fuse.build(np.concatenate([inside, inside[: count // 2]]))
  assert made.holds(inside[:, 0], inside[:, 1]).all()
  outside = hashes(400_000, seed=1)
  wrong = made.holds(outside[:, 0], outside[:, 1]).mean()
  # One in 65,536; of 400,000 draws a third more or less.
  assert wrong < 3e-5
  if count == 30_000:
    assert wrong > 5e-6
    assert made.prints.nbytes * 8 / count < 20


def test_a_device_finds_the_same():
  made = fuse.build(hashes(500))
  asked = np.concatenate([hashes(500), hashes(500, seed=2)])
  prints = jnp.asarray(made.prints)
  found = made.holds(jnp.asarray(asked[:, 0]), jnp.asarray(asked[:, 1]), prints)
  np.testing.assert_array_equal(found, made.holds(asked[:, 0], asked[:, 1]))
  assert found.dtype == bool


def test_filters_are_the_same_whatever_the_order():
  inside = hashes(300)
  one, other = fuse.build(inside), fuse.build(inside[::-1])
  assert one == other
  assert hash(one) == hash(other)
  assert one != fuse.build(inside[1:])


def test_slots_that_are_no_segments_are_refused():
  with pytest.raises(ValueError, match='10 slots are not three or more of 4'):
    fuse.Fuse(np.zeros(10, np.uint16), 0, 4)
