import fractions
import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.music import cut, time, transform
from aurl_jax.music.notes import Notes, Text, Track
from tests.music.pieces import pieces

NAMES = ('onset', 'track', 'pitch', 'duration', 'velocity')


def rows(notes):
  columns = [getattr(notes, name).tolist() for name in NAMES]
  return list(zip(*columns, strict=True))


def in_force(table, tick, key=()):
  """The last row at or before a tick, of each key."""
  held = {}
  for row in table.tolist():
    named = dict(zip(table.dtype.names, row, strict=True))
    if named['tick'] <= tick:
      held[tuple(named[k] for k in key)] = row[1:]
  return held


@hypothesis.given(
  pieces(nested=True), st.integers(0, 21_000), st.integers(0, 21_000)
)
def test_a_slice_holds_what_begins_inside(piece, start, length):
  end = start + length
  part = cut.slice_ticks(piece, start, end)
  part.check()
  assert rows(part) == sorted(
    (onset - start, track, pitch, min(duration, end - onset), velocity)
    for onset, track, pitch, duration, velocity in rows(piece)
    if start <= onset < end
  )
  keys = {'controls': ('track', 'number'), 'bends': ('track',)}
  for name in ('tempos', 'meters', 'keys', 'controls', 'bends'):
    key = keys.get(name, ())
    before, after = getattr(piece, name), getattr(part, name)
    for tick in (0, length // 2, max(length - 1, 0)):
      if length:
        assert in_force(after, tick, key) == in_force(before, start + tick, key)


@hypothesis.given(
  pieces(nested=True), st.integers(0, 21_000), st.integers(0, 21_000)
)
def test_notes_that_sound_on_may_begin_with_a_slice(piece, start, length):
  end = start + length
  part = cut.slice_ticks(piece, start, end, held=True)
  part.check()
  expected = []
  for onset, track, pitch, duration, velocity in rows(piece):
    first, last = max(onset, start), min(onset + duration, end)
    if start <= onset < end or (onset < start < onset + duration):
      expected.append((first - start, track, pitch, last - first, velocity))
  assert rows(part) == sorted(expected)


@hypothesis.given(pieces())
def test_the_whole_slice_is_the_piece(piece):
  assert cut.slice_ticks(piece, 0, None) == piece


def test_the_chord_in_force_is_told():
  piece = Notes.build(
    4,
    {'onset': [0, 8], 'duration': 4, 'pitch': 60},
    texts=[Text(0, -1, 'chord', 'C'), Text(4, -1, 'chord', 'F'),
           Text(5, -1, 'marker', 'B'), Text(9, -1, 'chord', 'G')],
  )  # fmt: skip
  assert cut.slice_ticks(piece, 8, 12).texts == (
    Text(0, -1, 'chord', 'F'),
    Text(1, -1, 'chord', 'G'),
  )
  assert cut.slice_ticks(piece, 4, 6).texts == (
    Text(0, -1, 'chord', 'F'),
    Text(1, -1, 'marker', 'B'),
  )


def song():
  """Three bars of 3/4 and two of 2/4."""
  return Notes.build(
    4,
    {'onset': range(52), 'duration': 1, 'pitch': range(40, 92)},
    meters=[(0, 3, 4), (36, 2, 4)],
    tempos=[(0, 400_000), (20, 600_000)],
  )


@pytest.mark.parametrize(
  ('first', 'last', 'onsets', 'meters'),
  [
    (0, 1, (0, 12), [(0, 3, 4)]),
    (2, 4, (24, 44), [(0, 3, 4), (12, 2, 4)]),
    (3, 5, (36, 52), [(0, 2, 4)]),
  ],
)
def test_bars_are_counted_from_zero(first, last, onsets, meters):
  part = cut.slice_bars(song(), first, last)
  start, end = onsets
  assert part.pitch.tolist() == list(range(40 + start, 40 + end))
  assert part.onset.tolist() == list(range(end - start))
  assert part.meters.tolist() == meters


@pytest.mark.parametrize('bars', [(0, 6), (2, 2), (-1, 2)])
def test_bars_that_are_not_there_are_refused(bars):
  with pytest.raises(cut.TransformError) as caught:
    cut.slice_bars(song(), *bars)
  assert caught.value.code == 'slice'


def test_a_slice_needs_a_forward_range():
  with pytest.raises(cut.TransformError, match='no slice'):
    cut.slice_ticks(song(), 5, 4)


@hypothesis.given(pieces(nested=True), st.integers(0, 5000))
def test_shifting_moves_the_notes_and_keeps_what_holds(piece, ticks):
  later = cut.shift(piece, ticks)
  later.check()
  assert rows(later) == [(row[0] + ticks, *row[1:]) for row in rows(piece)]
  assert in_force(later.tempos, 0) == in_force(piece.tempos, 0)
  assert in_force(later.tempos, 30_000) == in_force(piece.tempos, 30_000)


def test_shifting_back_needs_room():
  later = cut.shift(song(), 12)
  assert rows(cut.shift(later, -12)) == rows(song())
  with pytest.raises(cut.TransformError) as caught:
    cut.shift(later, -13)
  assert caught.value.code == 'before_start'


def length_by_hand(piece):
  """Walks bar by bar to the first one behind every note."""
  end = max((o + max(d, 1) for o, _, _, d, _ in rows(piece)), default=0)
  start, meter = 0, (4, 4)
  for tick, top, bottom in piece.meters.tolist():
    if tick <= end and (top, bottom) != meter:
      start, meter = tick, (top, bottom)
    elif tick == 0:
      meter = top, bottom
  at = fractions.Fraction(start)
  while at < end:
    at += fractions.Fraction(4 * piece.ticks_per_beat * meter[0], meter[1])
  return math.ceil(at)


@hypothesis.given(
  st.lists(pieces(ticks_per_beat=96, last=900, most=5), min_size=1, max_size=3)
)
def test_joined_pieces_begin_with_bars(parts):
  # Of several meters at a tick only the last one counts.
  one_meter = lambda p: p.replace(meters=p.meters[:1])  # noqa: E731
  parts = [one_meter(part) for part in parts]
  whole = cut.concatenate(parts)
  whole.check()
  start, expected = 0, []
  for part in parts:
    expected += [(row[0] + start, row[2:]) for row in rows(part)]
    for tick in range(0, part.end, 37):
      seconds = time.ticks_to_seconds(whole, np.array([start, start + tick]))
      alone = time.ticks_to_seconds(part, tick)
      assert seconds[1] - seconds[0] == pytest.approx(alone, abs=1e-9)
    start += length_by_hand(part)
  assert sorted((row[0], row[2:]) for row in rows(whole)) == sorted(expected)


def test_equal_tracks_are_joined():
  one = Notes.build(
    4,
    {'onset': 0, 'duration': 4, 'pitch': 60, 'track': [0, 1]},
    tracks=[Track('a', 1), Track('a', 1)],
    texts=[Text(0, 1, 'lyric', 'la')],
  )
  two = Notes.build(
    4,
    {'onset': 0, 'duration': 4, 'pitch': 62, 'track': [0, 1, 2]},
    tracks=[Track('b', 2), Track('a', 1), Track('a', 1)],
    controls=[(0, 0, 7, 7)],
  )
  whole = transform.concatenate([one, two])
  assert whole.tracks == (Track('a', 1), Track('a', 1), Track('b', 2))
  assert rows(whole) == [
    (0, 0, 60, 4, 64),
    (0, 1, 60, 4, 64),
    (16, 0, 62, 4, 64),
    (16, 1, 62, 4, 64),
    (16, 2, 62, 4, 64),
  ]
  assert whole.controls.tolist() == [(16, 2, 7, 7)]
  assert whole.texts == (Text(0, 1, 'lyric', 'la'),)


def test_pieces_that_cannot_be_joined_are_refused():
  with pytest.raises(cut.TransformError) as caught:
    cut.concatenate([])
  assert caught.value.code == 'empty'
  with pytest.raises(cut.TransformError) as caught:
    cut.concatenate([Notes.build(4), Notes.build(8)])
  assert caught.value.code == 'ticks_per_beat'


def test_a_whole_piece_lasts_until_all_is_told():
  note = {'onset': 0, 'duration': 480, 'pitch': 60}
  told = Notes.build(
    480,
    note,
    controls=[(1920, 0, 64, 0)],
    texts=[Text(4000, -1, 'marker', 'end')],
  )
  assert cut.next_bar(told) == 1920
  assert cut.next_bar(told, whole=True) == 3 * 1920
  joined = cut.concatenate([told, Notes.build(480, note)], whole=True)
  assert joined.onset.tolist() == [0, 3 * 1920]
  assert joined.controls.tolist() == [(1920, 0, 64, 0)]
  assert joined.texts == told.texts
