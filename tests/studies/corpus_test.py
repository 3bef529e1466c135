"""Studies over streams of pieces: lines, errors, kills, resumption."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from aurl_jax.core.errors import AurlError, ConfigError
from aurl_jax.music.notes import Notes
from aurl_jax.studies import analysis, corpus, pool
from aurl_jax.studies.study import StudyError
from tests.studies import outside
from tests.studies.outside import Halves, Tops

BOTH = {'tops': Tops(), 'halves': Halves()}


def lines_of(path):
  return [json.loads(line) for line in path.read_text().splitlines()]


def seen(rows):
  return [(row['piece'], row['study']) for row in rows]


def highest(notes):
  """(pitch) of each onset, by a set and a scan."""
  return [
    max(p for o, p in zip(notes.onset, notes.pitch, strict=True) if o == at)
    for at in sorted(set(notes.onset.tolist()))
  ]


def test_a_line_a_piece_and_study(tmp_path):
  paths = outside.songs(tmp_path / 'songs', ['', 'print'])
  report = corpus.run(paths, BOTH, tmp_path / 'out.jsonl', workers=0)
  assert report == corpus.Report(pieces=2, kept=0, made=4, failed=0)
  rows = lines_of(tmp_path / 'out.jsonl')
  names = [str(path) for path in paths]
  assert seen(rows) == [(n, s) for n in names for s in ('tops', 'halves')]
  for row, number in zip(rows[::2], (0, 1), strict=True):
    pitches = highest(outside.song(number))
    assert [note['pitch'] for note in row['told']['tops']['notes']] == pitches
    assert row['features'] == {
      'tops': len(pitches),
      'mean_pitch': pytest.approx(np.mean(pitches)),
      'never': None,
    }
  assert list(corpus.read(tmp_path / 'out.jsonl')) == rows
  told = corpus.merged(next(corpus.by_piece(rows)))
  assert list(told) == ['tops', 'halves']


def test_a_stream_may_hold_paths_bytes_and_notes_and_have_no_end(tmp_path):
  (path,) = outside.songs(tmp_path, [''])
  data, notes = path.read_bytes(), outside.song(0)

  def endless():
    yield path
    yield corpus.Item('bytes', data)
    number = 0
    while True:
      yield corpus.Item(f'notes {number}', notes)
      number += 1

  found = corpus.stream(endless(), BOTH, workers=1)
  pieces = [next(found) for _ in range(40)]
  found.close()
  assert [rows[0]['piece'] for rows in pieces[:3]] == [
    str(path),
    'bytes',
    'notes 0',
  ]
  assert all(rows[0]['told'] == pieces[0][0]['told'] for rows in pieces)


def test_bad_files_are_lines_with_their_error(tmp_path):
  good, cut, empty = outside.songs(tmp_path, ['', '', ''])
  cut.write_bytes(b'no music')
  outside.midi.write(Notes.build(480), empty)
  missing = tmp_path / 'missing.mid'
  out = tmp_path / 'out.jsonl'
  pieces = [cut, good, empty, missing, tmp_path]
  report = corpus.run(pieces, BOTH, out, workers=1)
  assert (report.pieces, report.failed) == (5, 4)
  rows = lines_of(out)
  errors = {row['piece']: row['error'] for row in rows if 'error' in row}
  assert seen(row for row in rows if row['study'] is None) == [
    (str(path), None) for path in (cut, empty, missing, tmp_path)
  ]
  assert errors[str(empty)]['code'] == 'no_notes'
  for path, error in errors.items():
    assert path in error['message']
  # Bad files are known, too: nothing is tried again until they change.
  assert corpus.run(pieces, BOTH, out, workers=1).made == 0
  cut.write_bytes(good.read_bytes())
  assert corpus.run(pieces, BOTH, out, workers=1).made == 2


@pytest.mark.parametrize('workers', [0, 2])
def test_what_a_study_raises_is_told_and_the_other_goes_on(tmp_path, workers):
  paths = outside.songs(tmp_path, ['', 'raise', ''])
  rows = [
    row
    for rows in corpus.stream(
      paths, BOTH | {'odd': outside.Odd()}, workers=workers
    )
    for row in rows
  ]
  faults = {(r['piece'], r['study']): r['error'] for r in rows if 'error' in r}
  assert len(faults) == 4
  told = faults[str(paths[1]), 'tops']
  assert told['code'] == 'study.failed'
  assert 'IndexError: no such <bar> (outside.py, line' in told['message']
  odd = faults[str(paths[0]), 'odd']['message']
  assert 'float32 is not JSON serializable' in odd
  assert len(rows) == 9


@pytest.mark.parametrize('title', ['die', 'leave', 'hang'])
def test_a_worker_that_dies_or_hangs_costs_one_line(tmp_path, title):
  paths = outside.songs(tmp_path, ['', title, '', '', '', ''])
  out = tmp_path / 'out.jsonl'
  limit = 1.5 if title == 'hang' else 60.0
  report = corpus.run(paths, BOTH, out, workers=2, limit=limit)
  assert (report.pieces, report.made, report.failed) == (6, 12, 1)
  (lost,) = (row for row in lines_of(out) if 'error' in row)
  assert (lost['piece'], lost['study']) == (str(paths[1]), 'tops')
  reason = {
    'die': 'signal SIGKILL',
    'leave': 'exit status 3',
    'hang': 'no answer within 1.5 s',
  }[title]
  assert reason in lost['error']['message']
  assert lost['error']['code'] in pool.LOST
  # It may have been the machine: only this line is tried again.
  again = corpus.run(paths, BOTH, out, workers=2, limit=limit)
  assert (again.kept, again.made, again.failed) == (5, 1, 1)
  assert len(lines_of(out)) == 12


def test_one_study_alone_that_dies(tmp_path):
  paths = outside.songs(tmp_path, ['die', ''])
  found = list(corpus.stream(paths, {'tops': Tops()}, workers=1))
  assert [['error' in row for row in rows] for rows in found] == [
    [True],
    [False],
  ]


def test_only_what_is_new_or_changed_is_made(tmp_path):
  out, fresh = tmp_path / 'out.jsonl', tmp_path / 'fresh.jsonl'
  paths = outside.songs(tmp_path, [''] * 6)
  made = []

  def run(pieces, studies=BOTH):
    made.append(corpus.run(pieces, studies, out, workers=0).made)
    fresh.unlink(missing_ok=True)
    corpus.run(pieces, studies, fresh, workers=0)
    # Whatever happened before, the file is that of a run from nothing.
    assert out.read_bytes() == fresh.read_bytes()

  run(paths[1:5])
  run(paths[1:5])
  # One before, one behind, one gone.
  run([paths[0], *paths[2:]])
  outside.midi.write(outside.song(77), paths[3])
  run(paths)
  # Another study, in front; then other settings of one.
  run(paths, {'more': Halves(), **BOTH})
  run(paths, {'tops': Tops(least=60), 'halves': Halves()})
  run(list(reversed(paths)), {'halves': Halves()})
  assert made == [8, 0, 4, 4, 6, 6, 0]


def test_damage_is_found_and_made_again(tmp_path, caplog):
  out = tmp_path / 'out.jsonl'
  paths = outside.songs(tmp_path, [''] * 5)
  corpus.run(paths, BOTH, out, workers=0)
  whole = out.read_bytes()
  for at in range(0, len(whole), 97):
    out.write_bytes(whole[:at])
    assert list(corpus.read(out)) == [
      json.loads(line) for line in whole[:at].split(b'\n')[:-1]
    ]
    corpus.run(paths, BOTH, out, workers=0)
    assert out.read_bytes() == whole
  second = whole.index(b'\n') + 1
  for bad in (b'\0\0\0', b'[1]', b'{"key": 3, "piece": 4}', b'7'):
    out.write_bytes(whole[:second] + bad + b'\n' + whole[second:])
    corpus.run(paths, BOTH, out, workers=0)
    assert out.read_bytes() == whole
  assert 'damaged' in caplog.text


def test_two_runs_do_not_write_one_file(tmp_path):
  (path,) = outside.songs(tmp_path, [''])
  out = tmp_path / 'out.jsonl'

  def while_it_runs():
    yield path
    with pytest.raises(AurlError, match='in use by process') as told:
      corpus.run([path], BOTH, out, workers=0)
    assert told.value.code == 'in_use'

  assert corpus.run(while_it_runs(), BOTH, out, workers=0).pieces == 1


def test_two_studies_that_tell_the_same(tmp_path):
  (path,) = outside.songs(tmp_path, [''])
  studies = {'halves': Halves(), 'same': outside.Same()}
  (rows,) = corpus.stream([path], studies, workers=0)
  with pytest.raises(StudyError, match="'halves' and 'same' both") as told:
    corpus.merged(rows)
  assert told.value.code == 'study.keys'


def test_what_cannot_be_handed_to_workers(tmp_path):
  local = type('Local', (Tops,), {})
  for study in (local(), Tops(least=lambda: 0)):
    with pytest.raises(StudyError, match='handed to workers') as told:
      list(corpus.stream([tmp_path], {'local': study}))
    assert told.value.code == 'study.pickle'
  with pytest.raises(ConfigError, match='-1'):
    list(corpus.stream([tmp_path], BOTH, workers=-1))


def test_a_study_that_no_worker_can_import(tmp_path, monkeypatch, capfd):
  stray = type('Stray', (Tops,), {'__module__': 'stray_module'})
  module = type(sys)('stray_module')
  module.Stray = stray
  monkeypatch.setitem(sys.modules, 'stray_module', module)
  (path,) = outside.songs(tmp_path, [''])
  with pytest.raises(AurlError, match='does not start') as told:
    list(corpus.stream([path], {'stray': stray()}, workers=1))
  assert told.value.code == 'worker'
  assert "No module named 'stray_module'" in capfd.readouterr().err


def test_recipes_follow_from_class_and_settings():
  recipes = [
    analysis.recipe(study)
    for study in (Tops(), Tops(), Tops(least=1), Halves())
  ]
  assert recipes[0] == recipes[1]
  assert len(set(recipes)) == 3


def workers_of(pid):
  """Process ids of the children, as the system tells them."""
  tasks = pathlib.Path(f'/proc/{pid}/task')
  return [
    int(child)
    for task in tasks.iterdir()
    for child in (task / 'children').read_text().split()
  ]


def alive(pid):
  try:
    state = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2]
  except OSError:
    return False
  return state.split()[0] != 'Z'


def until(what, seconds=30):
  end = time.monotonic() + seconds
  while not (found := what()):
    assert time.monotonic() < end, 'it never came'
    time.sleep(0.01)
  return found


@pytest.fixture
def command(tmp_path, repository):
  """Starts a run over slow songs in a process of its own."""
  folder = tmp_path / 'songs'
  outside.songs(folder, ['slow 0.03'] * 20)
  code = textwrap.dedent(f"""
    import pathlib
    from aurl_jax.studies import corpus
    from tests.studies.outside import Halves, Tops
    corpus.run(
      sorted(pathlib.Path({str(folder)!r}).iterdir()),
      {{'tops': Tops(), 'halves': Halves()}},
      {str(tmp_path / 'out.jsonl')!r},
      workers=2,
    )
  """)

  def start():
    return subprocess.Popen(
      [sys.executable, '-c', code],
      env=os.environ | {'PYTHONPATH': str(repository)},
    )

  return start


def test_kill_9_at_any_moment_loses_nothing(command, tmp_path):
  out = tmp_path / 'out.jsonl'
  rng = np.random.default_rng(0)
  before = 0
  for _ in range(2):
    process = command()
    goal = before + int(rng.integers(2, 12))
    until(lambda goal=goal: out.exists() and len(lines_whole(out)) >= goal)
    children = workers_of(process.pid)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    # No worker is left behind, idle or not.
    until(lambda children=children: not any(map(alive, children)))
    kept = lines_whole(out)
    assert len(kept) >= goal
    before = len(kept)
  assert before < 40
  assert command().wait() == 0
  fresh = tmp_path / 'fresh.jsonl'
  corpus.run(sorted((tmp_path / 'songs').iterdir()), BOTH, fresh, workers=1)
  assert out.read_bytes() == fresh.read_bytes()


def lines_whole(path):
  return path.read_bytes().split(b'\n')[:-1]


def test_a_worker_that_hangs_ends_with_its_parent(tmp_path, repository):
  (path,) = outside.songs(tmp_path, ['hang'])
  code = (
    'from aurl_jax.studies import corpus\n'
    'from tests.studies.outside import Tops\n'
    f"list(corpus.stream([{str(path)!r}], {{'tops': Tops()}}, workers=1))\n"
  )
  process = subprocess.Popen(
    [sys.executable, '-c', code],
    env=os.environ | {'PYTHONPATH': str(repository)},
  )
  (child,) = until(lambda: workers_of(process.pid))
  time.sleep(0.5)
  process.kill()
  process.wait()
  until(lambda: not alive(child))
