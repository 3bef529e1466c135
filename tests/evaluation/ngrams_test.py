"""Runs of notes and their hashes, against comparison note by note."""

import itertools

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aurl_jax.evaluation import ngrams
from aurl_jax.music.notes import Notes, Track

NOTE = st.tuples(st.integers(0, 2), st.integers(0, 6), st.integers(60, 63))


def lines(notes):
  return ngrams.Lines(*np.array(sorted(set(notes))).T.reshape(3, -1))


@settings(max_examples=60)
@given(notes=st.lists(NOTE, min_size=2, max_size=40), run=st.integers(2, 12))
def test_hashes_are_equal_where_steps_are(notes, run):
  rows = lines(notes)
  found, whole = ngrams.grams(rows, run)
  told = {}
  plain = list(zip(*(column.tolist() for column in rows), strict=True))
  for end in range(len(plain)):
    part = plain[max(end - run + 1, 0) : end + 1]
    ends = len(part) == run and len({line for line, _, _ in part}) == 1
    assert whole[end] == ends
    if ends:
      pairs = itertools.pairwise(part)
      key = tuple((b[1] - a[1], b[2] - a[2]) for a, b in pairs)
      told.setdefault(key, set()).add(tuple(found[end].tolist()))
  assert all(len(hashes) == 1 for hashes in told.values())
  assert len(set().union(*told.values())) == len(told)


def test_a_piece_shorter_than_a_run_has_none():
  for count in range(1, 12):
    rows = lines([(0, cell, 60) for cell in range(count)])
    assert not ngrams.grams(rows, 12)[1].any()


def test_a_device_hashes_as_numpy_does():
  rng = np.random.default_rng(0)
  interval, gap = rng.integers(-127, 128, (2, 5, 300))
  gap = abs(gap) * 4
  here = ngrams.steps(interval, gap)
  there = ngrams.steps(jnp.asarray(interval), jnp.asarray(gap))
  np.testing.assert_array_equal(here, there)
  for one, other in zip(
    ngrams.keys(list(here)), ngrams.keys(list(there)), strict=True
  ):
    assert one.dtype == np.uint32
    np.testing.assert_array_equal(one, other)


def test_lines_are_tracks_without_drums_and_doubles():
  notes = Notes.build(
    24,
    {
      'onset': [25, 0, 23, 0, 0, 48],
      'pitch': [60, 64, 60, 60, 36, 62],
      'duration': 4,
      'track': [0, 0, 0, 1, 2, 1],
    },
    tracks=[Track(), Track(program=40), Track(is_drum=True)],
  )
  found = ngrams.lines(notes, 4)
  # 23 and 25 of 24 ticks are the same cell, the fourth 16th.
  assert found.line.tolist() == [0, 0, 1, 1]
  assert found.cell.tolist() == [0, 4, 0, 8]
  assert found.pitch.tolist() == [64, 60, 60, 62]
  twice = ngrams.joined([found, found])
  assert twice.line.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
  assert len(ngrams.joined([]).line) == 0


def test_long_gaps_are_one():
  far = ngrams.LONGEST_GAP
  found = ngrams.steps(np.zeros(3, int), np.array([far - 1, far, far + 9]))
  assert found[0] != found[1] == found[2]
