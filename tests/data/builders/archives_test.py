"""The public sets on small archives, made here as they are published."""

import csv
import functools
import hashlib
import http.server
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import threading
import zipfile

import mido
import pytest
import tensorflow_datasets as tfds

from aurl_jax.core.errors import DataError
from aurl_jax.data import metadata, sources, splits
from aurl_jax.data.builders import archives, note_sequences, published
from aurl_jax.music.midi_chunks import Limits


def song(pitch):
  file = mido.MidiFile()
  track = mido.MidiTrack()
  file.tracks.append(track)
  track.append(mido.Message('note_on', note=pitch, velocity=64))
  track.append(mido.Message('note_off', note=pitch, time=480 + pitch))
  target = io.BytesIO()
  file.save(file=target)
  return target.getvalue()


def table(rows):
  target = io.StringIO(newline='')
  writer = csv.DictWriter(target, list(rows[0]))
  writer.writeheader()
  writer.writerows(rows)
  return target.getvalue().encode()


def row_of_maestro(name, split, composer='Franz Schubert'):
  return {
    'canonical_composer': composer,
    'canonical_title': 'Sonata, "D. 960"',
    'split': split,
    'year': '2018',
    'midi_filename': name,
    'audio_filename': 'x.wav',
    'duration': '3.0',
  }


def row_of_groove(name, split):
  return {
    'drummer': 'drummer1',
    'session': 'drummer1/session1',
    'id': name,
    'style': 'funk/rock',
    'bpm': '120',
    'beat_type': 'beat',
    'time_signature': '4-4',
    'midi_filename': name,
    'audio_filename': 'x.wav',
    'duration': '3.0',
    'split': split,
  }


FOLDERS = {
  'train/a.mid': song(60),
  'train/b.mid': song(61),
  'valid/a.mid': song(62),
  'test/a.mid': song(63),
  'readme.txt': b'no piece',
}
LAYOUTS = {
  'jsb_chorales': {f'JSB Chorales/{k}': v for k, v in FOLDERS.items()},
  'nottingham': {f'Nottingham/{k}': v for k, v in FOLDERS.items()},
  'pop909': {
    'POP909-Dataset-master/README.md': b'text',
    'POP909-Dataset-master/POP909/001/001.mid': song(60),
    'POP909-Dataset-master/POP909/001/versions/001-v1.mid': song(65),
    'POP909-Dataset-master/POP909/018/018.mid': song(61),
    'POP909-Dataset-master/POP909/999/999.mid': song(62),
    '__MACOSX/POP909-Dataset-master/POP909/001/._001.mid': b'junk',
  },
  'groove': {
    'groove/info.csv': table(
      [
        row_of_groove('drummer1/session1/1_funk.mid', 'train'),
        row_of_groove('drummer1/session1/2_funk.mid', 'validation'),
        row_of_groove('drummer1/session1/3_funk.mid', 'test'),
      ]
    ),
    'groove/drummer1/session1/1_funk.mid': song(36),
    'groove/drummer1/session1/2_funk.mid': song(38),
    'groove/drummer1/session1/3_funk.mid': song(40),
  },
  'maestro': {
    'maestro-v3.0.0/maestro-v3.0.0.csv': table(
      [
        row_of_maestro('2018/a.midi', 'train', 'Schubert / Franz Liszt'),
        row_of_maestro('2018/b.midi', 'validation'),
        row_of_maestro('2018/c.midi', 'test'),
      ]
    ),
    'maestro-v3.0.0/2018/a.midi': song(60),
    'maestro-v3.0.0/2018/b.midi': song(61),
    'maestro-v3.0.0/2018/c.midi': song(62),
  },
  'lakh': {f'lmd_full/{i % 4}/{i:032x}.mid': song(30 + i) for i in range(60)},
}
FOLDER_SPLITS = {
  'train/a.mid': 'train',
  'train/b.mid': 'train',
  'valid/a.mid': 'valid',
  'test/a.mid': 'test',
}
SPLITS = {
  'jsb_chorales': FOLDER_SPLITS,
  'nottingham': FOLDER_SPLITS,
  'pop909': {'001.mid': 'train', '018.mid': 'valid', '999.mid': 'test'},
  'groove': {
    'drummer1/session1/1_funk.mid': 'train',
    'drummer1/session1/2_funk.mid': 'valid',
    'drummer1/session1/3_funk.mid': 'test',
  },
  'maestro': {
    '2018/a.midi': 'train',
    '2018/b.midi': 'valid',
    '2018/c.midi': 'test',
  },
}


