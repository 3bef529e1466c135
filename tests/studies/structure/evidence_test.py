"""Facts of bar lines, by plain loops and on songs that are known."""

import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.studies.structure import evidence, views
from tests.studies.structure import songs


def seen(form, bars=8):
  count = len(form) * bars
  return views.see(songs.song(form, bars), songs.BAR * np.arange(count + 1))


@hypothesis.given(st.integers(1, 5000))
def test_blocks_tell_each_bar_once(count):
  told = []
  for low, high, first, last in evidence.blocks(count):
    assert 0 <= low <= first < last <= high <= count
    assert high - low <= evidence.BLOCK
    told += range(first, last)
  assert told == list(range(count))


@pytest.mark.parametrize('size', [2, 4])
def test_novelty_is_that_of_loops(size):
  matrix = np.random.default_rng(0).random((11, 11))
  found = evidence.novelty(matrix, size)
  for bar in range(11):
    total = weight = 0.0
    for a in range(-size, size):
      for b in range(-size, size):
        i, j = (min(max(bar + x, 0), 10) for x in (a, b))
        near = math.exp(
          -0.5 * (((a + 0.5) / size * 2) ** 2 + ((b + 0.5) / size * 2) ** 2)
        )
        sign = 1 if (a < 0) == (b < 0) else -1
        total += sign * near * matrix[i, j]
        weight += near
    assert found[bar] == pytest.approx(total / weight)


def test_novelty_is_highest_where_all_changes():
  matrix = np.kron(np.eye(2), np.ones((10, 10)))
  assert evidence.novelty(matrix, 4).argmax() == 10


def test_the_melody_breathes_where_phrases_begin():
  found = evidence.gaps(seen('ABC'))
  # The last bar of a phrase is a half note and a half bar of rest.
  for line in (8, 16):
    assert found[line, 0] == pytest.approx(1)
    assert found[line, 1] == pytest.approx(0.5)
    assert found[line, 2] == pytest.approx(0)
    assert found[line, 6:].tolist() == pytest.approx([1, 0.5, 0])
  inner = [line for line in range(1, 24) if line % 8]
  assert found[inner, 1].max() < 0.5


def test_repetition_begins_where_a_phrase_returns():
  found = evidence.returns(np.kron(np.ones((2, 2)), np.eye(8)))
  assert found.shape == (16, 43)
  plain = np.kron(np.ones((2, 2)), np.eye(8))
  # Four bars behind bar 8 are found again eight bars away, and only there.
  assert plain[8:12, 0:4].diagonal().mean() == 1
  assert found[8, 14] == 1


def test_all_facts_are_finite():
  for form in ('A', 'A-B', '--', 'ABCABC'):
    part = seen(form)
    facts = evidence.facts(part)
    assert facts.shape[0] == len(part)
    assert np.isfinite(facts).all()


def test_a_long_piece_is_seen_in_blocks(monkeypatch):
  part = seen('ABCABC')
  whole = evidence.facts(part)
  monkeypatch.setattr(evidence, 'BLOCK', 40)
  monkeypatch.setattr(evidence, '_MARGIN', 8)
  parts = evidence.facts(part)
  assert parts.shape == whole.shape
  gap = evidence.gaps(part).shape[1]
  assert (parts[:, :gap] == whole[:, :gap]).all()
