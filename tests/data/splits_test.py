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


@pytest.mark.parametrize('name', ['chorales', 'jsb_chorales', 'pop909'])
def test_frozen_tables_hold_names_and_digests_alone(name):
  table = json.loads((splits.folder() / f'{name}.json').read_text())
  assert table.keys() == {'about', 'counts', 'pieces'}
  for entry in table['pieces']:
    assert entry.keys() == {'name', 'digest', 'split'}
    assert len(entry['digest']) == 32
  counts = collections.Counter(entry['split'] for entry in table['pieces'])
  assert counts == table['counts']
  assert counts['train'] > counts['valid'] > 0


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
