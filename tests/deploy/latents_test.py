"""Into the latent space and out of it, and the way between two points."""

import dataclasses

import jax
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.generation.errors import RequestError
from aurl_jax.models.config import LatentConfig
from aurl_jax.tokens.grid import VoiceGrid
from tests.generation import writers
from tests.tokens import pieces

LATENT = LatentConfig(slot=4, piece=2, slots=8)


@pytest.fixture(scope='module')
def space():
  model, params = writers.model_of('grid', mode='vae', latent=LATENT)
  return LatentSpace(
    Composer(model=model, params=params, tokenizer=VoiceGrid())
  )


@pytest.fixture(scope='module')
def music():
  return [pieces.chorale(seed, bars=2) for seed in range(3)]


def test_a_piece_s_latents_do_not_depend_on_the_others(space, music):
  whole = space.posterior(music)
  assert whole.mean.slots.shape == (3, 8, 4)
  assert whole.mean.piece.shape == (3, 2)
  alone = space.posterior([music[1]])
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x[1:2], y, atol=1e-5), whole, alone
  )
  ids = [VoiceGrid().encode(piece) for piece in music]
  jax.tree.map(np.testing.assert_array_equal, whole, space.posterior(ids))
  mean = space.encode(music)
  jax.tree.map(np.testing.assert_array_equal, mean, whole.mean)


def test_latents_become_pieces_again_and_again(space, music):
  told = space.encode(music)
  told = jax.tree.map(lambda x: 50 * x, told)
  once, again = (space.decode(told, steps=40) for _ in range(2))
  assert [p.ids.tolist() for p in once] == [p.ids.tolist() for p in again]
  assert all(piece.grammatical and piece.ended for piece in once)
  assert len({piece.ids.tobytes() for piece in once}) == 3
  drawn = space.decode(told, steps=40, temperature=1.0, seed=4)
  assert [p.ids.tolist() for p in drawn] != [p.ids.tolist() for p in once]


def test_the_plain_prior(space):
  drawn = space.standard(500, seed=1)
  assert drawn.slots.shape == (500, 8, 4)
  assert abs(drawn.slots.mean()) < 0.02
  assert abs(drawn.slots.std() - 1) < 0.02
  np.testing.assert_array_equal(drawn.piece, space.standard(500, seed=1).piece)


def test_what_cannot_be_is_refused(space, music):
  with pytest.raises(RequestError, match='no pieces'):
    space.encode([])
  long = pieces.chorale(0, bars=9)
  with pytest.raises(RequestError, match=r'piece 1 has 146 steps.*slice_bars'):
    space.encode([music[0], long])
  model, params = writers.model_of('grid')
  with pytest.raises(ConfigError, match=r"'transformer' has no latents"):
    LatentSpace(Composer(model=model, params=params, tokenizer=VoiceGrid()))


def test_a_one_shot_decoder_writes_all_at_once(music):
  latent = dataclasses.replace(LATENT, oneshot=1)
  model, params = writers.model_of('grid', mode='vae', latent=latent)
  composer = Composer(model=model, params=params, tokenizer=VoiceGrid())
  space = LatentSpace(composer)
  told = space.standard(67, seed=2)
  logits = jax.tree.map(np.asarray, jax.jit(model.frames)(params, told))
  # As many notes as there may be: half of all that could begin.
  onset = float(np.median(1 / (1 + np.exp(-logits['onset']))))
  found = space.decode(told, seed=7, one_shot=True, thresholds=(onset, 0.5))
  assert [piece.seed for piece in found] == list(range(7, 74))
  for row, piece in enumerate(found):
    begins = 1 / (1 + np.exp(-logits['onset'][row])) > onset
    assert len(piece.notes) == begins.sum()
    assert piece.ids.shape == (0, 4)
  assert len({piece.midi() for piece in found}) == 67
  with pytest.raises(RequestError, match='no probability'):
    space.decode(told, one_shot=True, thresholds=(0.0, 0.5))


def test_without_a_one_shot_decoder_nothing_is_written_at_once(space):
  with pytest.raises(ConfigError, match='no one-shot decoder'):
    space.decode(space.standard(1), one_shot=True)
