"""A line is what a loop over all pairs of notes leaves of a piece."""

import hypothesis
import numpy as np

from aurl_jax.music.notes import Notes
from aurl_jax.studies.melody import line
from tests.music.pieces import pieces


@hypothesis.given(pieces(last=3000))
def test_one_note_at_a_time(notes):
  found = line.of(notes)
  tuned = [
    (int(o), int(p))
    for o, p, drum in zip(notes.onset, notes.pitch, notes.is_drum, strict=True)
    if not drum
  ]
  want = [(o, max(p for at, p in tuned if at == o)) for o, _ in tuned]
  want = sorted(set(want))
  beat = notes.ticks_per_beat
  ticks = np.round(found.onset * beat).astype(int).tolist()
  assert list(zip(ticks, found.pitch.tolist(), strict=True)) == want
  assert (np.diff(found.onset) > 0).all()
  ends = found.onset + found.duration
  assert (ends[:-1] <= found.onset[1:] + 1e-9).all()
  assert (found.end >= found.start).all()


def test_chosen_notes_alone():
  notes = Notes.build(
    4, {'onset': [0, 0, 4, 8], 'duration': 4, 'pitch': [50, 70, 71, 72]}
  )
  assert line.of(notes, np.array([3, 0])).pitch.tolist() == [50, 72]
  assert len(line.of(notes, np.zeros(0, np.int64))) == 0


def test_what_is_played_goes_to_sixteenths_and_what_is_written_does_not():
  triplets = Notes.build(
    480, {'onset': range(0, 960, 160), 'duration': 160, 'pitch': 60}
  )
  assert line.of(triplets).cells.tolist() == [0, 4, 8, 12, 16, 20]
  late = np.array([9, -11, 14, 7, -13, 12])
  played = Notes.build(
    480,
    {'onset': 480 + np.arange(6) * 120 + late, 'duration': 90, 'pitch': 60},
  )
  assert line.of(played).cells.tolist() == [12, 15, 18, 21, 24, 27]


def test_times_follow_the_tempo():
  notes = Notes.build(
    480,
    {'onset': [0, 480, 960], 'duration': 480, 'pitch': [60, 62, 64]},
    tempos=[(0, 1_000_000), (480, 250_000)],
  )
  found = line.of(notes)
  assert found.start.tolist() == [0, 1, 1.25]
  assert found.end.tolist() == [1, 1.25, 1.5]
  assert found.take(1, 3).pitch.tolist() == [62, 64]
