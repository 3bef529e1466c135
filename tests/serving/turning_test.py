"""Turned music, of the shipped model with dials."""

import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.deploy import bundle
from aurl_jax.generation.errors import RequestError
from aurl_jax.serving import turning
from tests.serving import scribe, stage


@pytest.fixture(scope='module')
def composer():
  return bundle.load('pop_dials')


def test_what_cannot_be_is_told(composer):
  for dials, toward in (({'density': 5.1}, (0, 0)), ({}, (0.0, -6.0))):
    with pytest.raises(RequestError, match='5 far at most'):
      turning.Turn(dials=dials, toward=toward)
  with pytest.raises(RequestError):
    turning.Turn(dials={'density': float('nan')})
  with pytest.raises(ConfigError, match='no dial'):
    turning.turned(composer, scribe.bars(1), turning.Turn(dials={'x': 1.0}))
  with pytest.raises(ConfigError):
    turning.turned(stage.composer('grid'), stage.TUNE, turning.Turn())


def test_directions_are_at_right_angles_and_dials_stay():
  told = np.zeros((2, 3, 10), np.float32)
  moves = [
    turning._along(told, toward, np.random.default_rng(7), 4)
    for toward in ((1.0, 0.0), (0.0, 1.0), (0.5, -2.0))
  ]
  for move in moves:
    assert not move[..., :4].any()
    # All stretches and slots go the same way.
    np.testing.assert_array_equal(move, np.broadcast_to(move[0, 0], move.shape))
  across, up, both = (move[0, 0, 4:].astype(float) for move in moves)
  assert np.linalg.norm(across) == pytest.approx(np.sqrt(6), rel=1e-6)
  assert across @ up == pytest.approx(0, abs=1e-5)
  np.testing.assert_allclose(both, 0.5 * across - 2 * up, atol=1e-5)


@pytest.mark.slow
def test_a_dial_moves_what_it_is_called_after(composer):
  music = scribe.bars(8)
  counts, registers = {}, {}
  for far in (-2.0, 0.0, 2.0):
    asked = turning.Turn(dials={'density': far})
    counts[far] = len(turning.turned(composer, music, asked).notes)
    asked = turning.Turn(dials={'register': far})
    pitch = turning.turned(composer, music, asked).notes.pitch
    registers[far] = float(pitch.mean())
  assert counts[-2.0] < counts[0.0] < counts[2.0]
  assert registers[-2.0] < registers[0.0] < registers[2.0]


@pytest.mark.slow
def test_the_same_turn_gives_the_same_piece(composer):
  asked = turning.Turn(toward=(0.8, 0.3), seed=3)
  one, other = (
    turning.turned(composer, scribe.bars(2), asked) for _ in range(2)
  )
  assert one.ids.tolist() == other.ids.tolist()
  assert one.grammatical
  asked = turning.Turn(toward=(-0.8, 0.3), seed=3)
  assert turning.turned(composer, scribe.bars(2), asked).ids.tolist() != (
    one.ids.tolist()
  )
