"""The Beam pipeline and its merge make what `aurl prepare` makes."""

import json
import os
import pathlib
import subprocess

import numpy as np
import pytest

from aurl_jax.core.errors import AurlError
from aurl_jax.data import beam, parts, prepare, sources
from aurl_jax.data.piece import Options, Transform
from aurl_jax.data.preprocess import Preprocess
from aurl_jax.data.quality import Filter
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


def by_hand(found, out, folder, **told):
  """Does what a runner does: rows to workers, parts to a merge."""
  transform = Transform(tokenizer=Remi(), **told)
  recipe = json.loads(json.dumps(beam._plain(transform)))
  grouped = {}
  for row in enumerate(map(beam._row, found)):
    part, data = beam._work(row, recipe=recipe)
    grouped.setdefault(part, []).append(data)
  for part, pieces in grouped.items():
    beam._write_bytes((part, reversed(pieces)), folder=str(folder))
  pieces = parts.read_parts(folder, len(found))
  prepare.write(pieces, found, transform, out, {})


@pytest.mark.slow
def test_workers_and_merge_make_what_prepare_makes(corpus, tmp_path):
  by_hand(sources.folder(corpus), tmp_path / 'made', tmp_path / 'parts')
  report = prepare.prepare(corpus, Remi(), tmp_path / 'expected')
  assert report.counts['dropped'] == 2
  assert report.counts['duplicates_kept'] >= 5
  assert_equal_folders(tmp_path / 'made', tmp_path / 'expected')


def test_options_and_splits_reach_the_workers(corpus, tmp_path):
  found = sources.folder(corpus)[:15]
  told = {
    'given': {found[0].name: 'test', found[9].name: 'valid'},
    'options': Options(
      preprocess=Preprocess(quantise=1.0), quality=Filter(min_notes=10)
    ),
  }
  by_hand(found, tmp_path / 'made', tmp_path / 'parts', **told)
  prepare.prepare(
    found,
    Remi(),
    tmp_path / 'expected',
    options=told['options'],
    splits=told['given'],
  )
  assert_equal_folders(tmp_path / 'made', tmp_path / 'expected')


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
  index, data = beam._work((7, beam._row(unusable)), recipe={})
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
