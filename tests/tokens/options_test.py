import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.remi import Remi


@pytest.mark.parametrize('tokenizer', [Remi, Compound])
def test_the_grid_takes_the_options(tokenizer):
  grid = tokenizer(cells_per_beat=6, velocity_bins=8, chords=True).grid
  assert (grid.cells_per_beat, grid.velocity_bins, grid.chords) == (6, 8, True)
  assert grid.program is None


@pytest.mark.parametrize('tokenizer', [Remi, Compound])
@pytest.mark.parametrize('bins', [0, 3, 256])
def test_bins_divide_the_velocities(tokenizer, bins):
  with pytest.raises(ConfigError, match=f'velocity_bins {bins}'):
    tokenizer(velocity_bins=bins)
