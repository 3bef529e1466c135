"""What pieces share, left one out, against a judge note by note."""

import numpy as np
import pytest

from aurl_jax.evaluation import borrowing, originality
from aurl_jax.music.notes import Notes
from tests.evaluation import copying

PIECES = {f'tune {number}': copying.tune(number) for number in range(12)}


def host(seed):
  return copying.tune(1000 + seed, notes=70)


@pytest.fixture(scope='module')
def corpus():
  """Twelve tunes, two of which have some of another one."""
  pieces = dict(PIECES)
  for number, count in ((3, 20), (7, 33)):
    pieces[f'tune {number}'] = copying.planted(
      pieces[f'tune {number}'], PIECES['tune 1'], 0, 5, count, at=64, up=2
    )
  return borrowing.Corpus(pieces, copying.TICKS)


def test_each_piece_is_held_against_all_others(corpus):
  for name in corpus.pieces:
    others = {k: v for k, v in corpus.pieces.items() if k != name}
    most, _ = copying.longest(corpus.pieces[name], others)
    found = corpus.left_out(name)
    assert found.run == (most if most >= 12 else 0), name
    whole = sum(
      max(len(line) - 11, 0)
      for line in copying.rows(corpus.pieces[name]).values()
    )
    if most < 12:
      assert found.share == 0
    else:
      assert found.share >= (most - 11) / whole
      assert found.share <= 4 * (most - 11) / whole
    # A passage of thirteen notes has one group at least.
    assert found.points >= most // 13 if most >= 12 else found.points < 2


def test_left_out_is_as_an_index_without_the_piece(corpus):
  for name in ('tune 1', 'tune 3', 'tune 5', 'tune 7'):
    others = {k: v for k, v in corpus.pieces.items() if k != name}
    index = originality.build(others.items(), copying.TICKS)
    apart = borrowing.of(index, corpus.pieces[name])
    found = corpus.left_out(name)
    assert (found.share, found.run) == (apart.share, apart.run)
    # Which groups are kept depends on how often each is met.
    assert found.points == pytest.approx(apart.points, abs=2)


def test_a_piece_of_the_corpus_is_all_its_own(corpus):
  found = borrowing.of(corpus.index, corpus.pieces['tune 2'])
  assert found.share == 1
  assert found.run == 60
  assert found.points > 10


@pytest.mark.parametrize('seed', range(6))
def test_copies_with_notes_left_out_have_points(corpus, seed):
  skip = (9, 19, 29, 39)
  notes = copying.planted(
    host(seed), PIECES['tune 4'], 0, 8, 46, at=64, up=-3, shift=5, skip=skip
  )
  found = borrowing.of(corpus.index, notes)
  assert found.run == 0
  assert found.points >= 3
  clean = borrowing.of(corpus.index, host(seed))
  assert clean == borrowing.Borrowed(0, 0, clean.points)
  assert clean.points < 3


def test_limits_are_what_few_go_beyond():
  rng = np.random.default_rng(0)
  own = [
    borrowing.Borrowed(0, int(a), int(b))
    for a, b in rng.integers(0, 1000, (200, 2))
  ]
  found = borrowing.limits(own)
  beyond = [x.run > found.run or x.points > found.points for x in own]
  assert [found.flags(x) for x in own] == beyond
  assert 0 < sum(beyond) <= 0.05 * 200
  assert found.run == sorted(x.run for x in own)[-6]
  assert borrowing.limits(own[:39]) is None
  strict = borrowing.limits(own, 0)
  assert not any(strict.flags(x) for x in own)
  with pytest.raises(ValueError, match='share'):
    borrowing.limits(own, 2)


def test_a_baseline_of_some_is_spread_over_all(corpus):
  done = []
  some = corpus.baseline(4, told=lambda *x: done.append(x))
  assert some == [corpus.left_out(f'tune {k}') for k in (0, 3, 6, 9)]
  assert done[-1] == (4, 4)
  assert len(corpus.baseline()) == 12


def test_nothing_shares_nothing():
  nothing = borrowing.Borrowed(0.0, 0, 0)
  one = Notes.build(8, {'onset': 0, 'duration': 1, 'pitch': 60})
  odd = borrowing.Corpus({'a': Notes.build(8), 'b': one}, 4)
  assert odd.baseline() == [nothing, nothing]
  assert borrowing.of(odd.index, copying.tune(1)) == nothing
  empty = borrowing.Corpus({}, 4)
  assert empty.baseline() == []
  assert borrowing.of(empty.index, one) == nothing
