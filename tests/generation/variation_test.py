import numpy as np
import pytest

from aurl_jax.generation import variation


def draws(**how):
  how = {'bars': 8, 'visit': 1, 'again': False, 'loose': 0.5, **how}
  return [variation.draw(np.random.default_rng(s), **how) for s in range(400)]


def mean(found, name):
  return float(np.mean([getattr(change, name) for change in found]))


def test_more_is_written_anew_at_each_return():
  lasts = [mean(draws(visit=visit), 'last') for visit in (1, 2, 3, 9)]
  assert lasts == sorted(lasts)
  assert lasts[0] < lasts[1] < lasts[2]
  assert all(change.last <= 4 for change in draws(visit=50))


def test_a_section_that_follows_itself_differs_more():
  assert mean(draws(again=True), 'backing') > mean(draws(), 'backing')
  same = [np.mean([not any(c) for c in draws(again=bool(a))]) for a in (0, 1)]
  assert 0.3 < same[0] < 0.5
  assert same[1] < same[0] / 2


def test_a_loose_piece_differs_more():
  found = [draws(loose=loose) for loose in (0, 0.5, 1)]
  for name in ('last', 'backing'):
    means = [mean(each, name) for each in found]
    assert means[0] < means[1] < means[2]
  assert all(change.last for change in found[2])


@pytest.mark.parametrize('bars', [1, 2, 3, 5])
def test_at_most_half_of_it_is_all_new(bars):
  assert all(change.last <= bars / 2 for change in draws(bars=bars, visit=4))
