"""Measures of bar lines, by hand."""

import math

import numpy as np
import pytest

from aurl_jax.evaluation import seams
from aurl_jax.music.notes import Notes, Track

# Of 4 ticks a beat, 16 a bar: a chord held over the first line, and a tune.
# Onset, duration, pitch.
PIECE = [
  (0, 20, 48),
  (0, 4, 60),
  (8, 4, 64),
  (12, 2, 79),
  (18, 4, 62),
  (20, 4, 45),
  (33, 2, 59),
]


def piece(rows, **changes):
  columns = zip(*rows, strict=True)
  return Notes.build(
    4,
    dict(zip(('onset', 'duration', 'pitch'), columns, strict=True)),
    **changes,
  )


def test_a_line_with_a_held_note():
  upper, lower, density, wait, chroma = seams.seam(piece(PIECE), 0, 16, 32)
  # 79 over the held 48 at tick 12; 62 over it at tick 18.
  assert (upper, lower) == (62 - 79, 0)
  # Four onsets before, two behind.
  assert density == pytest.approx(math.log2(3 / 5))
  assert wait == (18 - 12) / 4
  # C 16 + 4, E 4, G 2 against C 4, D 4, A 4.
  product, sizes = 20 * 4, (400 + 16 + 4) * 48
  assert chroma == pytest.approx(product / math.sqrt(sizes))


def test_a_line_that_nothing_sounds_over():
  upper, lower, density, wait, chroma = seams.seam(piece(PIECE), 16, 32, 48)
  # 45 alone at tick 20: 48 has ended there, and 62 still sounds.
  assert (upper, lower) == (59 - 62, 59 - 45)
  assert density == pytest.approx(math.log2(2 / 3))
  assert wait == (33 - 20) / 4
  assert chroma == 0.0


def test_lines_are_between_the_bars_that_have_begun():
  table = seams.lines(piece(PIECE))
  assert table.tolist() == [
    list(seams.seam(piece(PIECE), 0, 16, 32)),
    list(seams.seam(piece(PIECE), 16, 32, 48)),
  ]
  waltz = piece([(0, 1, 60), (13, 1, 62)], meters=[(0, 3, 4)])
  assert seams.lines(waltz)[:, 3].tolist() == [13 / 4]
  assert seams.lines(piece(PIECE[:1])).shape == (0, 5)
  # The second bar of this one is held through.
  held = piece([(0, 40, 60), (33, 1, 62), (50, 1, 64)])
  assert len(seams.lines(held)) == 3
  assert seams.lines(held, rests=False)[:, 0].tolist() == [2.0]
  assert seams.lines(Notes.build(4)).shape == (0, 5)


def test_silence_and_drums_have_no_pitch():
  drums = piece([(0, 1, 35), (20, 1, 60)]).replace(
    tracks=(Track(is_drum=True),), is_drum=np.array([True, True])
  )
  upper, lower, _, wait, chroma = seams.seam(drums, 0, 16, 32)
  assert math.isnan(upper)
  assert math.isnan(lower)
  assert (wait, chroma) == (5.0, 1.0)
  ends = seams.seam(piece([(0, 1, 60)]), 0, 16, 32)
  assert math.isnan(ends[0])
  assert math.isnan(ends[3])
  assert ends[2] == -1.0
  assert ends[4] == 0.0


def test_a_summary_leaves_out_what_is_no_number():
  nan = float('nan')
  table = seams.table(
    [
      (-3.0, 12.0, 1.0, 0.5, 1.0),
      (13.0, -20.0, -0.5, nan, 0.5),
      (nan, nan, 0.0, 2.5, 0.0),
    ]
  )
  assert seams.summary(table) == {
    'upper': 8.0,
    'upper_leaps': 0.5,
    'lower': 16.0,
    'lower_leaps': 0.5,
    'density': 0.5,
    'drift': pytest.approx(0.5 / 3),
    'wait': 1.5,
    'chroma': 0.5,
  }
  assert math.isnan(seams.summary(seams.table([]))['upper'])


def test_a_band_is_that_of_the_means_of_sets():
  # A share p of ones: the mean of k draws is a binomial by k.
  table = np.zeros((10, 5))
  table[:3, 4] = 1
  low, high = seams.band(table, 100, samples=4000, seed=3)['chroma']
  draws = np.random.default_rng(9).binomial(100, 0.3, 200_000) / 100
  wanted = np.quantile(draws, [0.025, 0.975])
  assert np.abs([low, high] - wanted).max() <= 0.0101
  assert seams.band(table, 100)['upper'] == (0.0, 0.0)
  wide = seams.band(table, 20, seed=3)['chroma']
  assert wide[0] < low
  assert wide[1] > high


def test_a_band_of_nothing_is_refused():
  with pytest.raises(ValueError, match='0 lines'):
    seams.band(seams.table([]), 5)
  with pytest.raises(ValueError, match='level 1'):
    seams.band(np.zeros((2, 5)), 5, level=1.0)
