"""Studies over streams of pieces: lines, errors, kills, resumption."""

import json

import numpy as np
import pytest

from aurl_jax.core import system
from aurl_jax.music.notes import Notes
from aurl_jax.studies import corpus, study
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


def test_two_studies_that_tell_the_same(tmp_path):
  (path,) = outside.songs(tmp_path, [''])
  studies = {'halves': Halves(), 'same': outside.Same()}
  (rows,) = corpus.stream([path], studies, workers=0)
  with pytest.raises(StudyError, match="'halves' and 'same' both") as told:
    corpus.merged(rows)
  assert told.value.code == 'study.keys'


@pytest.mark.slow
def test_memory_does_not_grow_with_the_corpus(tmp_path):
  """After so many pieces as after six times as many; songs come again."""
  songs = [outside.song(number) for number in range(20)]
  pieces = (corpus.Item(str(k), songs[k % 20]) for k in range(1800))
  used = {}

  def look(done):
    if done in (300, 1800):
      used[done] = system.usage()

  heard = study.load(['chords', 'structure', 'melody'])
  path = tmp_path / 'out.jsonl'
  corpus.run(pieces, heard, path, workers=1, progress=look)
  early, late = used[300], used[1800]
  assert early.children > 50e6
  # 32 bytes a line, and what allocators keep to themselves.
  assert late.rss - early.rss < 4e6
  assert late.children - early.children < 8e6
