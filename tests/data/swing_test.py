import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.data import swing


@pytest.mark.parametrize('cells', [12, 24, 48])
def test_the_map_ascends_and_keeps_the_beat(cells):
  assert swing.is_possible(cells)
  plain, *swung = swing.table(cells)[:, :: cells // 4].tolist()
  assert plain == [0, cells // 4, cells // 2, 3 * cells // 4]
  for row, share in zip(swung, swing.SHARES[1:], strict=True):
    assert row[0] == 0
    assert row[2] == round(share * cells)
    assert row == sorted(set(row))
    assert row[3] < cells


@pytest.mark.parametrize('cells', [4, 6, 10])
def test_coarse_beats_cannot_be_swung(cells):
  assert not swing.is_possible(cells)


def test_places_follow_bars_beats_and_triplets():
  # Two bars: cells 0 and 6, then 0 and 4, 12 and 18 of the second one.
  told = np.array([[0, 1, 1, 0, 1, 1, 1, 1]], bool)
  new = np.array([[1, 0, 0, 1, 0, 0, 0, 0]], bool)
  cell = np.array([[99, 0, 6, 99, 0, 4, 12, 18]])
  places = swing.Places.of(
    cell=jnp.asarray(cell),
    told=jnp.asarray(told),
    new=jnp.asarray(new),
    amount=jnp.full((1, 8), 2),
    cells=12,
  )
  assert places.cell.tolist() == [[0, 0, 6, 0, 0, 4, 12, 18]]
  assert places.straight.tolist() == [[True] * 3 + [False] * 3 + [True] * 2]
  assert places.moved.tolist() == [[0, 0, 8, 0, 0, 4, 12, 20]]
  # From the beat to its half: longer; from the half to the next: shorter.
  assert places.longer(jnp.full((1, 8), 6)).tolist() == [
    [2, 2, -2, 0, 0, 0, 2, -2]
  ]
