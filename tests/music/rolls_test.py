import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.core.errors import MidiError
from aurl_jax.music import rolls
from aurl_jax.music.notes import Notes, Track
from tests.music.pieces import pieces

WALTZ = Notes.build(
  8,
  {
    'onset': [0, 8, 8, 24, 30], 'duration': [12, 8, 2, 0, 30],
    'pitch': [60, 60, 36, 127, 0], 'velocity': [90, 100, 50, 1, 127],
    'track': [0, 0, 1, 0, 0],
  },
  tracks=[Track('piano', 0), Track('kit', 0, True)],
  meters=[(0, 3, 4)],
  tempos=[(0, 500_000), (16, 1_000_000)],
)  # fmt: skip


def slowly(grid, frames, wanted):
  """The rolls note by note and frame by frame."""
  onset, frame, velocity = (np.zeros((frames, 128), int) for _ in range(3))
  chroma = np.zeros((frames, 12), int)
  for start, stop, pitch, loud, is_wanted in zip(*grid, wanted, strict=True):
    if not is_wanted:
      continue
    onset[start, pitch] = 1
    velocity[start, pitch] = max(velocity[start, pitch], loud)
    for place in range(start, min(stop, frames)):
      frame[place, pitch] = 1
  for place in range(frames):
    for pitch in range(128):
      chroma[place, pitch % 12] += frame[place, pitch]
  return onset, frame, velocity, chroma


def same(painted, expected):
  for ours, theirs in zip(painted, expected, strict=True):
    assert np.array_equal(np.asarray(ours), theirs)


@hypothesis.given(pieces(last=400, most=12), st.sampled_from([1, 3, 8]))
def test_rolls_are_those_of_a_loop(piece, per_beat):
  made = rolls.Rolls(piece, per_beat=per_beat)
  beat = piece.ticks_per_beat
  start = [tick * per_beat // beat for tick in piece.onset.tolist()]
  ends = (piece.onset + piece.duration).tolist()
  stop = [
    max(end * per_beat // beat, first + 1)
    for end, first in zip(ends, start, strict=True)
  ]
  grid = start, stop, piece.pitch.tolist(), piece.velocity.tolist()
  same(made.pitched, slowly(grid, made.frames, ~piece.is_drum))
  same(made.drums, slowly(grid, made.frames, piece.is_drum))
  for index, track in enumerate(piece.tracks):
    found, painted = made.track(index)
    assert found == track
    same(painted, slowly(grid, made.frames, piece.track == index))


@hypothesis.given(pieces(last=400, most=12))
@hypothesis.settings(max_examples=10)
def test_the_device_paints_the_same(piece):
  made = rolls.Rolls(piece, per_beat=4)
  grid = rolls.Frames(
    *(np.pad(part, (0, 64 - len(piece))).astype(np.int32) for part in made.grid)
  )
  expected = rolls.paint(made.grid, 128)
  same(rolls.paint_jax(grid, 128), expected)


def test_drums_are_apart_and_a_note_takes_a_frame_at_least():
  made = rolls.Rolls(WALTZ, per_beat=2)
  assert made.frames == 15
  assert made.pitched.frame[:, 36].sum() == 0
  assert np.flatnonzero(made.drums.frame[:, 36]).tolist() == [2]
  assert np.flatnonzero(made.pitched.frame[:, 127]).tolist() == [6]
  assert np.flatnonzero(made.pitched.frame[:, 60]).tolist() == [0, 1, 2, 3]
  assert np.flatnonzero(made.pitched.onset[:, 60]).tolist() == [0, 2]


def test_beats_and_bars_have_their_frames():
  made = rolls.Rolls(WALTZ, per_beat=2)
  assert np.flatnonzero(made.beats[:, 0]).tolist() == list(range(0, 15, 2))
  assert np.flatnonzero(made.beats[:, 1]).tolist() == [0, 6, 12]


def test_seconds_follow_the_tempo():
  made = rolls.Rolls(WALTZ, per_second=10)
  # Two beats of half a second, then seconds.
  assert np.flatnonzero(made.beats[:, 0]).tolist() == [
    0, 5, 10, 20, 30, 40, 50, 60,
  ]  # fmt: skip
  assert made.grid.start.tolist() == [0, 5, 5, 20, 27]


def test_seconds_are_those_of_pretty_midi(tmp_path):
  pretty_midi = pytest.importorskip('pretty_midi')
  from aurl_jax.music import midi

  # Apart from each other: pretty_midi ends all notes of a pitch at once.
  columns = {
    'onset': [0, 8, 20, 30],
    'duration': [12, 8, 2, 30],
    'pitch': [60, 62, 60, 0],
  }
  piece = Notes.build(8, columns, tempos=WALTZ.tempos)
  path = tmp_path / 'piece.mid'
  midi.write(piece, path)
  theirs = pretty_midi.PrettyMIDI(str(path)).instruments[0]
  roll = theirs.get_piano_roll(fs=8) > 0
  ours = rolls.Rolls(piece, per_second=8).pitched.frame.T
  assert ours.any()
  assert np.array_equal(ours, roll[:, : ours.shape[1]])
  assert not roll[:, ours.shape[1] :].any()


def test_frames_are_limited_before_anything_is_made():
  bomb = Notes.build(1, {'onset': [0, 2**31 - 2], 'duration': 1, 'pitch': 60})
  with pytest.raises(MidiError, match='at most 262,144') as caught:
    rolls.Rolls(bomb, per_beat=960)
  assert caught.value.code == 'too_long'
  with pytest.raises(ValueError, match='one of the two'):
    rolls.Rolls(WALTZ)


def test_an_empty_piece_has_a_frame():
  made = rolls.Rolls(Notes.build(4), per_beat=4)
  assert made.pitched.frame.shape == (1, 128)
  assert made.beats.tolist() == [[1, 1]]
