import json

import pytest

from aurl_jax.data import report
from aurl_jax.data.metadata import Metadata
from aurl_jax.music.notes import Notes, Track


def song():
  return Notes.build(
    4,
    {
      'onset': [0, 4, 8, 8],
      'duration': [4, 1, 6, 1],
      'pitch': [60, 60, 64, 36],
      'velocity': [64, 64, 80, 100],
      'track': [0, 0, 0, 1],
    },
    tracks=[Track('', 40), Track('', 0, True)],
    tempos=[(0, 500_000), (4, 650_000)],
    meters=[(0, 4, 4), (16, 3, 4), (28, 4, 4)],
  )


def test_histograms_describe_the_music():
  found = report.describe(song(), steps=9)
  assert found == {
    'pitch': {'60': 2, '64': 1},
    'velocity': {'64': 2, '80': 1, '100': 1},
    'program': {'40': 3, 'drums': 1},
    'beats': {'0.25': 2, '1': 1, '2': 1},
    'notes': {'4': 1},
    'steps': {'16': 1},
    'bpm': {'120': 1, '90': 1},
    'meter': {'4/4': 2, '3/4': 1},
    'seconds': {'4': 1},
    'instruments': {'2': 1},
    'tempo': {'90': 1},
    'key': {'none told': 1},
    'polyphony': {'0': 1, '1': 3},
  }


def test_keys_tempo_and_voices_are_told():
  piece = Notes.build(
    4,
    {
      'onset': [0, 0, 0, 8, 16],
      'duration': [8, 8, 4, 4, 4],
      'pitch': [60, 64, 67, 60, 36],
      'track': [0, 0, 0, 0, 1],
    },
    tracks=[Track('', 0), Track('', 0, True)],
    keys=[(0, -3, 1), (8, 1, 0)],
    tempos=[(0, 400_000)],
  )
  found = report.describe(piece, steps=1)
  assert found['key'] == {'C minor': 1, 'G major': 1}
  assert found['tempo'] == {'150': 1}
  # Beats 0 and 1; beat 1 to 2 two notes; 2 to 3 one; 3 to 5 none but a drum.
  assert found['polyphony'] == {'3': 1, '2': 1, '1': 1}


def test_metadata_are_counted_where_they_are_known():
  known = Metadata(composers=('A', 'B'), genres=('folk',), licence='CC0')
  found = report.describe(song(), 1, known)
  assert found['composer'] == {'A': 1, 'B': 1}
  assert (found['genre'], found['licence']) == ({'folk': 1}, {'CC0': 1})
  assert found['source'] == found['kind'] == {}


def test_a_histogram_never_has_more_than_so_many_labels(tmp_path, monkeypatch):
  monkeypatch.setattr(report, 'LABELS', 5)
  with report.Tally(tmp_path) as tally:
    for index in range(9):
      known = Metadata(genres=(f'g{index}',))
      tally.add_described(report.describe(song(), 1, known))
    known = Metadata(genres=('g0',))
    tally.add_described(report.describe(song(), 1, known))
  found = tally.report(tmp_path).histograms['genre']
  assert found == {'g0': 2, 'g1': 1, 'g2': 1, 'g3': 1, 'g4': 1, 'other': 4}


def test_defaults_count_where_the_file_says_nothing():
  plain = Notes.build(4, {'onset': [0], 'duration': 4, 'pitch': 60})
  found = report.describe(plain, steps=1)
  assert (found['bpm'], found['meter']) == ({'120': 1}, {'4/4': 1})


@pytest.fixture
def told(tmp_path):
  """Four files: one sound, one repaired copy of it, two of no use."""
  one = report.FileReport(
    name='a', status='ok', split='train', digest='x', notes=4, steps=9
  )
  issues = (('truncated', 'track 1', 'cut'), ('truncated', 'track 2', 'cut'))
  copy = report.FileReport(
    name='b',
    status='repaired',
    split='train',
    digest='x',
    notes=4,
    steps=9,
    issues=issues,
  )
  bad = [
    report.FileReport(name=name, status='dropped', code='header', reason='r')
    for name in 'cd'
  ]
  with report.Tally(tmp_path) as tally:
    for file in (one, bad[0], copy, bad[1]):
      tally.add(file)
    for _ in range(2):
      tally.add_described(report.describe(song(), 9))
  return tally.report(tmp_path), [one, bad[0], copy, bad[1]]


def test_counts_reasons_and_repairs(told):
  whole, _ = told
  assert whole.counts == {
    'files': 4,
    'ok': 1,
    'repaired': 1,
    'dropped': 2,
    'duplicates_kept': 1,
  }
  assert whole.splits == {'train': {'pieces': 2, 'notes': 8, 'steps': 18}}
  assert whole.reasons == {'header': 2}
  assert whole.repairs == {'truncated': 1}
  assert whole.histograms['pitch'] == {'60': 4, '64': 2}
  assert list(whole.histograms['program']) == ['40', 'drums']


def test_what_a_person_should_know_is_said(told):
  whole, _ = told
  assert [warning.split("'")[1] for warning in whole.warnings[:2]] == [
    'valid',
    'test',
  ]
  assert '2 files were left out' in whole.warnings[2]


def test_it_is_found_again(told):
  whole, rows = told
  again = report.Report.load(whole.folder)
  assert again.reused
  assert again.as_dict() == whole.as_dict() | {'reused': True}
  assert again.files() == rows
  json.dumps(again.as_dict())


def test_equal_music_in_two_splits_is_told(tmp_path):
  with report.Tally(tmp_path) as tally:
    for split in ('train', 'valid', 'test'):
      tally.add(
        report.FileReport(name=split, status='ok', split=split, digest='x')
      )
  [warning] = tally.report(tmp_path).warnings
  assert '2 pieces' in warning
