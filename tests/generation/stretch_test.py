import numpy as np
import pytest

from aurl_jax.generation.opening import opening
from aurl_jax.generation.stretch import Stretch
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import controls
from aurl_jax.tokens.compound import Compound
from tests import recogniser

TOKENIZER = Compound(cells_per_beat=4, controls=True, infill=True)
METER, TEMPO = (3, 4), 500_000


def song(seed, bars=6):
  """A song of three voices in 3/4, notes in every bar."""
  rng = np.random.default_rng(seed)
  onset = np.arange(bars * 12)[rng.random(bars * 12) < 0.6]
  onset = np.union1d(onset, np.arange(bars) * 12)
  return Notes.build(
    4,
    {
      'onset': onset,
      'duration': rng.integers(1, 5, len(onset)),
      'pitch': rng.integers(50, 80, len(onset)),
      'track': rng.integers(0, 3, len(onset)),
      'velocity': 66,
    },
    meters=[(0, *METER)],
    tempos=[(0, TEMPO)],
  )


@pytest.fixture(scope='module')
def stretch():
  return Stretch(TOKENIZER, opening(TOKENIZER, METER, 6e7 / TEMPO))


def sounds(notes):
  columns = (notes.onset, notes.duration, notes.pitch, notes.track)
  return sorted(zip(*(c.tolist() for c in columns), strict=True))


@pytest.mark.parametrize('told', [False, True])
def test_bars_put_together_are_the_piece(stretch, told):
  notes = TOKENIZER.quantise(song(1))
  asked = controls.of(notes, TOKENIZER.grid, bars=True) if told else None
  ids = TOKENIZER.encode(notes, asked)
  if told:
    # Those of the piece stand before the first bar.
    ids = TOKENIZER.tell(
      TOKENIZER.encode(notes), controls.Controls(bars=asked.bars)
    )
  bars = stretch.bars(ids)
  assert len(bars) == 6
  np.testing.assert_array_equal(stretch.join(bars, end=True), ids)


def test_bars_may_stand_anywhere(stretch):
  notes = TOKENIZER.quantise(song(2))
  bars = stretch.bars(TOKENIZER.encode(notes))
  order = [3, 0, 0, 5]
  ids = stretch.join([bars[i] for i in order], end=True)
  assert recogniser.fault(TOKENIZER, ids.tolist()) == ''
  found = TOKENIZER.decode(ids)
  expected = []
  for place, bar in enumerate(order):
    for onset, *rest in sounds(notes):
      if bar * 12 <= onset < bar * 12 + 12:
        expected.append((onset - bar * 12 + place * 12, *rest))
  assert sounds(found) == sorted(expected)
  assert found.meters[['numerator', 'denominator']].tolist() == [METER]
  assert found.tempos['microseconds'].tolist() == [TEMPO]


def test_without_bars_it_is_the_opening(stretch):
  np.testing.assert_array_equal(stretch.join([]), stretch.opening)
  blank = TOKENIZER.decode(stretch.join([stretch.blank()] * 2, end=True))
  assert len(blank) == 0


def test_what_fits_is_as_much_as_fits(stretch):
  bars = stretch.bars(TOKENIZER.encode(song(3, bars=12)))
  for steps in (5, 20, 60, 1000):
    count = stretch.fitting(bars, steps)
    assert count == 0 or len(stretch.join(bars[12 - count :])) <= steps
    if count < 12:
      assert len(stretch.join(bars[11 - count :])) > steps


@pytest.mark.parametrize(('first', 'last'), [(0, 2), (5, 7), (10, 12)])
@pytest.mark.parametrize('steps', [60, 100, 1000])
def test_around_some_bars_there_is_music_on_both_sides(
  stretch, first, last, steps
):
  bars = stretch.bars(TOKENIZER.encode(song(4, bars=12)))
  begin, stop = stretch.around(bars, first, last, steps)
  assert 0 <= begin <= first < last <= stop <= 12
  assert len(stretch.join(bars[begin:stop], end=True)) <= steps
  if steps == 1000:
    assert (begin, stop) == (0, 12)
  if steps == 100 and last < 12:
    assert stop > last
  if steps >= 100 and first > 0:
    assert begin < first


def test_a_last_bar_has_no_late_notes_and_rings(stretch):
  rows = [(0, 2, 60), (4, 1, 48), (4, 2, 64), (8, 4, 67), (11, 1, 69)]
  onset, duration, pitch = np.array(rows).T
  notes = Notes.build(
    4,
    {'onset': onset, 'duration': duration, 'pitch': pitch},
    meters=[(0, *METER)],
  )
  (bar,) = stretch.bars(TOKENIZER.encode(notes))
  closed = stretch.closed(bar, 12)
  found = TOKENIZER.decode(stretch.join([closed], end=True))
  heard = zip(
    found.onset.tolist(), found.duration.tolist(), found.pitch.tolist(),
    strict=True,
  )  # fmt: skip
  assert list(heard) == [(0, 2, 60), (4, 8, 48), (4, 8, 64)]
  late = stretch.bars(
    TOKENIZER.encode(
      Notes.build(
        4,
        {'onset': [8], 'duration': 2, 'pitch': 60},
        meters=[(0, *METER)],
      )
    )
  )[0]
  np.testing.assert_array_equal(stretch.closed(late, 12), late)


def test_a_note_that_is_told_twice_is_told_once(stretch):
  ids = TOKENIZER.encode(song(6))
  bars = stretch.bars(ids)
  doubled = np.concatenate([ids[:4], ids[3:4], ids[4:]])
  assert all(
    (one == other).all()
    for one, other in zip(stretch.bars(doubled), bars, strict=True)
  )


def test_notes_of_a_track_are_counted(stretch):
  notes = TOKENIZER.quantise(song(7))
  for number, bar in enumerate(stretch.bars(TOKENIZER.encode(notes))):
    for voice in range(3):
      own = (notes.onset // 12 == number) & (notes.track == voice)
      assert stretch.count(bar, (0, voice)) == own.sum()
    assert stretch.count(bar, (1, 0)) == 0
