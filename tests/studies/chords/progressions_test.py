"""Progressions are counted as they stand, and lie near where used alike."""

import itertools
from collections import Counter

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.music import chords as chords_lib
from aurl_jax.music import progressions as written
from aurl_jax.studies.chords import asked, embedding, progressions
from aurl_jax.studies.chords.finding import Harmony

PIECES = st.lists(
  st.lists(st.sampled_from('abcd'), min_size=1, max_size=10), max_size=4
)


def harmony(symbols, key=0, length=2.0):
  chord = [chords_lib.parse(symbol) for symbol in symbols]
  count = len(chord)
  starts = length * np.arange(count)
  return Harmony(
    starts,
    starts + length,
    np.array([c.index for c in chord], np.int64),
    np.array([-1 if c.bass is None else c.bass for c in chord], np.int64),
    np.full(count, key),
    np.append(starts, length * count),
  )


@hypothesis.given(PIECES)
def test_transitions_are_counted(pieces):
  tokens, counts = progressions.transitions(pieces)
  expected = Counter(
    pair for piece in pieces for pair in itertools.pairwise(piece)
  )
  for row, one in enumerate(tokens):
    for column, two in enumerate(tokens):
      assert counts[row, column] == expected[one, two]
  chance = progressions.chances(counts)
  assert np.allclose(chance.sum(axis=1), 1)


@hypothesis.given(PIECES, st.integers(1, 3))
def test_patterns_are_those_that_no_longer_one_explains(pieces, least):
  sizes = (2, 3, 4)
  found = progressions.patterns(pieces, sizes, least)

  def count(run):
    return sum(
      tuple(piece[at : at + len(run)]) == run
      for piece in pieces
      for at in range(len(piece) - len(run) + 1)
    )

  runs = {
    tuple(piece[at : at + size])
    for piece in pieces
    for size in sizes
    for at in range(len(piece) - size + 1)
  }
  expected = {
    run
    for run in runs
    if count(run) >= least
    and not any(
      count(other) == count(run)
      for other in runs
      if len(other) == len(run) + 1 and run in (other[1:], other[:-1])
    )
  }
  assert {pattern.tokens for pattern in found} == expected
  for pattern in found:
    assert pattern.count == count(pattern.tokens)


def test_known_progressions_are_found_in_any_key():
  for key in (0, 4, 9):
    symbols = [
      chords_lib.transpose(symbol, key)
      for symbol in ('C', 'G', 'G7', 'Am', 'F', 'Dm7', 'G7', 'C')
    ]
    tokens = progressions.sequences(harmony(symbols, key))
    assert progressions.templates(tokens)['axis'] == 1
    assert progressions.templates(tokens)['two five one'] == 1
    assert progressions.templates(tokens)['andalusian'] == 0


def test_silence_parts_a_sequence_and_repeats_are_one():
  found = progressions.sequences(harmony(['C', 'C/E', 'N', 'G', 'C']))
  assert found == [('I:maj',), ('V:maj', 'I:maj')]


def test_patterns_of_nothing():
  assert progressions.patterns([]) == []
  with pytest.raises(ValueError, match='0 times'):
    progressions.patterns([], least=0)


def test_information_by_hand():
  counts = np.array([[0.0, 4.0], [4.0, 2.0]])
  # p(0, 1) = .4, p(0) = .4, p(1) = .6
  expected = np.log(0.4 / (0.4 * 0.6))
  found = embedding.information(counts)
  assert found[0, 1] == pytest.approx(expected)
  assert found[0, 0] == found[1, 1] == 0


@pytest.mark.parametrize('fit', [embedding.of_counts, embedding.learned])
def test_tokens_that_are_used_alike_lie_near(fit):
  random = np.random.default_rng(0)
  pieces = []
  for _ in range(60):
    # 'x' and 'y' stand in one place, 'p' and 'q' in another.
    row = []
    for _ in range(8):
      row += ['a', random.choice(['x', 'y']), 'b', random.choice(['p', 'q'])]
    pieces.append([str(token) for token in row])
  found = fit(pieces, size=3, window=1)
  assert found.vectors.shape == (6, 3)
  assert found.nearest('x', 1)[0][0] == 'y'
  assert found.nearest('p', 1)[0][0] == 'q'
  assert found.likeness('x', 'y') > found.likeness('x', 'a')
  with pytest.raises(KeyError, match='none of the 6'):
    found.likeness('x', 'z')


def test_embeddings_of_nothing():
  assert embedding.of_counts([]).tokens == ()
  assert embedding.learned([]).tokens == ()
  with pytest.raises(ValueError, match='window'):
    embedding.neighbours([], window=0)


@hypothesis.given(
  st.lists(
    st.sampled_from(['C', 'Am7', 'G7/B', 'F#m7b5', 'N', 'Ebmaj7']),
    min_size=1,
    max_size=8,
  )
)
def test_a_wish_reads_the_text_of_a_finding(symbols):
  text = asked.text(harmony(symbols))
  bars = written.parse(text)
  assert [bar for (bar,) in bars] == [chords_lib.parse(s) for s in symbols]


def test_bars_are_parted_as_needed():
  found = harmony(['C', 'F', 'G', 'G'], length=1.0)
  bars = Harmony(**{**found.__dict__, 'bars': np.array([0.0, 4.0])})
  assert asked.text(bars) == 'C:maj F:maj G:maj G:maj'
  assert asked.text(bars, parts=2) == 'C:maj G:maj'
  assert asked.text(bars, parts=1) == 'C:maj'
  assert asked.text(bars, first=1) == ''
  with pytest.raises(ValueError, match='1 part'):
    asked.text(bars, parts=0)


def test_a_pattern_becomes_a_text():
  assert asked.of_pattern(('VI:min', 'IV', 'I:maj'), 2) == (
    'B:min | G:maj | D:maj'
  )
  with pytest.raises(ValueError, match='no step'):
    asked.of_pattern(('X:min',), 2)
