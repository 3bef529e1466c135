import collections
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aurl_jax.core.errors import DataError
from aurl_jax.data import splits
from aurl_jax.music.notes import Notes, Track


def piece(seed=0, *, up=0, late=0, loud=64, tpb=480, drums=False, **tables):
  rng = np.random.default_rng(seed)
  beats = np.sort(rng.integers(0, 64, 40))
  return Notes.build(
    tpb,
    {
      'onset': beats * tpb // 4 + late * tpb,
      'duration': rng.integers(1, 5, 40) * tpb // 4,
      'pitch': rng.integers(40, 80, 40) + up,
      'velocity': loud,
    },
    tracks=[Track('x' * seed, 5, drums)],
    **tables,
  )


@pytest.mark.parametrize(
  'copy',
  [
    {'up': 7},
    {'up': -12},
    {'late': 4},
    {'loud': 100},
    {'tpb': 96},
    {'tempos': [(0, 300_000)]},
  ],
)
def test_a_copy_of_the_music_has_its_digest(copy):
  assert splits.digest(piece(3, **copy)) == splits.digest(piece(3))


def test_other_music_has_another_digest():
  one = piece(3)
  changed = one.pitch.copy()
  changed[17] += 1
  others = [
    piece(4),
    one.replace(pitch=changed),
    one.replace(duration=one.duration * 2),
    piece(3, drums=True),
    Notes.build(480),
  ]
  digests = {splits.digest(notes) for notes in [one, *others]}
  assert len(digests) == 6


def test_the_kit_of_drums_is_not_transposed():
  kick, snare = piece(3, drums=True), piece(3, drums=True, up=2)
  assert splits.digest(kick) != splits.digest(snare)


def test_shares_are_as_told_and_never_change():
  chosen = [splits.by_digest(f'{i:032x}') for i in range(5000)]
  counts = collections.Counter(chosen)
  for split, share in zip(splits.SPLITS, splits.SHARES, strict=True):
    assert counts[split] / 5000 == pytest.approx(share, abs=0.02)
  # Frozen: a change here would move pieces of every prepared set.
  assert [splits.by_digest(str(i)) for i in range(12)] == FROZEN


FROZEN = (
  ['train'] * 2 + ['valid'] + ['train'] * 2 + ['test'] * 2 + ['train'] * 5
)


@given(st.lists(st.text('0123456789abcdef', min_size=4, max_size=4)))
@example(['0000', '1072'])
def test_small_sets_leave_no_split_empty_if_they_can(digests):
  chosen = splits.assign(digests)
  assert chosen.keys() == set(digests)
  used = set(chosen.values())
  assert used >= set(splits.SPLITS[: len(chosen)])
  assert chosen == splits.assign(digests[::-1])
  moved = sum(chosen[d] != splits.by_digest(d) for d in chosen)
  assert moved <= 2


def test_folders_count_when_all_files_are_in_one():
  names = ['train/a.mid', 'Validation/x/b.mid', 'test/c.mid']
  assert splits.from_folders(names) == {
    'train/a.mid': 'train',
    'Validation/x/b.mid': 'valid',
    'test/c.mid': 'test',
  }
  assert splits.from_folders([*names, 'd.mid']) == {}
  assert splits.from_folders([*names, 'more/d.mid']) == {}
  assert splits.from_folders(['train/a.mid', 'train/b.mid']) == {}
  assert splits.from_folders(['test/a.mid', 'valid/b.mid']) == {}


def table_of(name):
  return json.loads((splits.folder() / f'{name}.json').read_text('utf-8'))


SIZES = {
  'chorales': 405,
  'freedoom': 112,
  'giantmidi': 26,
  'groove': 1021,
  'hauptstimme': 26,
  'js_fakes': 500,
  'jsb_chorales': 305,
  'nottingham': 903,
  'openewld': 368,
  'openmsx': 31,
  'openscore_lieder': 1114,
  'openscore_quartets': 85,
  'piano_midi_de': 204,
  'pop909': 806,
  's3_symphonies': 4,
  'when_in_rome': 104,
}
OFFICIAL = {'chorales', 'groove', 'jsb_chorales', 'nottingham', 'pop909'}


