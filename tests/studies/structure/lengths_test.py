"""The shortest description, of songs whose phrases are known."""

import itertools

import numpy as np
import pytest

from aurl_jax.studies.structure import lengths, views
from aurl_jax.studies.structure.lengths import Shortest
from tests.studies.structure import songs


def seen(form, bars=8):
  count = len(form) * bars
  return views.see(songs.song(form, bars), songs.BAR * np.arange(count + 1))


# At its own price of a phrase, four bars are worth more than eight.
@pytest.mark.parametrize('form', ['ABAB', 'AABBAB', 'ABCABC'])
def test_phrases_that_return_are_found(form):
  short = Shortest(phrase=1.0, longest=8)
  assert short.find(seen(form)).tolist() == songs.starts(form)


def test_two_phrases_that_always_follow_each_other_are_one():
  assert Shortest(phrase=1.0).find(seen('ABAB')).tolist() == [0, 16]


def test_an_intro_without_a_melody_is_a_phrase():
  assert Shortest(phrase=1.0, longest=8).find(
    seen('-ABAB')
  ).tolist() == songs.starts('-ABAB')


def test_the_search_finds_the_best_of_all_covers():
  rng = np.random.default_rng(1)
  for _ in range(20):
    sets = []
    for _ in range(8):
      starts = sorted(rng.choice(12, 2, replace=False).tolist())
      size = min(int(rng.integers(1, 4)), starts[1] - starts[0])
      spans = [(s, s + size) for s in starts]
      bits = lengths._bits(size, tuple(starts))
      sets.append((float(rng.random()), bits, spans))
    sets.sort(key=lambda item: -item[0])
    best = 0.0
    for many in range(9):
      for chosen in itertools.combinations(sets, many):
        bars = [b for _, _, spans in chosen for s in spans for b in range(*s)]
        if len(bars) == len(set(bars)):
          best = max(best, sum(value for value, _, _ in chosen))
    found = Shortest()._search(sets)
    # Of sets of the same stretches the first one is worth most.
    used = {tuple(one[2]): one[0] for one in reversed(sets)}
    worth = max(
      sum(used[one] for one in chosen)
      for many in range(len(used) + 1)
      for chosen in itertools.combinations(used, many)
      if sorted(itertools.chain(*chosen)) == sorted(found)
    )
    assert worth == pytest.approx(best)
