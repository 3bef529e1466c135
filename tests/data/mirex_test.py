"""MIREX's JSON, from its own examples, and both ways."""

import json

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.data import mirex
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes, Text, Track

# As the task's page of 2025 has them.
PROMPT = [
  {'start': 16, 'pitch': 72, 'duration': 6},
  {'start': 16, 'pitch': 57, 'duration': 14},
]
GENERATION = [
  {'start': 80, 'pitch': 40, 'duration': 4},
  {'start': 271, 'pitch': 41, 'duration': 9},
]


def save(path, found):
  path.write_text(json.dumps(found))
  return path


def test_a_prompt_and_its_continuation_are_one_piece(tmp_path):
  one = save(tmp_path / 'prompt.json', {'prompt': PROMPT})
  two = save(tmp_path / 'sample_01.json', {'generation': GENERATION})
  notes = mirex.read(one, two)
  assert notes.ticks_per_beat == 4
  assert [t.name for t in notes.tracks] == ['prompt', 'generation']
  assert notes.onset.tolist() == [16, 16, 80, 271]
  assert notes.pitch.tolist() == [57, 72, 40, 41]
  # What is behind the 17th bar is cut off.
  assert notes.duration.tolist() == [14, 6, 4, 1]
  # A quarter at 120 is half a second, and the piece begins with a pickup.
  midi.write(notes, tmp_path / 'whole.mid')
  again = midi.read(tmp_path / 'whole.mid').notes
  told = mirex.write(again, tmp_path / 'again.json', 'prompt')
  assert told == {'prompt': sorted(PROMPT, key=lambda n: n['pitch'])}
  mirex.write(again, tmp_path / 'more.json', 'generation')
  written = json.loads((tmp_path / 'more.json').read_text())
  assert written['generation'][0] == GENERATION[0]
  assert written['generation'][1] == GENERATION[1] | {'duration': 1}


def test_a_lead_sheet_and_its_accompaniment(tmp_path):
  sheet = {
    'melody': [{'start': 12, 'pitch': 72, 'duration': 4}],
    'chords': [
      {'start': 16, 'symbol': 'F:maj', 'duration': 16},
      {'start': 32, 'symbol': 'C:7', 'duration': 112},
    ],
  }
  path = save(tmp_path / 'sheet.json', sheet)
  acc = save(
    tmp_path / 'acc.json', {'acc': [{'start': 16, 'pitch': 41, 'duration': 8}]}
  )
  notes = mirex.read(path, acc)
  assert [(t.tick, t.kind, t.text) for t in notes.texts] == [
    (16, 'chord', 'F:maj'),
    (32, 'chord', 'C:7'),
  ]
  assert mirex.write(notes, tmp_path / 'x.json', 'lead_sheet') == sheet
  assert mirex.write(notes, tmp_path / 'y.json', 'acc') == json.loads(
    acc.read_text()
  )


@hypothesis.given(
  st.lists(
    st.tuples(st.integers(0, 79), st.integers(1, 80), st.integers(0, 127)),
    min_size=1,
    unique_by=lambda note: (note[0], note[2]),
  )
)
def test_what_is_written_is_what_was_read(tmp_path_factory, rows):
  folder = tmp_path_factory.mktemp('mirex')
  told = [
    {'start': s, 'pitch': p, 'duration': min(d, 80 - s)} for s, d, p in rows
  ]
  path = save(folder / 'a.json', {'prompt': told})
  found = mirex.write(mirex.read(path), folder / 'b.json', 'prompt')
  assert found['prompt'] == sorted(told, key=lambda n: (n['start'], n['pitch']))


def test_other_grids_are_rounded_and_a_pickup_is_put_before(tmp_path):
  columns = {'onset': [0, 1910], 'duration': [10, 480], 'pitch': [60, 62]}
  drums = Track('kit', 0, True)
  notes = Notes.build(480, columns | {'track': [0, 0]}, tracks=[Track(), drums])
  found = mirex.write(notes, tmp_path / 'a.json', 'prompt', pickup=False)
  assert found['prompt'] == [
    {'start': 16, 'pitch': 60, 'duration': 1},
    {'start': 32, 'pitch': 62, 'duration': 4},
  ]
  beats = {'onset': [0, 0], 'duration': 1, 'pitch': [60, 36], 'track': [0, 1]}
  kit = Notes.build(4, beats, tracks=[Track(), drums])
  assert len(mirex.write(kit, tmp_path / 'b.json', 'prompt')['prompt']) == 1


BAD = [
  [],
  {'notes': []},
  {'prompt': {}},
  {'prompt': [3]},
  {'prompt': [{'start': 80, 'pitch': 60, 'duration': 1}]},
  {'prompt': [{'start': 0, 'pitch': 128, 'duration': 1}]},
  {'prompt': [{'start': 0, 'pitch': 60, 'duration': 0}]},
  {'prompt': [{'start': 0.5, 'pitch': 60, 'duration': 1}]},
  {'prompt': [{'start': True, 'pitch': 60, 'duration': 1}]},
  {'generation': [{'start': 79, 'pitch': 60, 'duration': 1}]},
  {'melody': [], 'chords': [{'start': 0, 'symbol': 4, 'duration': 1}]},
]


@pytest.mark.parametrize('found', BAD, ids=range(len(BAD)))
def test_other_forms_are_refused(found, tmp_path):
  path = save(tmp_path / 'odd.json', found)
  with pytest.raises(DataError, match=r'odd\.json') as caught:
    mirex.read(path)
  assert caught.value.code == 'mirex'


def test_files_that_cannot_be_read_are_named(tmp_path):
  (tmp_path / 'deep.json').write_text('[' * 100_000)
  for name in ('gone.json', 'deep.json'):
    with pytest.raises(DataError, match=name):
      mirex.read(tmp_path / name)


def test_what_cannot_be_written_is_refused(tmp_path):
  scale = {'onset': np.arange(8), 'duration': 1, 'pitch': np.arange(60, 68)}
  waltz = Notes.build(4, scale, meters=[(0, 3, 4)])
  plain = Notes.build(4, scale, texts=[Text(0, -1, 'chord', 'C:maj')])
  cases = (
    (waltz, 'prompt', '4/4'),
    (plain, 'generation', 'no notes of generation'),
    (plain, 'lead_sheet', 'no notes of melody'),
    (plain, 'song', 'none of'),
  )
  for notes, form, message in cases:
    with pytest.raises(DataError, match=message):
      mirex.write(notes, tmp_path / 'a.json', form)
  assert not (tmp_path / 'a.json').exists()
