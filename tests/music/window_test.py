"""Windows against a plain walk over the notes, second by second."""

import itertools

import numpy as np
import pytest

from aurl_jax.music import time
from aurl_jax.music.notes import Notes, Track
from aurl_jax.music.window import window
from tests.tokens import pieces


def walked(notes):
  """All hits of a piece: (second, pitch, velocity or 0, program, drum)."""
  found = []
  for row in range(len(notes)):
    ticks = int(notes.onset[row]), int(notes.onset[row] + notes.duration[row])
    who = int(notes.pitch[row]), int(notes.program[row] * ~notes.is_drum[row])
    for tick, loud in zip(ticks, (int(notes.velocity[row]), 0), strict=True):
      second = float(time.ticks_to_seconds(notes, tick))
      found.append((tick, round(second, 6), loud, *who))
  return sorted(found)


@pytest.mark.parametrize('seed', range(4))
def test_windows_one_after_the_other_have_all_that_happens(seed):
  notes = pieces.piece(seed)
  end = notes.end + 1
  rng = np.random.default_rng(seed)
  inside = rng.choice(np.arange(1, end), 5, replace=False).tolist()
  cuts = [0, *sorted(inside), end]
  found, ticks, seconds = [], 0, 0.0
  for number, (start, stop) in enumerate(itertools.pairwise(cuts)):
    part = window(notes, start, stop, number, first=True, last=False)
    assert part.bar == number
    assert part.hits == tuple(sorted(part.hits, key=lambda hit: hit.tick))
    assert all(0 <= hit.tick < part.ticks for hit in part.hits)
    found += [
      (
        ticks + hit.tick,
        round(seconds + hit.seconds, 6),
        hit.velocity,
        hit.pitch,
        hit.voice.program,
      )
      for hit in part.hits
    ]
    ticks, seconds = ticks + part.ticks, seconds + part.seconds
  assert sorted(found) == walked(notes)


def test_what_ends_comes_before_what_begins():
  notes = Notes.build(2, {'onset': [0, 2], 'duration': 2, 'pitch': 60})
  part = window(notes, 0, 3, 0, first=True, last=True)
  assert [(h.tick, h.velocity > 0) for h in part.hits] == [
    (0, True),
    (2, False),
    (2, True),
  ]


def test_tempos_and_meter_are_those_that_hold():
  notes = Notes.build(
    4,
    {'onset': range(0, 48, 4), 'duration': 4, 'pitch': 60},
    tempos=[(0, 500_000), (8, 400_000), (20, 250_000)],
    meters=[(0, 3, 4), (24, 2, 4)],
  )
  part = window(notes, 12, 24, 1, first=True, last=True)
  assert part.tempos == ((0, 400_000), (8, 250_000))
  assert part.meter == (3, 4)
  # Two beats at 0.4 seconds and one at 0.25.
  assert part.seconds == pytest.approx(1.05)
  assert window(notes, 24, 32, 2, first=True, last=True).meter == (2, 4)


def test_tracks_of_one_program_are_told_apart():
  tracks = [Track(program=5), Track(program=5), Track(is_drum=True)]
  columns = {'onset': 0, 'duration': 1, 'pitch': 60, 'track': [0, 1, 2]}
  notes = Notes.build(1, columns, tracks=tracks)
  part = window(notes, 0, 1, 0, first=True, last=True)
  assert {tuple(hit.voice) for hit in part.hits} == {
    (5, False, 0),
    (5, False, 1),
    (0, True, 0),
  }
