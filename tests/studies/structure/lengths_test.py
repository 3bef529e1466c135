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


@pytest.mark.parametrize('form', ['ABAB', 'AABBAB', 'ABCABC'])
def test_phrases_that_return_are_found(form):
  short = Shortest(longest=12)
  assert short.find(seen(form)).tolist() == songs.starts(form)


def test_two_phrases_that_always_follow_each_other_are_one():
  assert Shortest().find(seen('ABAB')).tolist() == [0, 16]


def test_an_intro_without_a_melody_is_a_phrase():
  assert Shortest(longest=12).find(seen('-ABAB')).tolist() == songs.starts(
    '-ABAB'
  )


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
    used = [one for one in sets if set(one[2]) <= set(found)]
    assert sum(len(one[2]) for one in used) >= len(found)
    assert sum(value for value, _, _ in used) == pytest.approx(best)
