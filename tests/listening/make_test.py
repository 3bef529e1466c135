"""Tests are made: blinded, as loud as each other, of what was asked for."""

import collections
import json

import numpy as np
import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.listening import clips, design, make
from aurl_jax.listening.make import Wish
from aurl_jax.music import loudness, midi
from aurl_jax.music.notes import Notes
from tests.listening import songs


@pytest.fixture
def home(tmp_path):
  songs.folder(tmp_path, 'ours', 5, level=30)
  songs.folder(tmp_path, 'theirs', 5, seed=50, level=120)
  songs.folder(tmp_path, 'people', 5, seed=90)
  return tmp_path


def wish(home, kind='ab', **changes):
  given = {
    'kind': kind,
    'systems': {'ours': str(home / 'ours'), 'theirs': str(home / 'theirs')},
    'pairs': 4,
    'seconds': 2,
    'plain': True,
  }
  return Wish(**given | changes)


def test_an_ab_test_has_what_was_wished(home):
  told = []
  test = make.make(wish(home), home / 'test', lambda *n: told.append(n))
  assert design.load(home / 'test') == test
  judged = [t for t in test.trials if not t.check]
  assert len(judged) == 4
  assert sorted(t.check for t in test.trials if t.check) == ['spoilt', 'told']
  for trial in judged:
    one, other = (test.clips[name] for name in trial.clips)
    assert (one.system, other.system) == ('ours', 'theirs')
    # Files of the same names are of one prompt.
    assert one.piece == other.piece
  assert told[-1][0] == told[-1][1] == len(test.clips)
  used = {test.clips[name].piece for t in judged for name in t.clips}
  rehearsed = {test.clips[n].piece for t in test.practice for n in t.clips}
  assert len(used) == 4
  assert not used & rehearsed


def test_clips_are_blinded_and_equally_loud(home):
  test = make.make(wish(home), home / 'test')
  files = {p.stem: p for p in (home / 'test' / 'clips').iterdir()}
  assert files.keys() == test.clips.keys()
  for name, path in files.items():
    assert len(name) == 12
    assert int(name, 16) >= 0
    found, rate = clips.samples(path.read_bytes())
    told = loudness.integrated(found, rate)
    assert told == pytest.approx(test.loudness, abs=0.1)
    assert len(found) / rate == pytest.approx(
      test.clips[name].seconds, abs=0.01
    )
    assert len(found) / rate <= 2
    # It begins with its first note and has faded out.
    assert np.flatnonzero(abs(found).max(1) > 0)[0] < 0.02 * rate
    assert abs(found[-20:]).max() < 0.01
  assert 'ours' not in ' '.join(files)


def test_the_page_is_told_nothing_that_unblinds(home):
  test = make.make(wish(home, ties=True, checks=3), home / 'test')
  told = json.dumps(
    [test.told(), [design.shown(t, flipped=True) for t in test.trials]]
  )
  for word in ('ours', 'theirs', 'spoilt', 'same', 'piece_', 'right', '.mid'):
    assert word not in told


def test_ratings_and_turing_tests(home):
  mos = make.make(wish(home, 'mos', reference=str(home / 'people')), home / 'm')
  count = collections.Counter(
    mos.clips[t.clips[0]].system for t in mos.trials if not t.check
  )
  assert count == {'ours': 4, 'theirs': 4, 'reference': 4}
  assert mos.systems == ('ours', 'theirs', 'reference')
  checks = {t.check: t for t in mos.trials if t.check}
  assert checks['spoilt'].right == '2'
  assert checks['told'].right in ('4', '5')
  assert design.SCALE[int(checks['told'].right) - 1] in checks['told'].ask
  turing = make.make(
    wish(home, 'turing', reference=str(home / 'people')), home / 't'
  )
  assert turing.choices() == ('human', 'machine')
  assert len(turing.trials) == 14


def test_other_names_are_paired_by_chance(home):
  songs.folder(home, 'odd', 6, seed=7, stem='song')
  systems = {'ours': str(home / 'ours'), 'odd': str(home / 'odd')}
  one = make.make(wish(home, systems=systems), home / 'a')
  two = make.make(wish(home, systems=systems, seed=1), home / 'b')
  assert one.clips != two.clips
  again = make.make(wish(home, systems=systems), home / 'c')
  assert again == one


