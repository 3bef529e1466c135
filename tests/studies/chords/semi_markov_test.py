"""The best path is the best of all paths."""

import itertools

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.studies.chords import semi_markov
from aurl_jax.studies.chords.semi_markov import Lattice


def lattice(seed, atoms, chords=3, keys=2, spans=5):
  random = np.random.default_rng(seed)
  move = np.abs(random.normal(size=(keys, keys)))
  np.fill_diagonal(move, 0)
  return Lattice(
    score=random.normal(size=(atoms, chords)),
    length=random.choice([0.5, 1.0, 1.5], atoms),
    opening=random.normal(size=atoms),
    fit=random.normal(size=(atoms, keys)),
    given=random.normal(size=(keys, chords)),
    move=move,
    span=random.normal(size=spans),
  )


def worth(lattice, runs):
  """What a path is worth, as the class says; None if it may not be."""
  total, before = 0.0, None
  stops = [run[0] for run in runs[1:]] + [len(lattice.length)]
  for (start, chord, key), stop in zip(runs, stops, strict=True):
    beats = round(sum(lattice.length[start:stop]) / 0.5)
    last = len(lattice.span) - 1
    if beats > last and stop - start > 1:
      return None
    total += sum(lattice.score[row, chord] for row in range(start, stop))
    total += sum(lattice.fit[row, key] for row in range(start, stop))
    total += lattice.given[key, chord] + lattice.opening[start]
    total += lattice.span[min(beats, last)]
    if before is not None:
      total -= lattice.move[before, key]
    before = key
  return total


def every_path(lattice):
  """All ways to part atoms into runs with a chord and a key each."""
  count, chords = lattice.score.shape
  kinds = list(itertools.product(range(chords), range(lattice.fit.shape[1])))
  for cuts in itertools.product([False, True], repeat=count - 1):
    starts = [0] + [row + 1 for row, cut in enumerate(cuts) if cut]
    for chosen in itertools.product(kinds, repeat=len(starts)):
      yield [(s, *kind) for s, kind in zip(starts, chosen, strict=True)]


@hypothesis.given(st.integers(0, 10**6), st.integers(1, 4))
def test_no_path_is_better(seed, atoms):
  given = lattice(seed, atoms)
  found = np.array(semi_markov.best(given)).T.tolist()
  values = [worth(given, path) for path in every_path(given)]
  most = max(value for value in values if value is not None)
  assert worth(given, found) == pytest.approx(most)


def test_one_atom_may_be_longer_than_any_run():
  given = lattice(0, 3)
  long = Lattice(**{**given.__dict__, 'length': np.array([9.0, 9.0, 9.0])})
  first, _, _ = semi_markov.best(long)
  assert first.tolist() == [0, 1, 2]


def test_nothing():
  first, chords, keys = semi_markov.best(lattice(0, 0))
  assert len(first) == len(chords) == len(keys) == 0
