import numpy as np
import pytest

from aurl_jax.core.errors import TokenError
from aurl_jax.music.notes import Notes, Text, Track
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.remi import Remi
from tests.tokens import judge, pieces

COMPOUND = Compound(chords=True)


def spelled(tokenizer, ids):
  """Returns each step as event -> value, unused fields left out."""
  rows = []
  for step in ids.tolist():
    events = [tokenizer.codec.event(i, f) for f, i in enumerate(step)]
    rows.append({event: value for event, value in events if event != 'pad'})
  return rows


def test_spells_a_known_piece():
  notes = Notes.build(
    480,
    {
      'onset': [0, 480, 240],
      'duration': [480, 960, 1],
      'pitch': [60, 64, 38],
      'velocity': [64, 1, 100],
      'track': [0, 1, 2],
    },
    tracks=[Track(program=5), Track(program=5), Track(is_drum=True)],
    meters=[(0, 3, 4), (960, 2, 4)],
    tempos=[(0, 500_000), (480, 1_000_000)],
    texts=[Text(240, -1, 'chord', 'C')],
  )
  meters = COMPOUND.grid.meters
  note = {'velocity': 16, 'voice': 0, 'note': 0}
  assert spelled(COMPOUND, COMPOUND.encode(notes)) == [
    {'bos': 0},
    {'bar': 0, 'meter': meters.index((3, 4)), 'cut': 24},
    {'tempo': 144, 'position': 0} | {},
    note | {'position': 0, 'program': 5, 'pitch': 60, 'duration': 11},
    {'chord': 1, 'position': 6},
    note
    | {'position': 6, 'program': 128, 'drum': 38, 'duration': 0}
    | {'velocity': 25},
    {'tempo': 96, 'position': 12},
    note
    | {'position': 12, 'program': 5, 'pitch': 64, 'duration': 23}
    | {'velocity': 0, 'voice': 1},
    {'bar': 0, 'meter': meters.index((2, 4)), 'whole': 0},
    {'eos': 0},
  ]


def test_tells_the_same_as_remi():
  compound, remi = Compound(chords=True), Remi(chords=True)
  for seed in range(20):
    notes = pieces.piece(seed)
    assert compound.decode(compound.encode(notes)) == remi.decode(
      remi.encode(notes)
    )


def test_a_bar_says_what_holds_on():
  notes = Notes.build(
    4, {'onset': [0, 16, 32], 'duration': 4, 'pitch': 60}, meters=[(0, 4, 4)]
  )
  rows = spelled(COMPOUND, COMPOUND.encode(notes))
  bars = [row for row in rows if 'bar' in row]
  four = COMPOUND.grid.meters.index((4, 4))
  assert bars == [
    {'bar': 0, 'whole': 0, 'meter': four},
    {'bar': 0, 'whole': 0, 'same': 0},
    {'bar': 0, 'whole': 0, 'same': 0},
  ]


def test_one_step_a_note():
  notes = pieces.piece(9)
  kinds = [next(iter(row)) for row in spelled(COMPOUND, COMPOUND.encode(notes))]
  assert kinds.count('note') == len(judge.rounded(COMPOUND, notes)) > 20


def test_empty_music_is_bos_and_eos():
  ids = COMPOUND.encode(Notes.build(480))
  assert spelled(COMPOUND, ids) == [{'bos': 0}, {'eos': 0}]
  assert COMPOUND.decode(ids) == Notes.build(12)


def test_steps_that_miss_a_field_are_left_out():
  ids = COMPOUND.encode(pieces.piece(9))
  whole = COMPOUND.decode(ids)
  note = int(np.flatnonzero(ids[:, 3] > 0)[4])
  for field in range(1, 7):
    torn = ids.copy()
    torn[note, field] = 0
    assert len(COMPOUND.decode(torn)) == len(whole) - 1


def test_bar_steps_bos_and_end():
  ids = COMPOUND.encode(pieces.piece(9))
  rows = spelled(COMPOUND, ids)
  bars = [i for i, row in enumerate(rows) if 'bar' in row]
  assert COMPOUND.bar_steps(ids).tolist() == bars
  assert COMPOUND.bos().tolist() == ids[0].tolist()
  assert np.flatnonzero(COMPOUND.is_end(ids)).tolist() == [len(ids) - 1]


def test_tick_bombs_are_refused():
  bomb = Notes.build(96, {'onset': [0, 2**60], 'duration': 1, 'pitch': 60})
  with pytest.raises(TokenError, match='bars') as caught:
    COMPOUND.encode(bomb)
  assert caught.value.code == 'too_long'
