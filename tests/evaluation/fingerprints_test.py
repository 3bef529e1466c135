"""Groups of notes that are found again, whole and with notes missing."""

import numpy as np
import pytest

from aurl_jax.evaluation import fingerprints, ngrams
from tests.evaluation import copying


def rows(notes):
  return ngrams.lines(notes, copying.TICKS)


@pytest.fixture(scope='module')
def table():
  parts = []
  for number in range(12):
    part = rows(copying.tune(number))
    parts.append(part._replace(cell=part.cell + 10_000 * number))
  return fingerprints.build(ngrams.joined(parts))


def part_of(number, first, count, up=0, later=0):
  line = copying.rows(copying.tune(number))[1][first : first + count]
  cell, pitch = np.array(line).T
  return ngrams.Lines(np.zeros(count, int), cell + later, pitch + up)


def test_every_passage_of_thirteen_notes_has_a_match(table):
  notes = fingerprints.WINDOW + fingerprints.REACH
  for number in range(12):
    for first in range(60 - notes):
      asked = part_of(number, first, notes, up=3, later=5)
      found = fingerprints.matches(table, asked)
      right = found.offset == 10_000 * number - 5
      assert (right & (found.semitones == 3)).any()


def test_matches_tell_where_their_notes_are(table):
  asked = part_of(4, 10, 30)
  found = fingerprints.matches(table, asked)
  place = table.place[found.entry].astype(int)
  np.testing.assert_array_equal(place - asked.cell[found.note], found.offset)
  assert (found.last > found.note + 2).all()
  assert found.last.max() < 30


def test_notes_put_in_and_left_out_cost_some_matches_and_no_more(table):
  whole = part_of(4, 10, 40)
  count = (fingerprints.matches(table, whole).offset == 40_000).sum()
  kept = np.arange(40) % 9 != 5
  fewer = ngrams.Lines(*(column[kept] for column in whole))
  found = fingerprints.matches(table, fewer)
  assert 2 <= (found.offset == 40_000).sum() < count
  extra = (0, whole.cell[20] + 1, 50)
  more = np.concatenate([np.stack(whole, 1), [extra]])
  more = ngrams.Lines(*more[np.lexsort(more.T[:2])].T)
  found = fingerprints.matches(table, more)
  assert count / 2 < (found.offset == 40_000).sum() < count


def test_other_music_hardly_matches(table):
  found = fingerprints.matches(table, rows(copying.tune(99, notes=400)))
  _, counts = np.unique(found.offset, return_counts=True)
  assert counts.max(initial=0) <= 3


def test_nothing_has_no_matches(table):
  nothing = ngrams.joined([])
  assert len(fingerprints.matches(table, nothing).note) == 0
  empty = fingerprints.build(nothing)
  assert len(empty.hash) == 0
  found = fingerprints.matches(empty, rows(copying.tune(1)))
  assert len(found.note) == 0


def test_commonplaces_can_be_left_out():
  same = rows(copying.tune(1))
  parts = [same._replace(cell=same.cell + 10_000 * k) for k in range(5)]
  single = rows(copying.tune(2))
  parts.append(single._replace(cell=single.cell + 50_000))
  table = fingerprints.build(ngrams.joined(parts))
  for asked, often in ((same, 5), (single, 1)):
    every = fingerprints.matches(table, asked)
    assert len(every.note)
    few = fingerprints.matches(table, asked, often)
    assert few.entry.tolist() == every.entry.tolist()
    none = fingerprints.matches(table, asked, 3)
    assert len(none.note) == (0 if often == 5 else len(every.note))
