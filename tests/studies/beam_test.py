"""Studies with Beam: parts that go on, and the file that one machine makes."""

import os
import pathlib
import subprocess

import pytest

from aurl_jax.core.errors import AurlError, DataError
from aurl_jax.studies import beam, corpus, study
from aurl_jax.studies.corpus import Item
from tests.studies import outside

NAMES = ('tops', 'halves')


@pytest.fixture
def known(tmp_path, monkeypatch):
  """A package that brings both studies, for this process and its children."""
  home = outside.install(
    tmp_path / 'site',
    tops='tests.studies.outside:Tops',
    halves='tests.studies.outside:Halves',
  )
  monkeypatch.syspath_prepend(str(home))
  return home


@pytest.fixture
def pieces(tmp_path):
  paths = outside.songs(tmp_path / 'songs', [''] * 7)
  paths[3].write_bytes(b'no music')
  return [Item(path.name, path) for path in paths]


def test_parts_joined_are_what_one_process_makes(
  known, pieces, tmp_path, monkeypatch
):
  monkeypatch.setattr(beam, 'PART', 3)
  tasks = list(beam.cut(pieces, NAMES, tmp_path / 'parts'))
  assert [len(task.pieces) for task in tasks] == [3, 3, 1]
  # As runners may: in any order, and one twice.
  for task in (tasks[2], tasks[0], tasks[1], tasks[0]):
    beam._hear(tuple(task))
  beam.join(tasks, tmp_path / 'out.jsonl')
  expected = tmp_path / 'expected.jsonl'
  corpus.run(pieces, study.load(NAMES), expected, workers=0)
  assert (tmp_path / 'out.jsonl').read_bytes() == expected.read_bytes()
  assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
    '.expected.jsonl.lock',
    'expected.jsonl',
    'out.jsonl',
  ]
  pathlib.Path(tasks[1].path).unlink()
  (tmp_path / 'out.jsonl').write_text('old')
  with pytest.raises(DataError, match='part-000001'):
    beam.join(tasks, tmp_path / 'out.jsonl')
  assert (tmp_path / 'out.jsonl').read_text() == 'old'


def test_only_paths_go_to_workers():
  with pytest.raises(DataError, match='is no path'):
    list(beam.cut([Item('a', b'')], NAMES, pathlib.Path('x')))


def test_without_beam_it_says_what_to_install(known, pieces, tmp_path):
  try:
    import apache_beam  # noqa: F401
  except ImportError:
    with pytest.raises(AurlError, match=r'beam\.txt') as caught:
      beam.run(pieces, NAMES, tmp_path / 'out.jsonl')
    assert caught.value.code == 'no_beam'
  else:
    pytest.skip('Apache Beam is installed here')


def test_no_pieces_and_no_such_study(tmp_path):
  with pytest.raises(study.StudyError, match="'odd'"):
    beam.run([], ['odd'], tmp_path / 'out.jsonl')
  with pytest.raises(DataError, match='no pieces'):
    beam.run([], [], tmp_path / 'out.jsonl')


def test_the_direct_runner_makes_the_same_file(
  known, pieces, tmp_path, repository
):
  told = os.environ.get('AURL_BEAM_PYTHON')
  python = pathlib.Path(told or repository / '.venv-beam' / 'bin' / 'python')
  if not python.exists():
    pytest.skip(
      f'no Beam environment at {python}; tools/env/beam.txt tells how to make '
      'it, AURL_BEAM_PYTHON where it is'
    )
  done = subprocess.run(
    [
      python, 'tools/beam_studies.py', tmp_path / 'songs',
      '--out', tmp_path / 'heard', '--study', 'tops,halves',
      '--runner=DirectRunner',
    ],
    cwd=repository,
    env=os.environ
    | {'PYTHONPATH': os.pathsep.join([str(repository), str(known)])},
    capture_output=True,
    text=True,
    check=False,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  expected = tmp_path / 'expected.jsonl'
  corpus.run(pieces, study.load(NAMES), expected, workers=0)
  made = tmp_path / 'heard' / 'records.jsonl'
  assert made.read_bytes() == expected.read_bytes()