def test_three_systems_are_compared_two_by_two(home):
  systems = {name: str(home / name) for name in ('ours', 'theirs', 'people')}
  test = make.make(wish(home, systems=systems, checks=0), home / 'a')
  count = collections.Counter(
    tuple(test.clips[n].system for n in t.clips) for t in test.trials
  )
  assert count == {
    ('ours', 'theirs'): 4,
    ('ours', 'people'): 4,
    ('theirs', 'people'): 4,
  }


def test_all_pieces_may_be_judged(home):
  test = make.make(wish(home, pairs=5, checks=0), home / 'a')
  assert len(test.trials) == 5
  assert len(test.practice) == 1


def test_mirex_pieces_and_bars(home):
  folder = home / 'mirex'
  folder.mkdir()
  for number in range(4):
    notes = [
      {'start': 80 + 2 * n, 'pitch': 60 + n % 12 + number, 'duration': 2}
      for n in range(30)
    ]
    path = folder / f'sample_{number}.json'
    path.write_text(json.dumps({'generation': notes}))
  # JSON beside MIDI files is no music.
  (home / 'ours' / 'about.json').write_text('{}')
  systems = {'ours': str(home / 'ours'), 'new': str(folder)}
  test = make.make(wish(home, systems=systems), home / 'a')
  assert {c.system for c in test.clips.values()} == {'ours', 'new'}
  with pytest.raises(DataError, match=r'piece_\d.mid: bars .* other --bars'):
    make.make(wish(home, bars=(7, 9)), home / 'b')
  make.make(wish(home, bars=(2, 2)), home / 'c')


def test_an_excerpt_begins_with_its_first_note():
  notes = Notes.build(
    4, {'onset': [40, 44, 60], 'duration': 4, 'pitch': [60, 62, 64]}
  )
  found = clips.excerpt(notes, seconds=2)
  assert found.onset.tolist() == [0, 4]
  late = clips.excerpt(notes, seconds=9, bars=(4, 4))
  assert late.pitch.tolist() == [64]


@pytest.mark.parametrize(
  ('changes', 'code', 'message'),
  [
    ({'kind': 'abx'}, 'kind', "mean 'ab'"),
    ({'systems': {}}, 'systems', 'none'),
    ({'pairs': 9}, 'few_pieces', 'has 5 pieces'),
    ({'pairs': 0}, 'wish', 'pairs'),
    ({'seconds': 0.1}, 'wish', 'seconds'),
    ({'heard': 1.5}, 'wish', 'heard'),
    ({'passing': -0.5}, 'wish', 'passing'),
    ({'checks': 51}, 'wish', 'checks'),
    ({'most': 0}, 'wish', 'listeners'),
    ({'kind': 'mos', 'ties': True}, 'wish', 'A/B'),
    ({'kind': 'turing'}, 'systems', '--reference'),
    ({'systems': {'reference': '.'}}, 'systems', '--reference'),
    ({'systems': {'one': '.'}}, 'systems', 'two systems'),
    ({'reference': '/nowhere'}, 'systems', 'no folder'),
  ],
)
def test_wishes_that_cannot_be_met(home, changes, code, message):
  with pytest.raises(DataError, match=message) as caught:
    make.make(wish(home, **changes), home / 'test')
  assert caught.value.code == code
  assert not (home / 'test').exists()


def test_a_folder_with_something_in_it_stays_as_it_is(home):
  make.make(wish(home), home / 'test')
  before = (home / 'test' / 'test.json').read_bytes()
  with pytest.raises(DataError, match='answers may be in it') as caught:
    make.make(wish(home, seed=3), home / 'test')
  assert caught.value.code == 'exists'
  assert (home / 'test' / 'test.json').read_bytes() == before


def test_files_that_hold_no_music_are_named(home):
  bad = home / 'ours' / 'piece_0.mid'
  bad.write_bytes(b'no music')
  with pytest.raises(DataError, match=r'piece_0\.mid'):
    make.make(wish(home, pairs=5), home / 'test')
  midi.write(Notes.build(4), bad)
  with pytest.raises(DataError, match=r'piece_0\.mid: .*no note') as caught:
    make.make(wish(home, pairs=5), home / 'test')
  assert caught.value.code == 'silent'
