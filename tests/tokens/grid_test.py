import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.core.errors import ConfigError, TokenError
from aurl_jax.music.notes import Notes, Track
from aurl_jax.tokens.grid import VoiceGrid
from tests.tokens import judge, pieces

GRID = VoiceGrid(program=19)


def voices(*columns, **tables):
  """Returns Notes of one track a column of (onset, duration, pitch)."""
  rows = [(v, *note) for v, notes in enumerate(columns) for note in notes]
  track, onset, duration, pitch = np.array(rows).T
  return Notes.build(
    480,
    {'onset': onset, 'duration': duration, 'pitch': pitch, 'track': track},
    **tables,
  )


def spelled(ids):
  return [
    [GRID.codec.event(i, f) for f, i in enumerate(step)]
    for step in ids.tolist()
  ]


PLAIN = ([(0, 480, 72)], [(0, 480, 67)], [(0, 480, 64)], [(0, 480, 48)])


def test_spells_holds_rests_and_notes_struck_again():
  notes = voices(
    [(0, 240, 72), (240, 120, 72)],
    [(120, 120, 67)],
    [(0, 360, 64)],
    [(0, 120, 48), (120, 120, 50), (240, 120, 48)],
    tempos=[(0, 600_000)],
  )
  rest = ('rest', 0)
  start, *cells, end = spelled(GRID.encode(notes))
  meter = GRID.grid.meters.index((4, 4))
  tempo = int(np.abs(GRID.grid.tempos - 600_000).argmin())
  assert start == [
    ('bos', 0),
    ('meter', meter),
    ('tempo', tempo),
    ('pickup', 0),
  ]
  assert cells == [
    [('pitch', 72), rest, ('pitch', 64), ('pitch', 48)],
    [('hold', 72), ('pitch', 67), ('hold', 64), ('pitch', 50)],
    [('pitch', 72), rest, ('hold', 64), ('pitch', 48)],
  ]
  assert end == [('eos', 0), ('pad', 0), ('pad', 0), ('pad', 0)]


@hypothesis.given(
  seed=st.integers(0, 2**32 - 1),
  meter=st.sampled_from([(4, 4), (3, 4), (3, 2), (6, 8)]),
  pickup=st.sampled_from([0, 4, 8]),
)
def test_round_trip_gives_the_quantised_chorale(seed, meter, pickup):
  notes = pieces.chorale(seed, meter=meter, pickup=pickup)
  ids = judge.assert_round_trip(GRID, notes)
  assert len(ids) == notes.end // 120 + 2
  assert GRID.decode(ids).tracks == (Track(program=19),) * 4


@hypothesis.given(seed=st.integers(0, 2**32 - 1))
def test_decode_takes_any_ids(seed):
  ids = judge.noise(GRID, seed, 400)
  notes = GRID.decode(ids)
  notes.check()
  assert judge.rounded(GRID, notes) == notes


@hypothesis.given(seed=st.integers(0, 999), torn=st.integers(0, 999))
def test_decode_takes_ids_that_were_torn(seed, torn):
  ids = judge.shuffled(GRID.encode(pieces.chorale(seed)), torn)
  notes = GRID.decode(ids)
  notes.check()
  assert judge.rounded(GRID, notes) == notes


def test_a_note_longer_than_any_duration_ends_there():
  bos, hold = GRID.bos(), [GRID.codec.id('hold', 60)] * 4
  struck = [GRID.codec.id('pitch', 60)] * 4
  ids = np.array([bos, struck, *[hold] * 400])
  assert set(GRID.decode(ids).duration.tolist()) == {256}


def test_a_hold_of_what_does_not_sound_is_a_rest():
  cells = ['pitch 60', 'hold 60', 'hold 61', 'hold 61', 'hold 60', 'pitch 61']
  column = [
    GRID.codec.id(event, int(pitch)) for event, pitch in map(str.split, cells)
  ]
  rest = GRID.codec.id('rest')
  ids = np.full((len(column) + 1, 4), rest)
  ids[0], ids[1:, 2] = GRID.bos(), column
  notes = GRID.decode(ids)
  found = zip(notes.onset, notes.duration, notes.pitch, strict=True)
  assert [tuple(map(int, note)) for note in found] == [(0, 2, 60), (5, 1, 61)]


def test_pickup_is_a_first_bar_of_its_own_meter():
  notes = pieces.chorale(1, meter=(3, 4), pickup=4)
  ids = GRID.encode(notes)
  assert GRID.codec.event(int(ids[0, 3]), 3) == ('pickup', 4)
  assert GRID.decode(ids).meters.tolist() == [(0, 1, 4), (4, 3, 4)]
  assert GRID.bar_steps(ids).tolist() == [1, 5, 17, 29, 41]


def test_bar_steps_without_bos_and_of_nothing():
  ids = GRID.encode(pieces.chorale(1, meter=(4, 4)))
  assert GRID.bar_steps(ids).tolist() == [1, 17, 33, 49]
  assert GRID.bar_steps(ids[17:]).tolist() == [0, 16, 32]
  assert GRID.bar_steps(ids[:0]).tolist() == []


def test_empty_music_is_bos_and_eos():
  ids = GRID.encode(Notes.build(480))
  assert ids.shape == (2, 4)
  assert GRID.decode(ids) == Notes.build(4)


def test_bos_tells_meter_tempo_and_pickup():
  first = GRID.bos(meter=(3, 4), bpm=60, pickup=4)
  events = [GRID.codec.event(i, f) for f, i in enumerate(first.tolist())]
  assert GRID.grid.meters[events[1][1]] == (3, 4)
  assert GRID.grid.tempos[events[2][1]] == 1_000_000
  assert events[3] == ('pickup', 4)


@pytest.mark.parametrize(
  ('meter', 'pickup'), [((4, 4), 16), ((4, 4), -1), ((31, 4), 0), ((12, 4), 25)]
)
def test_bos_refuses_what_it_cannot_tell(meter, pickup):
  with pytest.raises(TokenError, match='pickup') as caught:
    GRID.bos(meter=meter, pickup=pickup)
  assert caught.value.code == 'meter'


OFF = [(10, 470, 48)]
BOTH = [(0, 480, 48), (240, 240, 50)]


@pytest.mark.parametrize(
  ('code', 'notes'),
  [
    ('voices', voices(*PLAIN[:3])),
    ('voices', voices(*PLAIN, PLAIN[3])),
    ('voices', voices(*PLAIN, tracks=[Track(is_drum=True)] * 4)),
    ('off_grid', voices(*PLAIN[:3], OFF)),
    ('off_grid', voices(*PLAIN[:3], [(0, 470, 48)])),
    ('polyphony', voices(*PLAIN[:3], BOTH)),
    ('tempo', voices(*PLAIN, tempos=[(240, 400_000)])),
    ('meter', voices(*PLAIN, meters=[(240, 3, 4), (360, 4, 4)])),
    ('meter', voices(*PLAIN, meters=[(0, 2, 8), (120, 4, 4)])),
    ('meter', voices(*PLAIN, meters=[(0, 4, 4), (240, 3, 4)])),
    ('too_long', voices(*PLAIN[:3], [(4 * 480 * 70_000, 480, 48)])),
    ('too_long', voices(*PLAIN[:3], [(480 << 50, 480, 48)])),
  ],
)
def test_what_is_no_chorale_is_refused_by_code(code, notes):
  with pytest.raises(TokenError) as caught:
    GRID.encode(notes)
  assert caught.value.code == code


def test_program_out_of_range_is_refused():
  with pytest.raises(ConfigError, match='128'):
    VoiceGrid(program=128)
