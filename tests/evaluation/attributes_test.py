"""Attributes of an excerpt, against a walk over every tick."""

import numpy as np
import pytest

from aurl_jax.evaluation import attributes
from aurl_jax.music.notes import Notes, Track
from tests.tokens import pieces


def weight(tick, bars, beat):
  """How strong a tick is, by the words of the definition."""
  inside = tick - max(bar for bar in bars if bar <= tick)
  if inside == 0:
    return 0
  for level, part in ((-1, beat), (-2, beat / 2), (-3, beat / 4)):
    if inside % part == 0:
      return level
  return -4


def walked(notes, bars):
  beat, end = notes.ticks_per_beat, notes.end
  columns = (notes.pitch, notes.duration, notes.is_drum)
  pitches = [
    pitch
    for pitch, length, drum in zip(*columns, strict=True)
    if not drum
    for _ in range(length)
  ]
  strong = 0
  for o, d in zip(notes.onset.tolist(), notes.duration.tolist(), strict=True):
    across = [weight(t, bars, beat) for t in range(o + 1, o + d)]
    strong += max([0, *(w - weight(o, bars, beat) for w in across)])
  return [
    len(notes) / end * beat,
    len(pitches) / end,
    np.mean(pitches) if pitches else float('nan'),
    strong / end * beat,
  ]


@pytest.mark.parametrize('seed', range(6))
@pytest.mark.parametrize('meter', [(4, 4), (3, 4), (6, 8)])
def test_they_are_those_of_a_walk(seed, meter):
  rng = np.random.default_rng(seed)
  count, full = 12, 4 * 8 * meter[0] // meter[1]
  notes = Notes.build(
    8,
    {
      'onset': rng.integers(0, 60, count),
      'duration': rng.integers(1, 40, count),
      'pitch': rng.integers(30, 90, count),
      'track': rng.integers(0, 2, count),
    },
    tracks=[Track(program=0), Track(program=0, is_drum=bool(seed % 2))],
    meters=[(0, *meter)],
  )
  bars = range(0, notes.end, full)
  wanted = walked(notes, bars)
  np.testing.assert_allclose(list(attributes.of(notes).values()), wanted)


@pytest.mark.parametrize('end', [5, 17, 40])
def test_time_may_end_before_the_notes(end):
  rng = np.random.default_rng(end)
  columns = {
    'onset': rng.integers(0, 60, 12),
    'duration': rng.integers(1, 40, 12),
    'pitch': rng.integers(30, 90, 12),
  }
  notes = Notes.build(8, columns | {'onset': np.r_[0, columns['onset'][1:]]})
  begun = [i for i in range(12) if notes.onset[i] < end]
  sounding = [
    notes.pitch[i]
    for i in begun
    for tick in range(notes.onset[i], notes.onset[i] + notes.duration[i])
    if tick < end
  ]
  found = attributes.of(notes, end)
  assert found['density'] == pytest.approx(8 * len(begun) / end)
  assert found['polyphony'] == pytest.approx(len(sounding) / end)
  assert found['register'] == pytest.approx(np.mean(sounding))
  strong = attributes.strengths(notes)[begun].sum()
  assert found['syncopation'] == pytest.approx(8 * strong / end)
  (row,) = attributes.table([notes], [end])
  assert row.tolist() == list(found.values())


def test_a_known_rhythm():
  # Four eighths late: on the half beat (-2), across the beat (-1), so 1 each;
  # the last across the bar line (0): 2.
  notes = Notes.build(
    2, {'onset': [1, 3, 5, 7], 'duration': 2, 'pitch': [60, 62, 64, 66]}
  )
  assert attributes.strengths(notes).tolist() == [1, 1, 1, 2]
  assert attributes.of(notes)['syncopation'] == pytest.approx(5 / 4.5)


def test_a_transposition_moves_register_alone():
  music = pieces.chorale(3)
  higher = Notes.build(
    480,
    {
      'onset': music.onset,
      'duration': music.duration,
      'pitch': music.pitch + 5,
      'track': music.track,
    },
  )
  one, other = attributes.table([music, higher])
  np.testing.assert_allclose(other - one, [0, 0, 5, 0], atol=1e-9)


def test_what_has_no_value_is_nan():
  empty = Notes.build(4, {'onset': [], 'duration': [], 'pitch': []})
  assert np.isnan(attributes.table([empty])).all()
  columns = {'onset': [0, 4], 'duration': 4, 'pitch': 36}
  drums = Notes.build(4, columns, tracks=[Track(program=0, is_drum=True)])
  found = attributes.of(drums)
  assert np.isnan(found['register'])
  assert (found['density'], found['polyphony']) == (1, 0)


def test_means_are_over_the_pieces_that_have_an_attribute():
  high = Notes.build(1, {'onset': [0, 1], 'duration': 1, 'pitch': [70, 74]})
  low = Notes.build(1, {'onset': [0], 'duration': 2, 'pitch': [60]})
  found = attributes.means([high, Notes.build(1), low])
  # Two notes in two beats, and one in two; nothing in nothing counts not.
  assert found['density'] == 0.75
  assert found['register'] == 66
  assert np.isnan(list(attributes.means([Notes.build(1)]).values())).all()
