import fractions
import math

import numpy as np
import pytest

from aurl_jax.music.grid import Grid


@pytest.mark.parametrize('bins', [1, 2, 32, 128])
def test_each_velocity_bin_holds_its_own_value(bins):
  grid = Grid(velocity_bins=bins)
  width = 128 // bins
  assert len(grid.velocities) == bins
  for index, velocity in enumerate(grid.velocities.tolist()):
    assert 1 <= velocity <= 127
    assert velocity // width in (index, max(index, 1))


@pytest.mark.parametrize('cells', [1, 3, 4, 12, 24])
def test_durations_ascend_to_64_beats(cells):
  durations = Grid(cells_per_beat=cells).durations
  assert durations[0] == 1
  assert durations[-1] == 64 * cells
  assert (np.diff(durations) > 0).all()
  assert set(range(1, 4 * cells + 1)) <= set(durations.tolist())


def test_tempo_edges_lie_between_their_bins():
  grid = Grid()
  tempos = grid.tempos[::-1].tolist()
  for low, high, edge in zip(
    tempos[:-1], tempos[1:], grid.tempo_edges.tolist(), strict=True
  ):
    middle = math.sqrt(low * high)
    assert edge - 1 < middle <= edge


def test_tempos_reach_from_15_to_480_bpm():
  tempos = Grid().tempos
  assert [tempos[0], tempos[-1]] == [4_000_000, 125_000]
  assert 500_000 in tempos


def test_meters_have_bars_of_whole_cells():
  grid = Grid(cells_per_beat=4, bar_beats=8)
  for numerator, denominator in grid.meters:
    bar = fractions.Fraction(16 * numerator, denominator)
    assert bar.denominator == 1
    assert bar <= grid.bar_cells
    assert grid.meter_cells(numerator, denominator) == bar


@pytest.mark.parametrize(
  ('meter', 'nearest'),
  [((6, 8), (6, 8)), ((26, 4), (2, 4)), ((3, 64), (4, 4)), ((13, 4), (1, 4))],
)
def test_the_nearest_meter_tiles_the_bar(meter, nearest):
  assert Grid().nearest_meter(*meter) == nearest


def test_the_nearest_meter_is_one_of_the_meters_on_small_grids():
  grid = Grid(cells_per_beat=4, bar_beats=3)
  assert grid.nearest_meter(4, 4) == (2, 4)
  assert grid.nearest_meter(3, 64) == (2, 4)


def test_bins_must_divide_velocities():
  with pytest.raises(ValueError, match='divide 128'):
    Grid(velocity_bins=30)
