"""Orders that favour nothing, by counting."""

import itertools
from collections import Counter

import pytest

from aurl_jax.listening import order


@pytest.mark.parametrize('count', [1, 2, 3, 4, 7, 10])
def test_over_all_rows_places_and_neighbours_are_even(count):
  square = order.rows(count).tolist()
  assert all(sorted(row) == list(range(count)) for row in square)
  places = Counter((t, p) for row in square for p, t in enumerate(row))
  assert len(set(places.values())) == 1
  assert len(places) == count * count
  follow = Counter(pair for row in square for pair in itertools.pairwise(row))
  assert len(follow) == count * (count - 1)
  assert len(set(follow.values())) <= 1


@pytest.mark.parametrize('count', [5, 6])
def test_listeners_fill_the_square_and_exchange_sides(count):
  many = 2 * len(order.rows(count))
  orders = [order.of(number, count, seed=4) for number in range(many)]
  places = Counter((t, p) for o in orders for p, t in enumerate(o.trials))
  assert len(set(places.values())) == 1
  for one, other in zip(orders[::2], orders[1::2], strict=True):
    assert one.trials == other.trials
    assert all(a != b for a, b in zip(one.flipped, other.flipped, strict=True))
    assert abs(2 * sum(one.flipped) - count) <= 1
  assert len({o.flipped for o in orders}) > 2


def test_an_order_is_of_its_seed():
  one, two = order.of(3, 8, seed=1), order.of(3, 8, seed=2)
  assert one == order.of(3, 8, seed=1) != two
