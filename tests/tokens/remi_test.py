import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError, TokenError
from aurl_jax.music.notes import Notes, Text, Track
from aurl_jax.tokens.remi import Remi
from tests.tokens import judge, pieces

REMI = Remi(chords=True)


def spelled(tokenizer, ids):
  return [tokenizer.codec.event(i) for i in ids[:, 0].tolist()]


def test_spells_a_known_piece():
  grid = REMI.grid
  notes = Notes.build(
    480,
    {
      'onset': [0, 0, 480, 240],
      'duration': [480, 240, 960, 1],
      'pitch': [60, 60, 64, 38],
      'velocity': [64, 127, 1, 100],
      'track': [0, 1, 1, 2],
    },
    tracks=[Track(program=5), Track(program=5), Track(program=7, is_drum=True)],
    meters=[(0, 3, 4), (960, 2, 4)],
    tempos=[(0, 500_000), (480, 1_000_000)],
    texts=[Text(240, -1, 'chord', 'N'), Text(250, -1, 'chord', 'C')],
  )
  assert spelled(REMI, REMI.encode(notes)) == [
    ('bos', 0),
    ('bar', 0),
    ('meter', grid.meters.index((3, 4))),
    ('cut', 24),
    ('position', 0),
    ('tempo', 144),
    ('program', 5),
    ('pitch', 60),
    ('velocity', 16),
    ('duration', 11),
    ('program', 5),
    ('voice', 1),
    ('pitch', 60),
    ('velocity', 31),
    ('duration', 5),
    ('position', 6),
    ('chord', 1),
    ('program', 128),
    ('drum', 38),
    ('velocity', 25),
    ('duration', 0),
    ('position', 12),
    ('tempo', 96),
    ('program', 5),
    ('voice', 1),
    ('pitch', 64),
    ('velocity', 0),
    ('duration', 23),
    ('bar', 0),
    ('meter', grid.meters.index((2, 4))),
    ('eos', 0),
  ]


def test_empty_music_is_bos_and_eos():
  ids = REMI.encode(Notes.build(480))
  assert spelled(REMI, ids) == [('bos', 0), ('eos', 0)]
  assert REMI.decode(ids) == Notes.build(12)


def test_a_cut_stream_keeps_the_notes_before_the_cut():
  notes = pieces.piece(9)
  ids, full = REMI.encode(notes), judge.rounded(REMI, notes)
  counts = []
  for end in range(len(ids) + 1):
    part = REMI.decode(ids[:end])
    counts.append(len(part))
    same = np.arange(len(part))
    assert np.array_equal(part.pitch, full.pitch[same])
    assert np.array_equal(part.onset, full.onset[same])
  assert sorted(counts) == counts
  assert counts[-1] == len(full) > 20


def test_what_follows_the_first_eos_is_left_out():
  ids = REMI.encode(pieces.piece(9))
  assert REMI.decode(np.concatenate([ids, ids])) == REMI.decode(ids)


def test_padding_between_tokens_changes_nothing():
  ids = REMI.encode(pieces.piece(9))
  spread = np.zeros((2 * len(ids), 1), np.int32)
  spread[::2] = ids
  assert REMI.decode(spread) == REMI.decode(ids)


def test_bar_steps_point_at_bars():
  ids = REMI.encode(pieces.piece(9))
  steps = REMI.bar_steps(ids)
  events = [event for event, _ in spelled(REMI, ids)]
  assert [events[step] for step in steps] == ['bar'] * events.count('bar')


def test_bos_and_end():
  ids = REMI.encode(pieces.piece(9))
  assert REMI.bos().tolist() == ids[0].tolist()
  assert np.flatnonzero(REMI.is_end(ids)).tolist() == [len(ids) - 1]


@pytest.mark.parametrize(
  ('onset', 'meter'),
  [(2**62 - 1, (4, 4)), (10**9, (1, 32)), (96 * 70_000, (1, 4))],
)
def test_tick_bombs_are_refused_at_once(onset, meter):
  bomb = Notes.build(
    96,
    {'onset': [0, onset], 'duration': 1, 'pitch': 60},
    meters=[(0, *meter)],
  )
  with pytest.raises(TokenError, match='bars') as caught:
    REMI.encode(bomb)
  assert caught.value.code == 'too_long'


def test_long_bars_of_few_notes_are_fine():
  long = Notes.build(
    96, {'onset': [0, 96 * 4 * 60_000], 'duration': 1, 'pitch': 60}
  )
  ids = REMI.encode(long)
  assert len(REMI.bar_steps(ids)) == 60_001
  assert REMI.decode(ids) == judge.rounded(REMI, long)


@pytest.mark.parametrize(
  ('name', 'value'),
  [
    ('voices', 0),
    ('velocity_bins', 3),
    ('cells_per_beat', 0),
    ('bar_beats', 1),
  ],
)
def test_options_out_of_range_are_named(name, value):
  with pytest.raises(ConfigError, match=name):
    Remi(**{name: value})


def test_there_is_an_id_for_each_duration_and_no_other():
  for tokenizer in (Remi(), Remi(cells_per_beat=4)):
    low, high = tokenizer.codec.span('duration')
    assert high - low == len(tokenizer.grid.durations)
