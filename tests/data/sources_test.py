import os
import pathlib

import pytest

from aurl_jax.core.errors import DataError, MidiError
from aurl_jax.data import bach, sources
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes


def write(path, pitch=60):
  path.parent.mkdir(parents=True, exist_ok=True)
  notes = Notes.build(480, {'onset': [0], 'duration': 480, 'pitch': pitch})
  midi.write(notes, path)


def names(found):
  return [source.name for source in found]


def test_midi_is_found_at_any_depth_in_any_case_sorted(tmp_path):
  for name in ('b.MID', 'a/z.mid', 'a/b/c.Midi', 'x.kar', 'notes.txt'):
    write(tmp_path / name)
  found = sources.folder(tmp_path)
  assert names(found) == ['a/b/c.Midi', 'a/z.mid', 'b.MID', 'x.kar']
  assert {source.split for source in found} == {None}
  assert all(len(source.read().notes) == 1 for source in found)


def test_folders_named_after_splits_are_official(tmp_path):
  for name in ('train/a.mid', 'train/b.mid', 'valid/c.mid'):
    write(tmp_path / name)
  found = sources.folder(tmp_path)
  assert [source.split for source in found] == ['train', 'train', 'valid']


def test_links_are_followed_once(tmp_path):
  write(tmp_path / 'real' / 'a.mid')
  write(tmp_path / 'elsewhere' / 'b.mid')
  (tmp_path / 'real' / 'loop').symlink_to(tmp_path / 'real')
  (tmp_path / 'real' / 'more').symlink_to(tmp_path / 'elsewhere')
  (tmp_path / 'real' / 'again').symlink_to(tmp_path / 'elsewhere')
  assert names(sources.folder(tmp_path / 'real')) == ['a.mid', 'again/b.mid']


def test_a_dangling_link_is_a_source_that_cannot_be_read(tmp_path):
  (tmp_path / 'gone.mid').symlink_to(tmp_path / 'nowhere.mid')
  [source] = sources.folder(tmp_path)
  with pytest.raises(FileNotFoundError):
    source.read()
  with pytest.raises(FileNotFoundError):
    source.digest()


def test_a_name_that_is_no_text_stays_tellable(tmp_path):
  try:
    write(pathlib.Path(os.fsdecode(os.fsencode(tmp_path) + b'/caf\xe9.mid')))
  except OSError:
    pytest.skip('this file system takes no such name')
  [source] = sources.folder(tmp_path)
  assert source.name == 'caf\\xe9.mid'
  assert len(source.read().notes) == 1


def test_a_folder_that_cannot_be_entered_is_named(tmp_path, monkeypatch):
  write(tmp_path / 'a.mid')
  locked = OSError(13, 'Permission denied', str(tmp_path / 'locked'))

  def walk(root, followlinks, onerror):
    onerror(locked)
    yield str(root), [], ['a.mid']

  monkeypatch.setattr(sources.os, 'walk', walk)
  found = sources.folder(tmp_path)
  assert names(found) == ['a.mid', 'locked']
  with pytest.raises(DataError, match='Permission denied') as caught:
    found[1].read()
  assert caught.value.code == 'unreadable'


def missing(path):
  return path / 'nowhere'


def a_file(path):
  (path / 'file.mid').touch()
  return path / 'file.mid'


def without_midi(path):
  (path / 'notes.txt').touch()
  return path


@pytest.mark.parametrize(
  ('make', 'code', 'says'),
  [
    (missing, 'no_folder', 'does not exist'),
    (a_file, 'no_folder', 'is a file'),
    (lambda path: path, 'empty_folder', 'is empty'),
    (without_midi, 'no_midi', 'holds no MIDI files'),
  ],
)
def test_a_folder_of_no_use_says_why(tmp_path, make, code, says):
  with pytest.raises(DataError, match=says) as caught:
    sources.folder(make(tmp_path))
  assert caught.value.code == code


