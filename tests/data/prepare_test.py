import dataclasses
import errno
import json
import multiprocessing
import os
import pathlib
import re
import shutil
import subprocess
import sys
import weakref

import numpy as np
import pytest

from aurl_jax.core.errors import AurlError, DataError
from aurl_jax.data import cache, pipeline, prepare, sources, splits
from aurl_jax.data.piece import Options
from aurl_jax.data.quality import Filter
from aurl_jax.music import midi, transform
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.remi import Remi


def song(seed, up=0):
  rng = np.random.default_rng(seed)
  return Notes.build(
    480,
    {
      'onset': rng.integers(0, 64, 30) * 240,
      'duration': 240,
      'pitch': rng.integers(48, 72, 30) + up,
      'velocity': rng.integers(30, 110, 30),
    },
  )


def fill(folder, seeds, up=0, name='song'):
  folder.mkdir(parents=True, exist_ok=True)
  for seed in seeds:
    midi.write(song(seed, up), folder / f'{name}{seed:03}.mid')
  return folder


@pytest.fixture
def music(tmp_path):
  return fill(tmp_path / 'music', range(12))


def test_music_arrives_as_ids_and_records(music, tmp_path):
  tokenizer = Remi()
  report = prepare.prepare(music, tokenizer, tmp_path / 'out')
  assert report.counts['ok'] == report.counts['files'] == 12
  assert not report.reused

  opened = cache.TokenCache.open(tmp_path / 'out')
  assert sorted(opened) == sorted(splits.SPLITS)
  seen = {}
  for split in opened:
    for index, entry in enumerate(opened[split].pieces):
      seen[entry['name']] = opened[split][index]
      assert entry['notes'] == 30
  for seed in range(12):
    expected = tokenizer.encode(song(seed))
    np.testing.assert_array_equal(seen[f'song{seed:03}.mid'], expected)
    decoded = tokenizer.decode(seen[f'song{seed:03}.mid'])
    rounded = transform.quantise(song(seed), tokenizer.grid)
    assert decoded == transform.merge_equal(rounded)[0]

  kept = {source.name: source for source in sources.records(tmp_path / 'out')}
  assert kept.keys() == seen.keys()
  assert kept['song003.mid'].read().notes == song(3)


def test_bars_are_where_the_tokenizer_says(music, tmp_path):
  tokenizer = Compound()
  prepare.prepare(music, tokenizer, tmp_path / 'out')
  split = cache.TokenCache.open(tmp_path / 'out')['train']
  for index in range(len(split)):
    begin, end = split.offsets[index : index + 2]
    bars = split.bars[(split.bars >= begin) & (split.bars < end)] - begin
    expected = tokenizer.bar_steps(split[index])
    np.testing.assert_array_equal(bars, expected)
    assert len(bars) > 5


def test_batches_come_out_of_it(music, tmp_path):
  prepare.prepare(music, Compound(), tmp_path / 'out')
  opened = cache.TokenCache.open(tmp_path / 'out')
  steps = sum(
    int((batch['segments'] > 0).sum())
    for batch in pipeline.batches(
      opened, 'train', batch_size=2, context=64, epochs=1
    )
  )
  assert steps == opened.manifest['splits']['train']['steps']


