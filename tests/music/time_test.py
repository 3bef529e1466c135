import fractions

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.core.errors import MidiError
from aurl_jax.music import time
from aurl_jax.music.notes import Notes
from tests.music.pieces import pieces


def seconds_by_hand(notes, tick):
  """Walks the tempo map with fractions."""
  total, at, micros = fractions.Fraction(0), 0, 500_000
  for change, tempo in notes.tempos.tolist():
    step = min(change, tick) - at
    total += fractions.Fraction(step * micros, 10**6 * notes.ticks_per_beat)
    if change > tick:
      return total
    at, micros = change, tempo
  step = tick - at
  return total + fractions.Fraction(step * micros, 10**6 * notes.ticks_per_beat)


@hypothesis.given(pieces(most=0), st.lists(st.integers(0, 30_000), min_size=1))
def test_seconds_follow_the_tempo_map(piece, ticks):
  found = time.ticks_to_seconds(piece, np.array(ticks))
  exact = [float(seconds_by_hand(piece, tick)) for tick in ticks]
  assert found.tolist() == pytest.approx(exact, rel=1e-14, abs=0)


@hypothesis.given(
  st.lists(st.tuples(st.integers(0, 2**31), st.integers(20_000, 2**24 - 1))),
  st.integers(1, 32767),
  st.lists(st.integers(0, 2**38), min_size=1),
)
def test_ticks_come_back_from_seconds(tempos, ticks_per_beat, ticks):
  piece = Notes.build(ticks_per_beat, tempos=tempos)
  ticks = np.array(ticks)
  seconds = time.ticks_to_seconds(piece, ticks)
  assert np.array_equal(time.seconds_to_ticks(piece, seconds), ticks)


def test_ticks_come_back_up_to_two_to_the_forty():
  piece = Notes.build(480, tempos=[(1000, 400_001)])
  ticks = np.concatenate(
    [np.arange(2**p - 50, 2**p + 50) for p in range(8, 41)]
  )
  seconds = time.ticks_to_seconds(piece, ticks)
  assert np.array_equal(time.seconds_to_ticks(piece, seconds), ticks)


def test_the_duration_is_the_end_of_the_last_note():
  piece = Notes.build(
    480,
    {'onset': [0, 480], 'duration': [4800, 480], 'pitch': 60},
    tempos=[(0, 1_000_000)],
  )
  assert time.duration_seconds(piece) == 10.0
  assert time.duration_seconds(Notes.build(480)) == 0.0


def starts_by_hand(notes, end, whole_bars):
  """Walks from pulse to pulse with fractions."""
  meters = {0: (4, 4)}
  for tick, top, bottom in notes.meters.tolist():
    meters[tick] = (top, bottom)
  changes = []
  for tick in sorted(meters):
    if not changes or changes[-1][1] != meters[tick]:
      changes.append((tick, meters[tick]))
  found = []
  for index, (start, (top, bottom)) in enumerate(changes):
    last = changes[index + 1 :]
    stop = min(end, last[0][0] if last else end)
    length = fractions.Fraction(4 * notes.ticks_per_beat, bottom)
    length *= top if whole_bars else 1
    at = fractions.Fraction(start)
    while at < stop:
      if not found or found[-1] != int(at):
        found.append(int(at))
      at += length
  return found


@hypothesis.given(
  pieces(most=0, last=2000, ticks_per_beat=96), st.integers(1, 3000)
)
def test_bars_and_beats_restart_at_meter_changes(piece, end):
  for pulses, whole in ((time.bar_starts, True), (time.beats, False)):
    found = pulses(piece, end)
    assert found.dtype == np.int64
    assert found.tolist() == starts_by_hand(piece, end, whole)


def test_a_cut_bar_ends_at_the_change():
  piece = Notes.build(
    4,
    {'onset': 0, 'duration': 30, 'pitch': 60},
    meters=[(0, 3, 4), (14, 2, 4), (20, 2, 4)],
  )
  assert time.bar_starts(piece).tolist() == [0, 12, 14, 22]
  assert time.beats(piece, 16).tolist() == [0, 4, 8, 12, 14]


def test_an_empty_piece_has_one_bar():
  assert time.bar_starts(Notes.build(12)).tolist() == [0]


def test_too_many_bars_are_refused():
  piece = Notes.build(1, {'onset': 2**40, 'duration': 1, 'pitch': 60})
  with pytest.raises(MidiError) as caught:
    time.bar_starts(piece)
  assert caught.value.code == 'too_long'
