import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.tokens.options import EventOptions


def test_the_grid_takes_the_options():
  grid = EventOptions(cells_per_beat=6, velocity_bins=8, chords=True).grid
  assert (grid.cells_per_beat, grid.velocity_bins, grid.chords) == (6, 8, True)
  assert grid.program is None


@pytest.mark.parametrize('bins', [0, 3, 256])
def test_bins_divide_the_velocities(bins):
  with pytest.raises(ConfigError, match=f'velocity_bins {bins}'):
    EventOptions(velocity_bins=bins)
