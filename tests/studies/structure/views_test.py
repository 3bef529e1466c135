"""Views of bars, by plain loops over ticks."""

import numpy as np
import pytest

from aurl_jax.music.notes import Notes, Track
from aurl_jax.studies.structure import views
from tests.studies.structure import songs


def music(seed, bars=5):
  rng = np.random.default_rng(seed)
  onset = np.sort(rng.integers(0, 16 * bars, 40))
  columns = {
    'onset': onset,
    'duration': rng.integers(1, 20, len(onset)),
    'pitch': rng.integers(40, 90, len(onset)),
    'velocity': rng.integers(1, 128, len(onset)),
  }
  return Notes.build(4, columns)


@pytest.mark.parametrize('seed', range(4))
def test_bass_and_sums_are_those_of_a_slow_count(seed):
  notes = music(seed)
  edges = 16 * np.arange(6)
  seen = views.see(notes, edges)
  for bar in range(5):
    begun = [
      i for i in range(len(notes)) if 16 * bar <= notes.onset[i] < 16 * bar + 16
    ]
    loud = [int(notes.velocity[i]) / 127 for i in begun]
    high = [(int(notes.pitch[i]) - 60) / 12 for i in begun]
    assert seen.sums[bar, 0] == len(begun)
    assert seen.sums[bar, 1] == pytest.approx(sum(high) / max(len(high), 1))
    assert seen.sums[bar, 2] == pytest.approx(sum(loud) / max(len(loud), 1))
    for quarter in range(4):
      low, lowest = 16 * bar + 4 * quarter, None
      for i in range(len(notes)):
        on, off = int(notes.onset[i]), int(notes.onset[i] + notes.duration[i])
        sounds = sum(on <= tick < off for tick in range(low, low + 4))
        if sounds > 1:
          pitch = int(notes.pitch[i])
          lowest = pitch if lowest is None else min(lowest, pitch)
      expected = [
        float(lowest is not None and c == lowest % 12) for c in range(12)
      ]
      part = seen.bass[bar, 12 * quarter : 12 * quarter + 12]
      assert part.tolist() == expected


def test_the_melody_is_told_in_16ths():
  columns = {'onset': [0, 4, 18], 'duration': [4, 2, 40], 'pitch': [60, 62, 64]}
  seen = views.see(Notes.build(4, columns), np.array([0, 16, 32]))
  roll = seen.melody.reshape(2, 16, 12)
  sung = [[row.nonzero()[0].tolist() for row in bar] for bar in roll]
  assert sung[0] == [[0]] * 4 + [[2]] * 2 + [[]] * 10
  assert sung[1] == [[]] * 2 + [[4]] * 14
  assert seen.rhythm.nonzero()[1].tolist() == [0, 4, 2]
  assert seen.sums[:, 4].tolist() == [6 / 16, 14 / 16]
  assert seen.sung.tolist() == [
    [0, 0.25, 60],
    [0.25, 0.375, 62],
    [1.125, 2, 64],
  ]


def test_what_begins_outside_is_left_out():
  columns = {'onset': [0, 20, 40], 'duration': 4, 'pitch': [60, 62, 64]}
  seen = views.see(Notes.build(4, columns), np.array([16, 32]))
  assert seen.sums[0, 0] == 1
  assert seen.onsets.sum() == 1
  assert seen.chroma.sum() == pytest.approx(1)


def test_a_track_named_melody_leads():
  notes = songs.song('AB')
  assert (views.lead(notes) == (notes.track == 0)).all()


def test_a_track_that_stands_out_leads_as_a_whole():
  notes = songs.song('A-B')
  plain = notes.replace(tracks=(Track(), Track()))
  assert (views.lead(plain) == (notes.track == 0)).all()


def test_some_bars_are_those_of_the_whole():
  seen = views.see(songs.song('AB'), songs.BAR * np.arange(17))
  part = seen[3:7]
  assert len(part) == 4
  assert (part.melody == seen.melody[3:7]).all()
  assert (part.edges == seen.edges[3:8]).all()