def test_a_digest_follows_the_bytes(tmp_path):
  write(tmp_path / 'a.mid')
  [source] = sources.folder(tmp_path)
  before = source.digest()
  assert source.digest() == before
  write(tmp_path / 'a.mid', pitch=61)
  assert source.digest() != before


def test_bytes_that_are_no_music_show_when_read(tmp_path):
  (tmp_path / 'bad.mid').write_bytes(b'no music')
  [source] = sources.folder(tmp_path)
  with pytest.raises(MidiError):
    source.read()


@pytest.fixture
def few_scores(tmp_path, monkeypatch):
  """A corpus of three scores, one of them for piano."""
  place = tmp_path / 'scores'
  place.mkdir()
  for name in ('bwv103.6', 'bwv26.6', 'bwv846'):
    data = (bach.corpus() / f'{name}.mxl').read_bytes()
    (place / f'{name}.mxl').write_bytes(data)
  monkeypatch.setattr(bach, 'corpus', lambda: place)
  return place


def test_chorales_are_read_once_and_kept(few_scores, tmp_path, monkeypatch):
  found = sources.chorales(tmp_path / 'cache')
  assert names(found) == ['bwv103.6', 'bwv26.6', 'bwv846']
  assert found[0].read().notes == bach.read(few_scores / 'bwv103.6.mxl')
  assert {source.split for source in found[:2]} <= {'train', 'valid', 'test'}
  with pytest.raises(DataError, match='Piano') as caught:
    found[2].read()
  assert caught.value.code == 'voices'

  monkeypatch.setattr(bach, 'read', None)
  again = sources.chorales(tmp_path / 'cache')
  assert [source.digest() for source in again] == [
    source.digest() for source in found
  ]
  assert again[1].read().notes == found[1].read().notes


def test_chorales_are_kept_where_the_environment_says(
  few_scores, tmp_path, monkeypatch
):
  monkeypatch.setenv('AURL_CACHE', str(tmp_path / 'mine'))
  sources.find('chorales')
  assert list((tmp_path / 'mine' / 'aurl_jax').glob('chorales-*'))
  monkeypatch.delenv('AURL_CACHE')
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
  assert sources.cache_root() == tmp_path / 'xdg' / 'aurl_jax'


def test_no_records_names_the_command_that_makes_them(tmp_path):
  with pytest.raises(DataError, match='aurl prepare'):
    sources.records(tmp_path)


def test_several_folders_are_one_set_whose_names_begin_with_theirs(tmp_path):
  for name in ('songs/train/a.mid', 'songs/valid/b.mid', 'drums/a.mid'):
    write(tmp_path / name)
  asked = os.pathsep.join(str(tmp_path / name) for name in ('songs', 'drums'))
  found = sources.find(asked)
  assert names(found) == [
    'songs/train/a.mid',
    'songs/valid/b.mid',
    'drums/a.mid',
  ]
  assert [source.split for source in found] == ['train', 'valid', None]
  assert all(len(source.read().notes) == 1 for source in found)


def test_a_folder_whose_name_has_the_separator_is_one(tmp_path):
  odd = tmp_path / f'a{os.pathsep}b'
  write(odd / 'c.mid')
  assert names(sources.find(odd)) == ['c.mid']


def test_folders_of_one_name_are_refused(tmp_path):
  for name in ('one/songs', 'two/songs'):
    write(tmp_path / name / 'a.mid')
  asked = os.pathsep.join(str(tmp_path / n / 'songs') for n in ('one', 'two'))
  with pytest.raises(DataError, match="'songs'") as info:
    sources.find(asked)
  assert info.value.code == 'same_name'


def test_one_of_several_folders_that_is_not_there_is_named(tmp_path):
  write(tmp_path / 'songs' / 'a.mid')
  gone = tmp_path / 'gone'
  with pytest.raises(DataError, match=r'gone does not exist'):
    sources.find(f'{tmp_path / "songs"}{os.pathsep}{gone}')