def pack(path, files):
  """Writes an archive as its name says."""
  path.parent.mkdir(parents=True, exist_ok=True)
  if path.name.endswith('.zip'):
    with zipfile.ZipFile(path, 'w') as archive:
      for name, data in files.items():
        archive.writestr(name, data)
  else:
    with tarfile.open(path, 'w:gz') as archive:
      for name, data in files.items():
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
  return path


@pytest.fixture
def register(tmp_path, monkeypatch):
  """A list of checksums of its own; returns what adds an archive to it."""
  place = tmp_path / 'checksums.tsv'
  place.write_text('')
  monkeypatch.setattr(archives, 'CHECKSUMS', place)

  def add(builder, path):
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    line = f'{builder.URL}\t{len(data)}\t{digest}\t{builder.FILENAME}\n'
    place.write_text(place.read_text() + line)
    return path

  return add


def make(name, tmp_path, register):
  builder = published.SETS[name]
  path = pack(tmp_path / 'here' / builder.FILENAME, LAYOUTS[name])
  return builder, register(builder, path)


def read(folder):
  return {
    example['id'].decode(): (split, example)
    for split, examples in note_sequences.read(folder).items()
    for example in examples
  }


@pytest.mark.parametrize('name', sorted(LAYOUTS))
def test_a_set_is_read_as_it_is_published(name, tmp_path, register):
  builder, path = make(name, tmp_path, register)
  folder = archives.fetch(builder, tmp_path / 'out', archive=path)
  found = read(folder)
  if name in SPLITS:
    assert {k: split for k, (split, _) in found.items()} == SPLITS[name]
  else:
    assert len(found) == 60
    for split, example in found.values():
      assert split == splits.by_digest(example['digest'].decode())
  # The same, by the package's door and by TFDS's own.
  pieces = {source.name: source for source in sources.records(folder)}
  assert pieces.keys() == found.keys()
  for source in pieces.values():
    known = source.metadata().metadata
    assert known.source == builder.KNOWN.source != ''
    [pitch] = source.read().notes.pitch
    assert (
      splits.digest(source.read().notes)
      == found[source.name][1]['digest'].decode()
    )
    assert song(pitch) in LAYOUTS[name].values()
  data = tfds.builder_from_directory(folder).as_data_source(split='train')
  assert len(data) == sum(split == 'train' for split, _ in found.values())
  assert {s.name for s in sources.find(tmp_path / 'out')} == pieces.keys()


def test_tables_tell_composers_titles_and_players(tmp_path, register):
  builder, path = make('maestro', tmp_path, register)
  folder = archives.fetch(builder, tmp_path / 'm', archive=path)
  known = {s.name: s.metadata().metadata for s in sources.records(folder)}
  assert known['2018/a.midi'] == metadata.Metadata(
    title='Sonata, "D. 960"',
    composers=('Schubert', 'Franz Liszt'),
    genres=('classical',),
    source='MAESTRO 3.0.0',
    licence='CC BY-NC-SA 4.0',
    kind='performance',
  )
  builder, path = make('groove', tmp_path, register)
  folder = archives.fetch(builder, tmp_path / 'g', archive=path)
  for source in sources.records(folder):
    told = source.metadata().metadata
    assert (told.artist, told.genres) == ('drummer1', ('funk/rock',))


def test_what_cannot_be_read_is_told_and_the_rest_kept(tmp_path, register):
  builder = published.Nottingham
  files = LAYOUTS['nottingham'] | {'Nottingham/train/bad.mid': b'nothing'}
  path = register(builder, pack(tmp_path / 'a.zip', files))
  folder = archives.fetch(builder, tmp_path / 'out', archive=path)
  left_out = json.loads((folder / archives.LEFT_OUT).read_text())
  assert {name: code for name, (code, _) in left_out.items()} == {
    'train/bad.mid': 'no_header'
  }
  assert read(folder).keys() == SPLITS['nottingham'].keys()


def test_another_archive_than_the_registered_one_is_refused(tmp_path, register):
  builder, path = make('maestro', tmp_path, register)
  data = bytearray(path.read_bytes())
  data[100] ^= 1
  path.write_bytes(data)
  with pytest.raises(DataError, match='not the maestro') as caught:
    archives.fetch(builder, tmp_path / 'out', archive=path)
  assert caught.value.code == 'checksum'
  assert not (tmp_path / 'out').exists()