def test_bad_files_among_good_ones_are_named_with_reasons(music, tmp_path):
  (music / 'empty.mid').touch()
  (music / 'text.mid').write_text('this is no music')
  (music / 'gone.mid').symlink_to(music / 'nowhere.mid')
  midi.write(Notes.build(480), music / 'silent.mid')
  whole = (music / 'song000.mid').read_bytes()
  (music / 'cut.mid').write_bytes(whole[: len(whole) * 2 // 3])

  report = prepare.prepare(music, Remi(), tmp_path / 'out')
  assert report.counts['files'] == 17
  assert report.counts['dropped'] == sum(report.reasons.values()) == 4
  assert report.counts['repaired'] == 1
  assert report.reasons['no_notes'] == 1
  told = {file.name: file for file in report.files()}
  assert len(told) == 17
  for name in ('empty.mid', 'text.mid', 'gone.mid', 'silent.mid'):
    assert told[name].status == 'dropped'
    assert told[name].code
    assert told[name].reason
  assert told['cut.mid'].status == 'repaired'
  assert told['cut.mid'].issues
  assert told['song001.mid'].status == 'ok'
  opened = cache.TokenCache.open(tmp_path / 'out')
  assert sum(len(opened[split]) for split in opened) == 13


def test_only_bad_files_leave_nothing_behind(tmp_path):
  folder = tmp_path / 'music'
  folder.mkdir()
  for name in 'abc':
    (folder / f'{name}.mid').write_bytes(b'no music')
  with pytest.raises(DataError, match='none of 3 files') as caught:
    prepare.prepare(folder, Remi(), tmp_path / 'out')
  assert caught.value.code == 'nothing_usable'
  assert re.search(r'such as \S*[abc]\.mid: .+; `aurl', str(caught.value))
  assert [path.name for path in tmp_path.iterdir()] == ['music']


def test_what_a_tokenizer_cannot_hold_is_left_out(music, tmp_path):
  with pytest.raises(DataError, match='12 × voices'):
    prepare.prepare(music, VoiceGrid(), tmp_path / 'out')


def test_copies_stay_on_one_side_in_whatever_key(tmp_path):
  folder = fill(tmp_path / 'music', range(30))
  fill(folder / 'copies', range(30), up=5, name='other')
  report = prepare.prepare(folder, Remi(), tmp_path / 'out')
  sides = {}
  for file in report.files():
    sides.setdefault(file.name[-7:], set()).add(file.split)
  assert len(sides) == 30
  assert all(len(side) == 1 for side in sides.values())
  assert report.counts['duplicates_kept'] == 30


@pytest.mark.parametrize('held', [0, 5, 100])
def test_a_copy_that_comes_late_follows_the_first(held, monkeypatch, tmp_path):
  monkeypatch.setattr(prepare, '_HELD', held)
  folder = fill(tmp_path / 'music', range(8))
  fill(folder / 'zcopies', range(8), up=-3)
  report = prepare.prepare(folder, Remi(), tmp_path / 'out')
  sides = {}
  for file in report.files():
    sides.setdefault(file.digest, set()).add(file.split)
  assert [len(side) for side in sides.values()] == [1] * 8


def test_official_splits_come_first(tmp_path):
  fill(tmp_path / 'music' / 'train', range(3))
  fill(tmp_path / 'music' / 'test', range(3, 9))
  report = prepare.prepare(tmp_path / 'music', Remi(), tmp_path / 'out')
  assert {n: c['pieces'] for n, c in report.splits.items()} == {
    'train': 3,
    'test': 6,
  }
  assert "'valid'" in report.warnings[0]


def test_splits_may_be_given_by_name_or_by_music(music, tmp_path):
  given = {'song000.mid': 'test', splits.digest(song(1)): 'valid'}
  report = prepare.prepare(music, Remi(), tmp_path / 'out', splits=given)
  told = {file.name: file.split for file in report.files()}
  assert (told['song000.mid'], told['song001.mid']) == ('test', 'valid')


def test_the_same_again_is_found_not_made(music, tmp_path, monkeypatch):
  first = prepare.prepare(music, Remi(), tmp_path / 'out')
  monkeypatch.setattr(midi, 'read', None)
  again = prepare.prepare(music, Remi(), tmp_path / 'out')
  assert again.reused
  assert again.as_dict() == first.as_dict() | {'reused': True}


def other_tokenizer(music, out):
  return prepare.prepare(music, Remi(velocity_bins=16), out)


def changed_file(music, out):
  midi.write(song(99), music / 'song000.mid')
  return prepare.prepare(music, Remi(), out)


def renamed_file(music, out):
  (music / 'song000.mid').rename(music / 'renamed.mid')
  return prepare.prepare(music, Remi(), out)


def other_splits(music, out):
  return prepare.prepare(music, Remi(), out, splits={'song000.mid': 'test'})


def damaged_cache(music, out):
  path = out / 'tokens' / 'train' / 'bars.npy'
  path.write_bytes(path.read_bytes()[:-1])
  return prepare.prepare(music, Remi(), out)


@pytest.mark.parametrize(
  'change',
  [other_tokenizer, changed_file, renamed_file, other_splits, damaged_cache],
)
def test_what_changed_is_made_anew(music, tmp_path, change):
  out = tmp_path / 'out'
  prepare.prepare(music, Remi(), out)
  assert not change(music, out).reused
  assert cache.TokenCache.open(out)['train'].pieces


def test_what_was_not_prepared_here_is_never_overwritten(music, tmp_path):
  (tmp_path / 'mine').mkdir()
  (tmp_path / 'mine' / 'thesis.txt').write_text('precious')
  with pytest.raises(DataError, match='not overwritten') as caught:
    prepare.prepare(music, Remi(), tmp_path / 'mine')
  assert caught.value.code == 'not_ours'
  with pytest.raises(DataError, match='not overwritten'):
    prepare.prepare(music, Remi(), tmp_path / 'mine' / 'thesis.txt')
  assert (tmp_path / 'mine' / 'thesis.txt').read_text() == 'precious'
  (tmp_path / 'empty').mkdir()
  assert prepare.prepare(music, Remi(), tmp_path / 'empty').splits


def test_an_interrupt_leaves_what_was_there(music, tmp_path):
  first = prepare.prepare(music, Remi(), tmp_path / 'out')

  def stop(done, total):
    if done == 7:
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    prepare.prepare(music, Compound(), tmp_path / 'out', progress=stop)
  assert sorted(path.name for path in tmp_path.iterdir()) == ['music', 'out']
  again = prepare.prepare(music, Remi(), tmp_path / 'out')
  assert again.as_dict() == first.as_dict() | {'reused': True}


def test_records_are_prepared_again_for_another_tokenizer(music, tmp_path):
  prepare.prepare(music, Remi(), tmp_path / 'one')
  again = prepare.prepare(tmp_path / 'one', Compound(), tmp_path / 'two')
  direct = prepare.prepare(music, Compound(), tmp_path / 'three')
  assert again.splits == direct.splits
  one, two = (
    {file.name: dataclasses.asdict(file) for file in report.files()}
    for report in (again, direct)
  )
  assert one == two


def test_progress_is_told_for_every_source(music, tmp_path):
  told = []
  prepare.prepare(
    music, Remi(), tmp_path / 'out', progress=lambda *pair: told.append(pair)
  )
  assert told == [(done, 12) for done in range(1, 13)]


def test_nothing_to_prepare_is_said(tmp_path):
  with pytest.raises(DataError, match='no sources'):
    prepare.prepare([], Remi(), tmp_path / 'out')


def test_what_it_was_made_of_stands_beside_it(music, tmp_path):
  prepare.prepare(music, Remi(), tmp_path / 'out')
  key = json.loads((tmp_path / 'out' / prepare.KEY).read_text())
  assert key['tokenizer']['name'] == 'aurl_jax.tokens.remi:Remi'
  assert cache.TokenCache.open(tmp_path / 'out').tokenizer == key['tokenizer']
  assert str(tmp_path) not in json.dumps(key)


FULL = """
import resource, sys
from aurl_jax.core.errors import AurlError
from aurl_jax.data import prepare
from aurl_jax.tokens.remi import Remi

music, out, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
  prepare.prepare(music, Remi(), out)
except AurlError as error:
  print(error.code)
"""


def test_a_full_disk_is_told_and_leaves_nothing(music, tmp_path):
  done = subprocess.run(
    [sys.executable, '-c', FULL, music, tmp_path / 'out', '2000'],
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout.strip() == 'disk_full', done.stderr
  assert [path.name for path in tmp_path.iterdir()] == ['music']


def test_a_disk_that_fills_up_under_the_records_is_told(
  music, tmp_path, monkeypatch
):
  from tensorflow_datasets.core import sequential_writer

  def write(*_):
    raise RuntimeError(f'write() failed: {os.strerror(errno.ENOSPC)}; at 7')

  monkeypatch.setattr(sequential_writer.Shard, 'add_example', write)
  with pytest.raises(AurlError, match='free some space') as caught:
    prepare.prepare(music, Remi(), tmp_path / 'out')
  assert caught.value.code == 'disk_full'
  assert [path.name for path in tmp_path.iterdir()] == ['music']


@dataclasses.dataclass(frozen=True)
class Watched:
  """A source whose pieces can be counted while they live."""

  name: str
  seed: int
  alive: list
  split: str | None = None

  def digest(self):
    return self.name

  def read(self):
    notes = song(self.seed)
    self.alive.append(weakref.ref(notes))
    return midi.Reading(notes)


@pytest.mark.slow
def test_few_pieces_are_ever_in_memory(tmp_path, monkeypatch):
  monkeypatch.setattr(prepare, '_HELD', 10)
  alive, most = [], []

  def count(done, total):
    most.append(sum(reference() is not None for reference in alive))

  found = [Watched(f'{seed}', seed, alive) for seed in range(150)]
  prepare.prepare(found, Remi(), tmp_path / 'out', progress=count)
  assert len(alive) == 150
  assert max(most) <= 10 + 3


def test_the_shared_corpora_are_prepared(shared_data, tmp_path):
  found = sources.folder(shared_data / 'pop909')
  few = [source for source in found if source.split == 'valid'][:4]
  report = prepare.prepare(
    [*few, *found[:4]], Compound(), tmp_path / 'out', splits='pop909'
  )
  assert {n: c['pieces'] for n, c in report.splits.items()} == {
    'train': 4,
    'valid': 4,
  }


def test_broken_files_never_stop_it(shared_data, tmp_path):
  broken = pathlib.Path(shared_data).parent / 'broken_midi'
  if not broken.is_dir():
    pytest.skip(f'no broken files at {broken}')
  found = sources.folder(broken)[::9]
  report = prepare.prepare(found, Compound(), tmp_path / 'out')
  assert report.counts['files'] == len(found)
  assert report.counts['dropped'] > 0
  assert all(file.reason for file in report.files() if not file.split)


def _keep(music, root, sender):
  report = prepare.keep(music, Remi(), root)
  sender.send((str(report.folder), report.reused))


@pytest.mark.slow
def test_of_processes_that_want_one_set_one_makes_it(music, tmp_path):
  context = multiprocessing.get_context('spawn')
  receiver, sender = context.Pipe(duplex=False)
  workers = [
    context.Process(target=_keep, args=(music, tmp_path / 'sets', sender))
    for _ in range(3)
  ]
  for worker in workers:
    worker.start()
  told = [receiver.recv() for _ in workers]
  for worker in workers:
    worker.join()
    assert worker.exitcode == 0
  assert len({folder for folder, _ in told}) == 1
  assert sorted(reused for _, reused in told) == [False, True, True]


def test_whatever_changes_is_another_set(music, tmp_path):
  root = tmp_path / 'sets'

  def folder(**told):
    values = {'tokenizer': Remi()} | told
    return prepare.keep(music, root=root, **values).folder

  first = folder()
  quality = Options(quality=Filter(min_notes=3))
  others = [
    folder(tokenizer=Remi(velocity_bins=8)),
    folder(options=quality),
    folder(splits={'song000.mid': 'test'}),
  ]
  fill(music, [99])
  others.append(folder())
  assert len({first, *others}) == 5
  (music / 'song099.mid').unlink()
  assert folder() == first
  assert all(path.name.startswith('music_') for path in others)


@pytest.mark.parametrize('damage', ['poison', 'delete', 'key'])
def test_a_damaged_set_is_made_again(music, tmp_path, damage):
  report = prepare.keep(music, Remi(), tmp_path / 'sets')
  ids = report.folder / 'tokens' / 'train' / 'ids.npy'
  whole = ids.read_bytes()
  if damage == 'poison':
    ids.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
  elif damage == 'delete':
    shutil.rmtree(ids.parent)
  else:
    (report.folder / 'key.json').write_text('{')
  again = prepare.keep(music, Remi(), tmp_path / 'sets')
  assert again.folder == report.folder
  assert not again.reused
  assert ids.read_bytes() == whole
