"""What is tuned is what is reported, and moves keep their bounds."""

import dataclasses

import numpy as np
import pytest

from aurl_jax.music.chords import Chord
from aurl_jax.music.notes import Notes
from aurl_jax.studies.chords import pulse
from aurl_jax.studies.chords.listener import Listener


@pytest.fixture(scope='module')
def tool(load_tool, tool_folder):
  return load_tool('tune_chords')


def piece(tool, seed):
  """Chords with wrong notes and wrong labels, some of them of no name."""
  rng = np.random.default_rng(seed)
  rows, labels = [], []
  for bar in range(12):
    root = int(rng.integers(12))
    tones = [root + step for step in (0, 4, 7)]
    rows += [
      (bar * 1920 + beat * 480, 48 + (tone + int(rng.random() < 0.2)) % 24)
      for beat in range(4)
      for tone in tones
    ]
    wrong = root if rng.random() < 0.7 else int(rng.integers(12))
    kind = str(rng.choice(['maj', 'min', '7', 'sus4']))
    chord = Chord(wrong, kind) if rng.random() < 0.9 else None
    late = int(rng.integers(0, 2)) * 240
    labels.append((bar * 1920 + late, (bar + 1) * 1920, chord, wrong))
  onset, pitch = np.array(sorted(rows)).T
  notes = Notes.build(
    480,
    {'onset': onset, 'duration': 480, 'pitch': pitch},
    tempos=[(0, 500_000), (9600, 250_000)],
  )
  return tool.Labelled('x', notes, labels)


@pytest.mark.parametrize('way', ['plain', 'learned'])
def test_the_shares_are_those_of_the_figures(tool, way):
  listener = Listener.plain() if way == 'plain' else Listener()
  pieces = [piece(tool, seed) for seed in range(4)]
  got = tool.judged(listener, [tool.prepared(one) for one in pieces])
  found = [listener.hear(one.notes) for one in pieces]
  want = tool.chord_figures.figures(found, pieces)
  names = ('root', 'majmin', 'key')
  np.testing.assert_allclose(got, [want[n] for n in names], atol=6e-5)
  assert 0.2 < got[0] < 0.9


def test_moves_keep_their_bounds(tool):
  begin = Listener()
  up = tool.moved(begin, 'key', 0.2)
  assert up == dataclasses.replace(begin, key=round(begin.key + 0.2, 4))
  place = pulse.LEVELS - 1
  other = tool.moved(begin, f'level {place}', -0.5)
  assert other.levels[:-1] == begin.levels[:-1]
  assert other.levels[-1] == begin.levels[-1] - 0.5
  assert tool.moved(begin, 'fit', -1) is None
  assert tool.moved(begin, 'template', 1.9 - begin.template) is None
  assert tool.moved(begin, 'opening', -3).opening < 0


def test_a_search_never_gets_worse(tool):
  sets = [
    [tool.prepared(piece(tool, seed)) for seed in part]
    for part in ((0, 1), (2, 3))
  ]
  lines = list(tool.search(Listener.plain(), sets, 1))
  totals = [line['total'] for line in lines if 'total' in line]
  assert all(
    a < b for a, b in zip([lines[0]['begin'], *totals], totals, strict=False)
  )
  last = Listener(**lines[-1]['weights'])
  value, _ = tool.total(last, sets)
  assert value == pytest.approx(
    max(totals, default=lines[0]['begin']), abs=1e-5
  )
