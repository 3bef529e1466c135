"""Music made worse: how much of it, and that the rest stays."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.evaluation import corruption
from aurl_jax.music import time
from aurl_jax.music.notes import Notes, Track
from tests.tokens import pieces

SEEDS = st.integers(0, 2**32 - 1)
LONG = Notes.build(
  4,
  {
    'onset': np.repeat(np.arange(0, 4000, 4), 2),
    'duration': 3,
    'pitch': np.tile([40, 70, 50, 64], 500),
    'velocity': 64,
    'track': np.tile([0, 1], 1000),
  },
)


def rows(notes):
  columns = ('onset', 'track', 'pitch', 'duration', 'velocity')
  return list(zip(*(getattr(notes, c).tolist() for c in columns), strict=True))


def changed(one, other):
  """The share of the notes of one that the other lacks."""
  return len(set(rows(one)) - set(rows(other))) / len(set(rows(one)))


@pytest.mark.parametrize('way', corruption.WAYS.values())
@hypothesis.given(seed=SEEDS)
def test_nothing_is_spoilt_by_a_share_of_none(way, seed):
  notes = pieces.piece(seed, notes=20)
  assert rows(way(notes, 0.0, seed)) == rows(notes)
  for share in corruption.LADDER:
    spoilt = way(notes, share, seed)
    assert len(spoilt) == len(notes)
    assert spoilt.tracks == notes.tracks
    assert rows(way(notes, share, seed)) == rows(spoilt)


@pytest.mark.parametrize('name', ['random_pitches', 'noise'])
@pytest.mark.parametrize('share', [0.1, 0.5])
def test_about_the_share_is_spoilt(name, share):
  spoilt = corruption.WAYS[name](LONG, share, 1)
  # One of 11 pitches, or of 7, is drawn again.
  same = (1 / 11 + 1 / 7) / 2 if name == 'random_pitches' else 0
  wanted = share * (1 - same)
  assert changed(LONG, spoilt) == pytest.approx(wanted, abs=0.03)


@pytest.mark.parametrize('name', ['transposed_tracks', 'random_pitches'])
def test_what_is_spoilt_stays_so(name):
  way = corruption.WAYS[name]
  kept = [
    set(rows(LONG)) & set(rows(way(LONG, share, 3)))
    for share in corruption.LADDER
  ]
  for more, less in zip(kept[1:], kept, strict=False):
    assert more <= less
    assert len(more) < len(less)


def test_bars_of_tracks_move_as_a_whole():
  spoilt = corruption.transposed_tracks(LONG, 0.5, 0)
  bar = spoilt.onset // 16
  moved = 0
  for number in range(int(bar.max()) + 1):
    for track in (0, 1):
      here = spoilt.pitch[(bar == number) & (spoilt.track == track)]
      was = LONG.pitch[(LONG.onset // 16 == number) & (LONG.track == track)]
      by = set((here - was).tolist())
      assert len(by) == 1
      assert abs(next(iter(by))) <= 6
      moved += by != {0}
  assert moved / (2 * (int(bar.max()) + 1)) == pytest.approx(0.5, abs=0.08)


def test_pitches_of_drums_stay():
  drums = Notes.build(
    4,
    {'onset': [0, 20], 'duration': 2, 'pitch': 38},
    tracks=[Track(is_drum=True)],
  )
  assert corruption.transposed_tracks(drums, 1.0, 0) == drums


@hypothesis.given(seed=SEEDS)
def test_bars_are_shuffled_whole(seed):
  notes = LONG.replace(meters=np.zeros(0, LONG.meters.dtype))
  spoilt = corruption.shuffled_bars(notes, 1.0, seed)

  def bars(piece):
    starts = time.bar_starts(piece)
    bar = np.searchsorted(starts, piece.onset, side='right') - 1
    found = [[] for _ in starts]
    for number, row in zip(bar, rows(piece), strict=True):
      found[number].append((row[0] - starts[number], *row[1:]))
    return [tuple(sorted(each)) for each in found]

  assert sorted(bars(spoilt)) == sorted(bars(notes))


def test_an_empty_piece_stays_empty():
  for way in corruption.WAYS.values():
    assert len(way(Notes.build(4), 1.0, 0)) == 0
