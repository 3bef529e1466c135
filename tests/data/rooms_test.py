import numpy as np
import pytest

from aurl_jax.data import rooms
from aurl_jax.music.notes import Notes, Track
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.remi import Remi
from tests.data import bands

both = pytest.mark.parametrize(
  'tokenizer', [Remi(), Compound()], ids=['remi', 'compound']
)


def measured(tokenizer, folder, pieces):
  split = bands.split(folder / 'tokens', tokenizer, pieces)
  return rooms.measure(split, tokenizer.codec, tokenizer.grid)


@both
def test_room_is_what_is_left_of_each_range(tokenizer, tmp_path):
  pieces = [bands.band(seed) for seed in range(3)]
  found = measured(tokenizer, tmp_path, pieces)
  assert len(found) == 3
  assert found.velocity_bins == 32
  for number, notes in enumerate(pieces):
    pitch = notes.pitch[~notes.is_drum]
    assert found.pitch[number].tolist() == [-pitch.min(), 127 - pitch.max()]
    bins = notes.velocity // 4
    assert found.velocity[number].tolist() == [-bins.min(), 31 - bins.max()]
    # 120 and 150 bpm are bins 144 and 159 of 0..240.
    assert found.tempo[number].tolist() == [-144, 81]
  assert found.simple.all()
  # The two pianos, 0 and 4, and the bass, 33; no other family is used.
  assert found.program[0, 0].tolist() == [0, 3]
  assert found.program[0, 4].tolist() == [-1, 6]
  assert not found.program[0, [1, 2, 3, *range(5, 16)]].any()


@both
def test_swing_needs_whole_bars_of_quarters(tokenizer, tmp_path):
  def piece(meters):
    notes = {'onset': [0, 4000], 'duration': 480, 'pitch': 60, 'velocity': 64}
    return Notes.build(480, notes, meters=meters)

  found = measured(
    tokenizer,
    tmp_path,
    [
      piece([(0, 4, 4)]),
      piece([(0, 6, 8)]),
      piece([(0, 4, 4), (480, 3, 4)]),
      piece([(0, 2, 2), (1920, 3, 4)]),
    ],
  )
  assert found.simple.tolist() == [True, False, False, True]


def test_drums_have_no_pitch_and_no_program(tmp_path):
  notes = Notes.build(
    480,
    {'onset': [0], 'duration': 480, 'pitch': 36, 'velocity': 64},
    tracks=[Track('', 0, True)],
  )
  found = measured(Compound(), tmp_path, [notes])
  assert found.pitch.tolist() == [[0, 0]]
  assert not found.program.any()


def test_held_pitches_of_a_grid_count(tmp_path):
  found = measured(VoiceGrid(), tmp_path, [bands.chorale(0)])
  pitch = bands.chorale(0).pitch
  assert found.pitch.tolist() == [[-pitch.min(), 127 - pitch.max()]]
  assert found.velocity_bins == 1


def test_splits_are_read_block_by_block(tmp_path, monkeypatch):
  pieces = [bands.band(seed) for seed in range(5)]
  whole = measured(Compound(), tmp_path / 'a', pieces)
  monkeypatch.setattr(rooms, '_AT_ONCE', 90)
  parts = measured(Compound(), tmp_path / 'b', pieces)
  for name in ('pitch', 'tempo', 'velocity', 'program', 'simple'):
    one, other = getattr(whole, name), getattr(parts, name)
    np.testing.assert_array_equal(one, other)
