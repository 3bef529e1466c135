"""`tools/reconstruct.py`: which pieces it takes, and what it compares."""

import types

import numpy as np
import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.models.config import LatentConfig
from aurl_jax.tokens.grid import VoiceGrid
from tests.generation import writers
from tests.tokens import pieces


@pytest.fixture(scope='module')
def tool(load_tool):
  return load_tool('reconstruct')


def test_pieces_that_fit_are_taken_in_an_order_of_the_seed(tool):
  lengths = [5, 9, 3, 4, 12, 2]
  offsets = np.concatenate([[0], np.cumsum(lengths)])
  ids = np.arange(offsets[-1])[:, None]
  split = types.SimpleNamespace(offsets=offsets, ids=ids)
  every = tool.chosen(split, 0, 1, 5)
  assert sorted(len(piece) for piece in every) == [2, 3, 4, 5]
  some = tool.chosen(split, 2, 1, 5)
  for one, other in zip(some, every, strict=False):
    np.testing.assert_array_equal(one, other)
  assert len(some) == 2


def test_own_latents_and_those_of_another_are_compared(tool):
  latent = LatentConfig(slot=4, piece=2, slots=8)
  model, params = writers.model_of('grid', mode='vae', latent=latent)
  space = LatentSpace(
    Composer(model=model, params=params, tokenizer=VoiceGrid())
  )
  music = [VoiceGrid().encode(pieces.chorale(s, bars=2)) for s in range(3)]
  found = tool.report(space, music)
  assert found['pieces'] == 3
  shares = []
  for piece, wanted in zip(
    space.decode(space.encode(music)), music, strict=True
  ):
    right = 0
    for at in range(1, min(len(piece.ids), len(wanted))):
      right += int((piece.ids[at] == wanted[at]).sum())
    shares.append(right / wanted[1:].size)
  assert found['own/ids'] == pytest.approx(np.mean(shares), abs=1e-3)
  assert 0 <= found['other/notes'] <= 1


def test_a_folder_without_a_run_is_an_error(assert_wants_a_run):
  assert_wants_a_run('reconstruct')
