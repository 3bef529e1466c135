import pytest

from aurl_jax.music.notes import Notes, Text, Track
from aurl_jax.tokens import ledger as ledger_lib
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.performance import Performance
from aurl_jax.tokens.remi import Remi
from tests.tokens import judge, pieces

ALL = [Remi(), Compound()]


@pytest.mark.parametrize(
  'tokenizer', [Remi(chords=True), Compound(chords=True)]
)
def test_quantised_music_is_exact(tokenizer):
  for seed in range(10):
    notes = judge.rounded(tokenizer, pieces.piece(seed))
    ledger = ledger_lib.ledger(tokenizer, notes)
    assert ledger.exact
    assert ledger.entries['notes'].kept == len(notes)


def test_a_quantised_chorale_is_exact():
  grid = VoiceGrid()
  notes = judge.rounded(grid, pieces.chorale(1, pickup=4))
  assert ledger_lib.ledger(grid, notes).exact
  loud = notes.replace(velocity=notes.velocity + 1)
  entry = ledger_lib.ledger(grid, loud).entries['notes']
  assert entry.errors['velocity'] == (1, 1)


@pytest.mark.parametrize('tokenizer', ALL)
def test_errors_are_milliseconds_at_the_local_tempo(tokenizer):
  # At 60 bpm and 100 ticks a beat, a tick is 10 ms and a cell 8 1/3 ticks.
  notes = Notes.build(
    100,
    {
      'onset': [0, 26, 100],
      'duration': [100, 24, 200],
      'pitch': 60,
      'velocity': [66, 64, 70],
    },
    tempos=[(0, 1_000_000), (100, 500_000)],
  )
  entry = ledger_lib.ledger(tokenizer, notes).entries['notes']
  assert entry.errors['onset_ms'] == pytest.approx((10 / 3, 10))
  assert entry.errors['duration_ms'] == pytest.approx((10 / 3, 10))
  assert entry.errors['velocity'] == pytest.approx((2 / 3, 2))
  assert (entry.count, entry.kept, entry.merged) == (3, 3, 0)


@pytest.mark.parametrize('tokenizer', ALL)
def test_counts_what_is_merged_and_dropped(tokenizer):
  notes = Notes.build(
    480,
    {'onset': [0, 1, 480], 'duration': 480, 'pitch': [60, 60, 62]},
    tracks=[Track('name', 3), Track('', 4)],
    meters=[(0, 31, 32), (480, 2, 4)],
    tempos=[(1, 499_000), (2, 200_000), (9000, 300_000)],
    keys=[(0, 1, False)],
    controls=[(0, 0, 64, 127), (3, 0, 64, 90), (5, 0, 64, 0), (9, 0, 1, 5)],
    bends=[(0, 0, 5)],
    texts=[Text(0, 0, 'lyric', 'la'), Text(0, -1, 'chord', 'C')],
    title='a title',
  )
  ledger = ledger_lib.ledger(tokenizer, notes)
  found = {
    kind: (entry.count, entry.kept, entry.merged, entry.dropped)
    for kind, entry in ledger.entries.items()
  }
  assert found == {
    'notes': (3, 2, 1, 0),
    'tracks': (2, 1, 0, 1),
    'tempos': (4, 1, 0, 3),
    'meters': (2, 1, 0, 1),
    'chords': (1, 0, 0, 1),
    'keys': (1, 0, 0, 1),
    'pedals': (2, 0, 0, 2),
    'controls': (1, 0, 0, 1),
    'bends': (1, 0, 0, 1),
    'lyrics': (1, 0, 0, 1),
    'names': (2, 0, 0, 2),
  }
  assert not ledger.exact


def test_tracks_of_one_instrument_beyond_the_voices_are_merged():
  notes = Notes.build(
    4, {'onset': 0, 'duration': 4, 'pitch': [60, 61, 62], 'track': [0, 1, 2]}
  )
  entry = ledger_lib.ledger(Remi(voices=2), notes).entries['tracks']
  assert (entry.count, entry.kept, entry.merged) == (3, 2, 1)


@pytest.mark.parametrize(
  'tokenizer',
  [
    Remi(chords=True),
    Compound(voices=2),
    Compound(micro=8, pedal=True),
    Performance(),
    Performance(drums=True),
  ],
)
def test_kept_merged_and_dropped_are_all_and_kept_are_all_that_is_told(
  tokenizer,
):
  for seed in range(30):
    notes = pieces.pedalled(seed)
    entries = ledger_lib.ledger(tokenizer, notes).entries
    back = tokenizer.decode(tokenizer.encode(notes))
    for entry in entries.values():
      assert entry.count == entry.kept + entry.merged + entry.dropped
    assert entries['notes'].count == len(notes)
    assert entries['notes'].kept == len(back)


def test_seconds_are_compared_where_beats_are_not_told():
  # At 60 bpm a tick is 10 ms; at 120 bpm 5 ms, and half of them are rounded.
  notes = Notes.build(
    100,
    {
      'onset': [0, 100, 101],
      'duration': [100, 1, 200],
      'pitch': [60, 61, 62],
      'velocity': [3, 4, 1],
      'track': [0, 1, 2],
    },
    tracks=[Track('', 0), Track('', 40), Track('', 0, True)],
    tempos=[(0, 1_000_000), (100, 500_000)],
  )
  entries = ledger_lib.ledger(Performance(), notes).entries
  assert entries['notes'].errors['onset_ms'] == pytest.approx((0, 0))
  assert entries['notes'].errors['duration_ms'] == pytest.approx((2.5, 5))
  assert entries['notes'].errors['velocity'] == (0.5, 1)
  found = {k: (e.kept, e.merged, e.dropped) for k, e in entries.items()}
  assert found == {
    'notes': (2, 0, 1),
    'tracks': (1, 1, 1),
    'tempos': (0, 0, 2),
    'meters': (0, 0, 1),
  }


def test_offsets_and_pedals_have_their_errors():
  # 96 ticks a beat are parts of a cell; at 120 bpm one is 5.2 ms.
  notes = Notes.build(
    192,
    {'onset': [1, 186, 400], 'duration': 192, 'pitch': 60},
    controls=[(193, 0, 64, 127), (300, 0, 64, 0), (301, 0, 64, 127)],
  )
  tick = 500 / 192
  fine = ledger_lib.ledger(Compound(micro=8, pedal=True), notes).entries
  assert fine['notes'].errors['onset_ms'] == pytest.approx((tick / 3, tick))
  # The pedal goes up and down in one cell, so that it stays down.
  assert (fine['pedals'].kept, fine['pedals'].dropped) == (1, 2)
  assert fine['pedals'].errors['onset_ms'] == pytest.approx((tick, tick))
  coarse = ledger_lib.ledger(Compound(), notes).entries
  assert coarse['notes'].errors['onset_ms'][1] == pytest.approx(6 * tick)
  assert coarse['pedals'].kept == 0


def test_as_dict_is_plain_numbers():
  report = ledger_lib.ledger(Remi(), pieces.piece(9)).as_dict()
  assert report['notes']['count'] == 45
  assert set(report['notes']) >= {'onset_ms_mean', 'onset_ms_max', 'merged'}
  numbers = [value for row in report.values() for value in row.values()]
  assert all(type(value) in (int, float) for value in numbers)


def test_silence_has_a_ledger():
  ledger = ledger_lib.ledger(Remi(), Notes.build(480))
  assert ledger.entries['notes'].count == 0
