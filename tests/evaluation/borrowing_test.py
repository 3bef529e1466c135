"""What pieces share, left one out, against a judge note by note."""

import numpy as np
import pytest

from aurl_jax.evaluation import borrowing, originality
from aurl_jax.music.notes import Notes
from tests.evaluation import copying

PIECES = {f'tune {number}': copying.tune(number) for number in range(12)}


def points(notes):
  return {point for line in copying.rows(notes).values() for point in line}


def judged(notes, others, beats=12):
  """The most of some beats of another piece that stands in a piece."""
  own, best = points(notes), 0
  for other in map(points, others.values()):
    for start in {onset for onset, _ in other}:
      end = start + beats * copying.TICKS
      part = [(o, p) for o, p in other if start <= o < end]
      if len(part) < 16 or end > max(other)[0] + 1:
        continue
      # All ways to lay the first note of the passage on one of the piece.
      first = min(part)
      moves = {(o - first[0], p - first[1]) for o, p in own}
      for later, up in moves:
        hits = sum((o + later, p + up) in own for o, p in part)
        best = max(best, hits / len(part))
  return best


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
    # Of the notes of twelve beats, of both lines, about half are copied.
    wanted = judged(corpus.pieces[name], others)
    assert found.alike <= wanted + 1e-9
    assert found.alike == pytest.approx(wanted, abs=0.15) or most < 20


def test_left_out_is_as_an_index_without_the_piece(corpus):
  for name in ('tune 1', 'tune 3', 'tune 5', 'tune 7'):
    others = {k: v for k, v in corpus.pieces.items() if k != name}
    index = originality.build(others.items(), copying.TICKS)
    apart = borrowing.of(index, corpus.pieces[name])
    found = corpus.left_out(name)
    assert (found.share, found.run) == (apart.share, apart.run)
    without = borrowing.Corpus(others, copying.TICKS).of(corpus.pieces[name])
    # What is alike by chance depends on the places that are looked at.
    if max(found.alike, without.alike) > 0.3:
      assert found.alike == pytest.approx(without.alike, abs=0.1)


def test_a_piece_of_the_corpus_is_all_its_own(corpus):
  for found in (
    borrowing.of(corpus.index, corpus.pieces['tune 2']),
    corpus.of(corpus.pieces['tune 2']),
  ):
    assert found == borrowing.Borrowed(1.0, 60, 1.0)


@pytest.mark.parametrize('seed', range(6))
def test_copies_with_notes_left_out_are_alike(corpus, seed):
  skip = (9, 19, 29, 39)
  notes = copying.planted(
    host(seed), PIECES['tune 4'], 0, 8, 46, at=64, up=-3, shift=5, skip=skip
  )
  found, clean = corpus.of(notes), corpus.of(host(seed))
  assert found.run == clean.run == clean.share == 0
  # Half of the notes are of the line, and a tenth of these is out.
  assert 0.35 < found.alike < 0.65
  assert clean.alike < 0.32
  hashed = borrowing.of(corpus.index, notes)
  assert hashed.run == 0
  assert hashed.alike > borrowing.of(corpus.index, host(seed)).alike


def test_limits_are_what_few_go_beyond():
  rng = np.random.default_rng(0)
  own = [
    borrowing.Borrowed(0.0, int(a), b / 1100)
    for a, b in rng.integers(0, 1000, (200, 2)).tolist()
  ]
  found = borrowing.limits(own)
  beyond = [x.run > found.run or x.alike > found.alike for x in own]
  assert [found.flags(x) for x in own] == beyond
  assert 0 < sum(beyond) <= 0.02 * 200
  assert found.run == sorted(x.run for x in own)[-2]
  assert borrowing.limits(own[:39]) is None
  # Versions of each other are copies, however many they are.
  versions = [borrowing.Borrowed(0.5, 2000, 1.0)] * 50
  assert borrowing.limits(own + versions) == found
  assert borrowing.limits(own[:39] + versions) is None
  assert all(map(found.flags, versions))
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
  nothing = borrowing.Borrowed(0.0, 0, 0.0)
  one = Notes.build(8, {'onset': 0, 'duration': 1, 'pitch': 60})
  odd = borrowing.Corpus({'a': Notes.build(8), 'b': one}, 4)
  assert odd.baseline() == [nothing, nothing]
  assert borrowing.of(odd.index, copying.tune(1)) == nothing
  empty = borrowing.Corpus({}, 4)
  assert empty.baseline() == []
  assert borrowing.of(empty.index, one) == nothing