def test_without_a_checksum_nothing_is_taken_but_it_can_be_recorded(
  tmp_path, register
):
  builder = published.Nottingham
  path = pack(tmp_path / 'n.zip', LAYOUTS['nottingham'])
  for archive in (path, None):
    with pytest.raises(DataError, match='--record') as caught:
      archives.fetch(builder, tmp_path / 'out', archive=archive)
    assert caught.value.code == 'no_checksum'
  archives.fetch(builder, tmp_path / 'out', archive=path, record=True)
  [line] = archives.CHECKSUMS.read_text().splitlines()
  digest = hashlib.sha256(path.read_bytes()).hexdigest()
  assert line.split('\t') == [
    builder.URL, str(path.stat().st_size), digest, 'Nottingham.zip'
  ]  # fmt: skip
  archives.fetch(builder, tmp_path / 'again', archive=path)


def test_an_archive_of_no_use_says_why(tmp_path, register):
  builder = published.Maestro
  empty = pack(tmp_path / 'a.zip', {'other/file.txt': b'x'})
  junk = tmp_path / 'junk.zip'
  junk.write_bytes(b'no archive at all' * 100)
  listed = {
    'maestro-v3.0.0/maestro-v3.0.0.csv': table([row_of_maestro('a', 't')])
  }
  without = pack(tmp_path / 'b.zip', listed)
  cases = [
    (tmp_path / 'nowhere.zip', 'no_archive'),
    (empty, 'layout'),
    (junk, 'archive'),
    (without, 'layout'),
  ]
  for path, code in cases:
    if path.exists():
      archives.CHECKSUMS.write_text('')
      register(builder, path)
    with pytest.raises(DataError) as caught:
      archives.fetch(builder, tmp_path / 'out' / path.stem, archive=path)
    assert caught.value.code == code


def test_a_member_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
  path = pack(tmp_path / 'a.tar.gz', {'a/b.mid': b'x' * 2000})
  monkeypatch.setattr(archives, 'LIMITS', Limits(bytes=1000))
  with pytest.raises(DataError, match='2000 bytes') as caught:
    list(archives.walk(path, archives.is_midi))
  assert caught.value.code == 'too_large'


@pytest.fixture
def network(monkeypatch, tmp_path):
  """What TFDS downloads comes from a server of the test, over HTTP."""
  root = tmp_path / 'server'
  root.mkdir()
  handler = functools.partial(
    http.server.SimpleHTTPRequestHandler, directory=str(root)
  )
  monkeypatch.setattr(handler.func, 'log_message', lambda *_: None)
  server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
  thread = threading.Thread(target=server.serve_forever, daemon=True)
  thread.start()
  yield root, f'http://127.0.0.1:{server.server_port}'
  server.shutdown()
  thread.join()
  server.server_close()


@pytest.fixture
def on_line(network, register, monkeypatch):
  """The chorales, registered where the server of the test has them."""
  root, address = network
  builder = published.JsbChorales
  path = pack(root / 'jsb.zip', LAYOUTS['jsb_chorales'])
  monkeypatch.setattr(builder, 'URL', f'{address}/jsb.zip')
  register(builder, path)
  return builder, path


def test_it_is_downloaded_through_tfds_and_checked(tmp_path, on_line):
  builder, path = on_line
  folder = archives.fetch(builder, tmp_path / 'out')
  assert read(folder).keys() == SPLITS['jsb_chorales'].keys()
  path.unlink()
  again = archives.fetch(builder, tmp_path / 'out')
  assert again == folder
  with pytest.raises(DataError, match='--archive') as caught:
    archives.fetch(builder, tmp_path / 'elsewhere')
  assert caught.value.code == 'download'


def test_a_download_that_is_something_else_is_refused(tmp_path, on_line):
  builder, path = on_line
  path.write_bytes(b'<html>moved</html>')
  with pytest.raises(DataError, match='registered') as caught:
    archives.fetch(builder, tmp_path / 'out')
  assert caught.value.code == 'checksum'


def test_registered_checksums_are_whole():
  known = archives.registered()
  urls = {builder.URL: builder for builder in published.SETS.values()}
  assert known.keys() <= urls.keys()
  assert len(known) == 4
  for url, info in known.items():
    assert info.filename == urls[url].FILENAME
    assert len(bytes.fromhex(info.checksum)) == 32
    assert info.size > 0


def test_the_tool_tells_what_it_did_or_why_not(tmp_path, repository):
  tool = pathlib.Path('tools/download_data.py')
  done = subprocess.run(
    [
      sys.executable, tool, 'maestro', '--out', str(tmp_path / 'out'),
      '--archive', str(tmp_path / 'nowhere.zip'),
    ],
    cwd=repository,
    capture_output=True,
    text=True,
    check=False,
    env={'PYTHONPATH': str(repository), 'PATH': '/usr/bin:/bin'},
  )  # fmt: skip
  assert done.returncode == 2
  assert 'nowhere.zip is no file' in done.stderr
  assert 'Traceback' not in done.stderr
