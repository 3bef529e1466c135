"""The Beam pipeline and its merge make what `aurl prepare` makes."""

import json
import os
import pathlib
import subprocess

import numpy as np
import pytest

from aurl_jax.core.errors import AurlError, DataError
from aurl_jax.data import beam, parts, prepare, sources
from aurl_jax.data.builders import note_sequences
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.remi import Remi

TOKENS = ('ids.npy', 'offsets.npy', 'bars.npy', 'pieces.json')


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  """Over a hundred songs, with copies, broken files and a sidecar."""
  root = tmp_path_factory.mktemp('corpus')
  rng = np.random.default_rng(0)
  for index in range(110):
    onset = np.sort(rng.integers(0, 3840, 12))
    notes = Notes.build(
      480,
      {'onset': onset, 'duration': 240, 'pitch': rng.integers(40, 90, 12)},
    )
    path = root / f'{index % 3}' / f'{index:03d}.mid'
    path.parent.mkdir(exist_ok=True)
    midi.write(notes, path)
    if index % 20 == 0:
      midi.write(notes, root / f'copy {index}.mid')
    if index % 30 == 0:
      data = path.read_bytes()
      (root / f'cut {index}.mid').write_bytes(data[: len(data) - 9])
  (root / 'empty.mid').touch()
  (root / 'text.mid').write_bytes(b'no music')
  (root / '0' / 'metadata.json').write_text('{"genre": "test"}')
  return root


def assert_equal_folders(made, expected):
  """Compares ids byte by byte, records by what they hold, reports by rows."""
  splits = json.loads((expected / 'tokens' / 'cache.json').read_text())
  for split in splits['splits']:
    for name in TOKENS:
      path = pathlib.Path('tokens', split, name)
      assert (made / path).read_bytes() == (expected / path).read_bytes()
  found, wanted = (
    {source.name: source for source in sources.records(folder / 'records')}
    for folder in (made, expected)
  )
  assert list(found) == list(wanted)
  for name, source in found.items():
    assert source.split == wanted[name].split
    assert source.read() == wanted[name].read()
  rows = [
    [json.loads(line) for line in (folder / 'files.jsonl').open()]
    for folder in (made, expected)
  ]
  assert rows[0] == rows[1]
  reports = [
    json.loads((folder / 'report.json').read_text())
    for folder in (made, expected)
  ]
  for key in ('counts', 'splits', 'reasons', 'repairs', 'warnings'):
    assert reports[0][key] == reports[1][key]
  # What is known beside the music may be told by one alone.
  for name, histogram in reports[1]['histograms'].items():
    assert reports[0]['histograms'][name] == histogram


def test_transform_and_merge_make_what_prepare_makes(corpus, tmp_path):
  found = sources.folder(corpus)
  tokenizer = Remi()
  pieces = [
    beam.transform(index, source, tokenizer, {})
    for index, source in enumerate(found)
  ]
  beam.merge(iter(pieces), tokenizer, tmp_path / 'made', official=False)
  report = prepare.prepare(corpus, tokenizer, tmp_path / 'expected')
  assert report.counts['dropped'] == 2
  assert report.counts['duplicates'] >= 5
  assert_equal_folders(tmp_path / 'made', tmp_path / 'expected')


def test_splits_that_are_told_hold(corpus, tmp_path):
  found = sources.folder(corpus)[:15]
  tokenizer = Remi()
  given = {found[0].name: 'test', found[9].name: 'valid'}
  pieces = [
    beam.transform(index, source, tokenizer, given)
    for index, source in enumerate(found)
  ]
  beam.merge(pieces, tokenizer, tmp_path / 'made', official=True)
  prepare.prepare(found, tokenizer, tmp_path / 'expected', splits=given)
  assert_equal_folders(tmp_path / 'made', tmp_path / 'expected')


def test_records_carry_metadata(corpus):
  source = sources.folder(corpus)[0]
  piece = beam.transform(0, source, Remi(), {})
  assert piece.described['genre'] == {'test': 1}
  proto = note_sequences.note_sequence.load_proto().NoteSequence
  stored = proto.FromString(piece.sequence)
  assert list(stored.sequence_metadata.genre) == ['test']
  assert stored.id == stored.filename == source.name


def test_nothing_of_use_is_an_error_and_leaves_nothing(tmp_path):
  path = tmp_path / 'bad.mid'
  path.write_bytes(b'no music')
  piece = beam.transform(0, sources.MidiFile('bad.mid', path), Remi(), {})
  assert (piece.file.status, piece.file.code) == ('dropped', 'no_header')
  with pytest.raises(DataError, match='no_header') as caught:
    beam.merge([piece], Remi(), tmp_path / 'out', official=False)
  assert caught.value.code == 'nothing_usable'
  assert not (tmp_path / 'out').exists()


def test_without_beam_it_says_what_to_install(corpus, tmp_path):
  try:
    import apache_beam  # noqa: F401
  except ImportError:
    with pytest.raises(AurlError, match=r'beam\.txt') as caught:
      beam.prepare(sources.folder(corpus), Remi(), tmp_path / 'out')
    assert caught.value.code == 'no_beam'
  else:
    pytest.skip('Apache Beam is installed here')


def test_only_midi_files_go_to_workers():
  unusable = sources.Unusable('a', 'unreadable', 'locked')
  assert beam._row(unusable) == {
    'name': 'a',
    'code': 'unreadable',
    'reason': 'locked',
  }
  index, data = beam._work((7, beam._row(unusable)), saved={}, given={})
  piece = parts.Piece.from_bytes(data)
  assert (index, piece.index, piece.file.code) == (0, 7, 'unreadable')


@pytest.fixture
def beam_python(repository):
  """The Python of the environment that `tools/env/beam.txt` describes."""
  told = os.environ.get('AURL_BEAM_PYTHON')
  python = pathlib.Path(told or repository / '.venv-beam' / 'bin' / 'python')
  if not python.exists():
    pytest.skip(
      f'no Beam environment at {python}; tools/env/beam.txt tells how to make '
      'it, AURL_BEAM_PYTHON where it is'
    )
  return python


def test_the_direct_runner_makes_what_prepare_makes(
  beam_python, repository, corpus, tmp_path
):
  done = subprocess.run(
    [
      beam_python, 'tools/beam_prepare.py', corpus,
      '--out', tmp_path / 'made', '--tokenizer', 'remi',
      '--runner=DirectRunner',
    ],
    cwd=repository,
    env=os.environ | {'PYTHONPATH': str(repository)},
    capture_output=True,
    text=True,
    check=False,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  prepare.prepare(corpus, Remi(), tmp_path / 'expected')
  assert_equal_folders(tmp_path / 'made', tmp_path / 'expected')