def test_every_set_has_a_table():
  assert splits.tables() == sorted(SIZES)


@pytest.mark.parametrize('name', sorted(SIZES))
def test_frozen_tables_hold_names_and_digests_alone(name):
  table = table_of(name)
  assert {'about', 'counts', 'pieces'} <= table.keys()
  assert table.keys() <= {'about', 'counts', 'excluded', 'pieces'}
  assert len(table['pieces']) == SIZES[name]
  for entry in table['pieces']:
    assert {'name', 'digest', 'split'} <= entry.keys()
    assert ('work' in entry) == (name not in OFFICIAL)
    assert len(entry['digest']) == 32
    assert entry['split'] in splits.SPLITS
  names = [entry['name'] for entry in table['pieces']]
  assert len(set(names)) == len(names)
  counts = collections.Counter(entry['split'] for entry in table['pieces'])
  assert counts == table['counts']
  assert counts['train'] > counts['valid'] >= (name != 's3_symphonies')


@pytest.mark.parametrize('name', sorted(SIZES.keys() - OFFICIAL))
def test_no_work_is_in_two_splits(name):
  pieces = table_of(name)['pieces']
  if name != 's3_symphonies':
    shares = [
      sum(entry['split'] == split for entry in pieces) / len(pieces)
      for split in ('valid', 'test')
    ]
    assert all(0.05 < share < 0.14 for share in shares)
  for key in ('work', 'digest'):
    sides = collections.defaultdict(set)
    for entry in pieces:
      sides[entry[key]].add(entry['split'])
    assert all(len(side) == 1 for side in sides.values())


def test_no_music_and_no_work_crosses_between_sets():
  sides = collections.defaultdict(set)
  for name in SIZES:
    left_out = splits.excluded(name)
    for entry in table_of(name)['pieces']:
      if entry['name'] not in left_out:
        side = entry['split'] == 'train'
        sides[entry['digest']].add(side)
        if 'work' in entry:
          sides[entry['work']].add(side)
  assert all(len(side) == 1 for side in sides.values())


def test_what_is_excluded_is_evaluated_and_like_training():
  found = {name: splits.excluded(name) for name in SIZES}
  assert {name for name, rows in found.items() if rows} <= OFFICIAL
  assert found['pop909'] == {'valid/018/018.mid': 'pop909/train/017/017.mid'}
  for name, rows in found.items():
    for piece, like in rows.items():
      other, _, rest = like.partition('/')
      assert splits.frozen(name, key='name')[piece] != 'train'
      assert splits.frozen(other, key='name')[rest] == 'train'


def test_all_tables_together_cross_nowhere():
  together = splits.frozen('all')
  assert splits.given('all') == together
  for name in SIZES:
    moved = {
      entry['name']
      for entry in table_of(name)['pieces']
      if together[entry['digest']] != entry['split']
      and 'train' in (together[entry['digest']], entry['split'])
    }
    assert moved == set(splits.excluded(name))
  by_name = {entry['name']: entry for entry in table_of('pop909')['pieces']}
  assert together[by_name['valid/018/018.mid']['digest']] == 'train'


def test_equal_music_is_in_one_split_of_the_embedded_corpus():
  table = json.loads((splits.folder() / 'chorales.json').read_text())
  sides = collections.defaultdict(set)
  for entry in table['pieces']:
    sides[entry['digest']].add(entry['split'])
  assert all(len(side) == 1 for side in sides.values())


def test_what_is_asked_for_is_checked():
  assert splits.given(None) == {}
  assert splits.given({'a.mid': 'test'}) == {'a.mid': 'test'}
  assert set(splits.given('chorales').values()) == set(splits.SPLITS)
  with pytest.raises(DataError, match='dev'):
    splits.given({'a.mid': 'dev'})
  with pytest.raises(DataError, match='there are chorales'):
    splits.given('nosuch')


@pytest.mark.slow
def test_frozen_tables_are_what_their_generator_makes(
  shared_data, repository, tmp_path
):
  done = subprocess.run(
    [sys.executable, 'tools/make_splits.py', '--check'],
    cwd=repository,
    env=os.environ | {'AURL_DATA': str(shared_data)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stdout + done.stderr
