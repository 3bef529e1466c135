"""`tools/interpolate.py`: which ways it goes, and what it says of them."""

import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.generation.piece import Piece
from aurl_jax.models.latent import Latents
from aurl_jax.music.notes import Notes


@pytest.fixture(scope='module')
def tool(load_tool):
  return load_tool('interpolate')


class Space(LatentSpace):
  """Writes as many notes as its latent says, and encodes by their number."""

  def __init__(self):
    pass

  def encode(self, pieces):
    told = np.array([[[float(len(ids))]] for ids in pieces])
    return Latents(slots=told, piece=np.zeros((len(pieces), 0)))

  def decode(self, latents):
    counts = np.round(latents.slots[:, 0, 0]).astype(int)
    return [
      Piece(
        notes=Notes.build(
          1, {'onset': np.arange(count), 'duration': 1, 'pitch': 60}
        ),
        ids=np.arange(2 * count).reshape(count, 2),
        seed=0,
        ended=True,
        grammatical=True,
      )
      for count in counts.tolist()
    ]


def test_even_ways_are_told_to_be_even(tool):
  pieces = [np.zeros((length, 2), int) for length in (4, 12, 20, 4)]
  found = tool.report(Space(), pieces, 4)
  assert (found['pairs'], found['steps']) == (2, 4)
  # From 4 to 12 by twos, from 20 to 4 by fours.
  even = {'step': 3.0, 'jump': 1.0, 'worst': 1.0, 'within': 1.0}
  assert found['slerp/tokens'] == found['slerp/notes'] == even
  assert set(found['mixing/notes']) == set(even)


def test_figures_over_ways(tool):
  found = tool.figures([[1, 1, 1], [2, 2, 8], [1, 1, 5]])
  assert found == {
    'step': round(4 / 3, 3),
    'jump': 4.0,
    'worst': 5.0,
    'within': round(1 / 3, 4),
  }


def test_what_is_no_way_is_refused(tool, tmp_path, capsys):
  with pytest.raises(ConfigError, match='1 pieces and 4 steps'):
    tool.report(Space(), [np.zeros((4, 2), int)], 4)
  assert tool.main([str(tmp_path)]) != 0
  assert str(tmp_path) in capsys.readouterr().err
