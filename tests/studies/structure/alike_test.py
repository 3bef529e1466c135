"""Similarity of bars, by plain loops and on songs that are known."""

import hypothesis
import numpy as np
from hypothesis import strategies as st

from aurl_jax.studies.structure import alike, views
from tests.studies.structure import songs


@hypothesis.given(
  st.integers(1, 9), st.integers(-4, 2), st.integers(1, 5), st.integers(0, 99)
)
def test_the_mean_along_diagonals_is_that_of_loops(count, low, size, seed):
  matrix = np.random.default_rng(seed).random((count, count))
  found = alike.along(matrix, low, low + size)
  for i in range(count):
    for j in range(count):
      inside = [
        matrix[i + k, j + k]
        for k in range(low, low + size)
        if 0 <= i + k < count and 0 <= j + k < count
      ]
      mean = sum(inside) / len(inside) if inside else 0
      assert abs(found[i, j] - mean) < 1e-12


def test_a_transposed_return_is_as_alike_as_a_plain_one():
  for turned in (0, 3, -2):
    notes = songs.song('ABA', turned={2: turned})
    seen = views.see(notes, songs.BAR * np.arange(25))
    found = alike.matrices(seen)
    again = np.arange(8)
    for name in ('tune', 'harmony', 'rhythm', 'texture', 'all'):
      assert np.allclose(found[name][again, again + 16], 1), (turned, name)
    assert found['tune'][again, again + 8].mean() < 0.8


def test_matrices_lie_between_0_and_1():
  seen = views.see(songs.song('A-B'), songs.BAR * np.arange(25))
  for matrix in alike.matrices(seen).values():
    assert matrix.min() >= 0
    assert matrix.max() <= 1
    assert np.allclose(matrix.diagonal(), 1)


def test_a_turn_is_a_transposition():
  low = views.see(songs.song('A'), songs.BAR * np.arange(9))
  high = views.see(songs.song('A', turned={0: 5}), songs.BAR * np.arange(9))
  assert (alike.turn(low.melody, 5) == high.melody).all()
  assert np.allclose(alike.turn(low.chroma, 5), high.chroma)
