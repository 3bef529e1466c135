"""The one-shot decoder: what it reads, and what a model gives of it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.models import oneshot
from aurl_jax.models.config import LatentConfig
from aurl_jax.models.latent import Latents
from aurl_jax.tokens import sounds
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.remi import Remi
from tests.generation import writers
from tests.tokens import pieces

LATENT = LatentConfig(slot=3, piece=2, slots=8, beats=2, oneshot=1)
CELLS = 8 * 2 * 4
NAMES = ('onset', 'sustain', 'velocity')


@pytest.fixture(scope='module')
def made():
  """A model, its parameters, and its frames as a function of latents."""
  tokenizer = Compound(cells_per_beat=4)
  model, params = writers.small(
    tokenizer, mode='vae', latent=LATENT, dropout=0.0
  )
  run = jax.jit(model.frames)
  return model, params, lambda latents: run(params, latents)


def latents(seed=0, rows=2):
  rng = np.random.default_rng(seed)
  draw = lambda *shape: rng.normal(size=(rows, *shape)).astype(np.float32)  # noqa: E731
  return Latents(slots=draw(8, 3), piece=draw(2))


def test_names_are_those_of_the_rolls():
  assert oneshot.ROLLS == sounds.ROLLS
  assert oneshot.PITCHES == sounds.PITCHES


def test_all_cells_are_told_at_once_and_few_begin_before_training(made):
  found = made[2](latents())
  assert tuple(found) == NAMES
  for logits in found.values():
    assert logits.shape == (2, CELLS, 128)
    assert logits.dtype == jnp.float32
  middle = {name: float(logits.mean()) for name, logits in found.items()}
  assert middle['onset'] < middle['sustain'] < middle['velocity']


def test_a_cell_depends_on_all_slots_and_the_piece_of_its_row(made):
  told, run = latents(), made[2]
  before = run(told)['onset']
  slots = told.slots.copy()
  slots[0, 7] += 1
  after = run(dataclasses.replace(told, slots=slots))['onset']
  # Also what was before it, and most where it stands.
  moved = np.abs(after - before)[0].max(-1).reshape(8, 8).max(-1)
  assert moved.min() > 0
  assert moved.argmax() == 7
  np.testing.assert_array_equal(after[1], before[1])
  piece = told.piece + np.array([[1.0, 0.0], [0.0, 0.0]], np.float32)
  after = run(dataclasses.replace(told, piece=piece))['onset']
  assert np.abs(after - before)[0].max(-1).min() > 0
  np.testing.assert_array_equal(after[1], before[1])


def test_a_model_gives_its_frames_and_the_music_s(made):
  model, params, run = made
  tokenizer = Compound(cells_per_beat=4)
  rows = [tokenizer.encode(pieces.chorale(seed, bars=2)) for seed in (0, 1)]
  ids = np.zeros((2, 256, rows[0].shape[1]), np.int32)
  segments = np.zeros((2, 256), np.int32)
  for at, row in enumerate(rows):
    ids[at, : len(row)], segments[at, : len(row)] = row, 1
  index = np.broadcast_to(np.arange(256), (2, 256))
  aux = jax.jit(model.apply)(params, ids, segments, index, ids).aux
  mean = jax.jit(model.posterior)(params, ids, segments).mean
  for name, logits in run(mean).items():
    np.testing.assert_allclose(aux[f'frames/{name}'], logits, atol=1e-4)
  # Two bars of 4/4 are four of the eight slots of two beats.
  cells = np.tile(np.arange(CELLS) < 32, (2, 1))
  np.testing.assert_array_equal(aux['roll/cells'], cells)
  for row, notes in enumerate(map(tokenizer.decode, rows)):
    begins = np.argwhere(np.asarray(aux['roll/onset'][row]))
    cell = notes.onset * 4 // notes.ticks_per_beat
    where = {(int(c), int(p)) for c, p in zip(cell, notes.pitch, strict=True)}
    assert {(int(c), int(p)) for c, p in begins} == where


def test_its_loss_moves_the_latents_too(made):
  model, params, _ = made

  def loss(told):
    return model.frames(params, told)['sustain'].mean()

  slopes = jax.jit(jax.grad(loss))(latents())
  assert np.abs(slopes.slots).min(-1).min() > 0
  assert np.abs(slopes.piece).min() > 0


def test_what_has_none_is_told():
  plain = dataclasses.replace(LATENT, oneshot=0)
  model, params = writers.small(Compound(), mode='vae', latent=plain)
  assert 'oneshot' not in params
  with pytest.raises(ConfigError, match=r'no one-shot.*model\.latent\.oneshot'):
    model.frames(params, latents())
  with pytest.raises(ConfigError, match=r'latent\.oneshot: this tokenizer'):
    writers.small(Remi(), mode='vae', latent=LATENT)
  with pytest.raises(ConfigError, match=r'latent\.oneshot: must be 0'):
    dataclasses.replace(LATENT, oneshot=-1)
