"""Templates, keys and the learned listener, each worked out again."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.music import chords as chords_lib
from aurl_jax.music.notes import Notes
from aurl_jax.studies.chords import (
  atoms,
  facts,
  keys,
  learned,
  pulse,
  templates,
)


def heard(seed, up=0, count=20):
  random = np.random.default_rng(seed)
  columns = {
    'onset': np.sort(random.integers(0, 60, count)),
    'duration': random.integers(1, 9, count),
    'pitch': random.integers(40, 70, count) + up,
  }
  notes = Notes.build(4, columns)
  found = atoms.cut(notes)
  return found, pulse.find(notes, found).levels


def turned(scores, step):
  """Scores of each chord where all is so many semitones higher."""
  moved = np.empty_like(scores)
  for index in range(chords_lib.SIZE):
    chord = chords_lib.from_index(index)
    if chord.root is None:
      moved[:, index] = scores[:, index]
    else:
      root = (chord.root + step) % 12
      to = chords_lib.Chord(root, chord.quality).index
      moved[:, to] = scores[:, index]
  return moved


@hypothesis.given(st.integers(0, 99), st.integers(1, 11))
def test_both_listeners_turn_with_the_music(seed, step):
  low, levels = heard(seed)
  high, same = heard(seed, step)
  assert np.array_equal(levels, same)
  for tell in (templates.scores, lambda found: learned.scores(found, levels)):
    assert turned(tell(low), step) == pytest.approx(tell(high), abs=1e-4)


def test_a_seventh_that_does_not_sound_costs_it():
  triad = atoms.cut(
    Notes.build(1, {'onset': 0, 'duration': 4, 'pitch': [48, 64, 67]})
  )
  seventh = atoms.cut(
    Notes.build(1, {'onset': 0, 'duration': 4, 'pitch': [48, 64, 67, 70]})
  )
  c, c7 = (chords_lib.parse(text).index for text in ('C', 'C7'))
  assert templates.scores(triad)[0, c] > templates.scores(triad)[0, c7]
  assert templates.scores(seventh)[0, c7] > templates.scores(seventh)[0, c]


def test_the_learned_listener_by_plain_loops():
  found, levels = heard(5, count=6)
  turning, fixed = facts.tell(found, levels)
  w = {name: np.float64(array) for name, array in learned.weights().items()}
  result = learned.scores(found, levels)
  for row in range(len(found)):
    scores, hidden = [], []
    for root in range(12):
      seen = np.concatenate([np.roll(fact, -root) for fact in turning[row]])
      first = seen @ w['turned'] + fixed[row] @ w['fixed'] + w['bias']
      second = np.maximum(first, 0) @ w['second'] + w['second_bias']
      hidden.append(np.maximum(second, 0))
      scores.append(hidden[-1] @ w['quality'] + w['quality_bias'])
    none = np.mean(hidden, axis=0) @ w['none'] + w['none_bias']
    scores = np.append(none, np.ravel(scores))
    chance = np.exp(scores) / np.exp(scores).sum()
    expected = np.maximum(np.log(chance), learned.LEAST)
    assert result[row] == pytest.approx(expected, abs=1e-3)


def test_windows_by_plain_sums():
  found, levels = heard(7)
  turning, _ = facts.tell(found, levels)
  edge = np.append(0, np.cumsum(found.length))
  last = -np.inf
  for row, start in enumerate(edge[:-1]):
    last = start if levels[row] <= 2 else last
    beat = last if start - last < 1.5 else start
    for place, (low, high) in enumerate(facts.WINDOWS):
      expected = np.zeros(12)
      for other in range(len(found)):
        over = min(edge[other + 1], beat + high) - max(edge[other], beat + low)
        part = max(over, 0) / found.length[other]
        expected += part * found.sounding[other]
      expected /= max(expected.sum(), 1e-9)
      assert turning[row, place] == pytest.approx(expected, abs=1e-4)


def test_weights_are_small_and_all_there():
  assert learned.PATH.stat().st_size < 300_000
  for name, array in learned.weights().items():
    assert array.shape == learned.SHAPES[name]
    assert np.isfinite(array).all()


@pytest.mark.parametrize('key', range(24))
def test_keys_like_their_own_chords_best(key):
  minor, tonic = divmod(key, 12)
  table = np.exp(keys.chords()[key])
  assert table[1:].sum() == pytest.approx(1)
  best = chords_lib.from_index(int(table.argmax()))
  assert (best.root, best.quality) == (tonic, ('maj', 'min')[minor])
  tones = keys.tones()[key]
  for step in (0, 2, 5, 7):
    assert tones[(tonic + step) % 12] > tones[(tonic + 1) % 12]


def test_far_keys_cost_more():
  move = keys.moves()
  assert (np.diag(move) == 0).all()
  assert np.array_equal(move, move.T)
  c, g, a_minor, f_sharp = 0, 7, 12 + 9, 6
  assert move[c, a_minor] <= move[c, g] < move[c, f_sharp]
