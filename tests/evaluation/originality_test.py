"""Reports on planted copies, against a judge that compares note by note."""

import json

import numpy as np
import pytest

from aurl_jax.evaluation import originality
from aurl_jax.music.notes import Notes
from tests.evaluation import copying

PIECES = {f'tune {number}': copying.tune(number) for number in range(14)}
BAR = 4 * copying.TICKS


@pytest.fixture(scope='module')
def index():
  return originality.build(PIECES.items(), copying.TICKS)


def host(seed):
  return copying.tune(1000 + seed, notes=70)


@pytest.mark.parametrize('seed', range(12))
def test_planted_copies_are_told_with_length_and_place(index, seed):
  rng = np.random.default_rng(seed)
  name = f'tune {seed % 14}'
  track, first = int(rng.integers(2)), int(rng.integers(0, 20))
  count, up = int(rng.integers(13, 40)), int(rng.integers(-6, 7))
  notes = copying.planted(
    host(seed),
    PIECES[name],
    track,
    first,
    count,
    at=64,
    up=up,
    shift=int(rng.integers(0, 40)),
  )
  most, places = copying.longest(notes, PIECES)
  assert most >= count
  run = index.report(notes).run
  assert run.notes == most
  told = {
    (of, 1 + onset // BAR, piece, 1 + there // BAR, higher)
    for of, onset, piece, there, higher in places
  }
  assert (run.track, run.bar, *run.source) in told


@pytest.mark.parametrize('seed', range(6))
def test_a_copy_with_notes_left_out_is_near(index, seed):
  name, skip = f'tune {seed + 3}', (9, 19, 29, 39)
  notes = copying.planted(
    host(seed), PIECES[name], 0, 8, 46, at=64, up=2, skip=skip
  )
  report = index.report(notes)
  # No run of twelve notes is left of it.
  assert copying.longest(notes, PIECES)[0] < 12
  assert report.run is None
  assert report.share == 0
  passage = report.near[0]
  assert passage.source.piece == name
  assert passage.source.semitones == 2
  moved = copying.rows(PIECES[name])[0][8][0] - 64
  assert abs(passage.source.bar - passage.bars[0] - moved / BAR) <= 1
  assert 0.1 < passage.alike < 1


def test_a_training_piece_is_all_copy(index):
  report = index.report(PIECES['tune 2'])
  assert report.share == 1
  assert report.run.notes == 60
  assert report.run.source == ('tune 2', report.run.bar, 0)
  assert report.near[0].alike == 1
  assert report.near[0].source.piece == 'tune 2'


def test_other_music_is_not_accused(index):
  for seed in range(20):
    notes = host(seed)
    assert copying.longest(notes, PIECES)[0] < 12
    report = index.report(notes)
    assert report.share == 0
    assert report.run is None
    assert not report.near


def test_runs_of_several_pieces_are_no_shorter_than_told(index):
  notes = host(1)
  for number, at in ((3, 64), (4, 128)):
    source = PIECES[f'tune {number}']
    notes = copying.planted(notes, source, 0, 5, 14, at=at, up=0)
  most, _ = copying.longest(notes, PIECES)
  assert index.report(notes).run.notes >= most


def test_ends_of_long_runs_are_counted(index):
  notes = copying.planted(host(4), PIECES['tune 6'], 1, 3, 20, at=64, up=-1)
  most, _ = copying.longest(notes, PIECES)
  for limit in (12, 15, most, most + 1):
    assert index.ends(notes, limit) == max(most - limit + 1, 0)


def test_a_report_is_plain_values(index):
  told = index.report(PIECES['tune 2']).as_dict()
  assert json.loads(json.dumps(told)) == json.loads(json.dumps(told))
  assert told['run']['source']['piece'] == 'tune 2'
  assert told['near'][0]['source']['bar'] == told['near'][0]['bars'][0]
  assert index.report(host(0)).as_dict() == {
    'share': 0.0,
    'run': None,
    'near': [],
  }


def test_nothing_to_compare_is_no_error(index):
  nothing = Notes.build(8)
  assert index.report(nothing).run is None
  empty = originality.build([], 4)
  assert empty.report(PIECES['tune 1']).as_dict()['near'] == []
  silent = originality.build([('silence', nothing)], 4)
  assert silent.report(PIECES['tune 1']).share == 0
