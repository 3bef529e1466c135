"""Ways between latents whose music goes evenly."""

import numpy as np

from aurl_jax.deploy import ways
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.generation.piece import Piece
from aurl_jax.models.latent import Latents
from aurl_jax.music.notes import Notes


class Sudden(LatentSpace):
  """Writes as many steps as a bent latent says: little, and then much."""

  def __init__(self):
    pass

  def decode(self, latents):
    told = latents.slots[:, 0, 0]
    # From 4 to 20: the first three quarters give 2 steps, the last 14.
    bent = np.where(told < 16, 4 + (told - 4) / 6, 6 + (told - 16) * 3.5)
    return [
      Piece(
        notes=Notes.build(1),
        ids=np.arange(2 * n).reshape(n, 2),
        seed=0,
        ended=True,
        grammatical=True,
      )
      for n in bent.round().astype(int).tolist()
    ]


def told(*lengths):
  slots = np.array(lengths, float)[:, None, None]
  return Latents(slots=slots, piece=np.zeros((len(lengths), 0)))


def counts(found):
  return [[len(piece.ids) for piece in way] for way in found]


def test_points_are_written_in_their_order():
  shares = np.array([0.0, 0.75, 1.0])
  found = ways.written(Sudden(), told(4, 20), told(20, 4), shares)
  assert counts(found) == [[4, 6, 20], [20, 5, 4]]


def test_points_are_moved_until_steps_are_even():
  shares = np.linspace(0, 1, 5)
  ends = told(4, 20), told(20, 4)
  before = counts(ways.written(Sudden(), *ends, shares))
  after = counts(ways.written(Sudden(), *ends, shares, even=3))
  for one, other in zip(before, after, strict=True):
    assert (one[0], one[-1]) == (other[0], other[-1])
    steps = [np.abs(np.diff(way)) for way in (one, other)]
    assert steps[0].max() > 3 * np.median(steps[0])
    assert steps[1].max() < 2 * np.median(steps[1])
