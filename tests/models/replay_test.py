"""Replayed rows: the same ids, legal ones, and gradients that are right."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core import random
from aurl_jax.models import Model, ModelConfig
from aurl_jax.models.config import LatentConfig
from aurl_jax.models.latent import Latents
from aurl_jax.models.replay import Replay
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.places import Places
from tests import recogniser

ROWS, STEPS = 4, 16
LATENT = LatentConfig(slot=3, piece=2, slots=4, layers=1)
CASES = {
  'compound': (Compound(cells_per_beat=4), {'lead': 4, 'metrical': 8}),
  'grid': (VoiceGrid(), {}),
}


def replay(name):
  tokenizer, changes = CASES[name]
  config = ModelConfig(
    mode='vae',
    width=16,
    layers=1,
    heads=2,
    head_width=8,
    context=STEPS,
    latent=LATENT,
    **changes,
  )
  model = Model.build(config, tokenizer.codec.sizes, Places.of(tokenizer))
  return Replay(model, tokenizer.grammar, tuple(tokenizer.bos().tolist()))


def sample(made, params, most, seed):
  keys = random.by_row(jax.random.key(seed), ROWS)
  drawn = jax.random.normal(jax.random.key(seed + 1), (ROWS, 4 * 3 + 2))
  latents = Latents(slots=drawn[:, 2:].reshape(ROWS, 4, 3), piece=drawn[:, :2])
  return made.write(params, latents, made.noise(keys, STEPS), most)


@pytest.fixture(
  scope='module',
  params=['compound', pytest.param('grid', marks=pytest.mark.slow)],
)
def written(request):
  made = replay(request.param)
  # Larger than fresh ones, so that states differ from step to step.
  params = jax.tree.map(lambda x: 6 * x, made.model.init(jax.random.key(2)))
  found = jax.jit(lambda most, seed: sample(made, params, most, seed))
  return request.param, made, params, found


def test_the_pass_has_the_sampled_ids_as_its_largest_sums(written):
  _, made, params, found = written
  rows = found(STEPS, 0)
  ids, real = np.asarray(rows.ids), np.asarray(rows.segments) > 0
  targets = np.roll(ids, -1, axis=1)
  targets[:, -1] = 0
  positions = np.broadcast_to(np.arange(STEPS), real.shape)
  logits = jax.jit(made.model.logits)(
    params, ids, rows.segments, positions, targets, None, rows.latents
  )
  assert real.sum() > 2 * ROWS
  for field, told in enumerate(logits):
    noisy = np.where(
      rows.masks[field][:, 1:],
      np.asarray(told)[:, :-1] + np.asarray(rows.noise[field])[:, 1:],
      -np.inf,
    )
    np.testing.assert_array_equal(
      noisy.argmax(-1)[real[:, 1:]], ids[:, 1:, field][real[:, 1:]]
    )


def test_rows_are_legal_and_break_off_where_they_are_told(written):
  name, _, _, found = written
  tokenizer = CASES[name][0]
  whole, cut = found(STEPS, 0), found(6, 0)
  for row in range(ROWS):
    length = int(whole.segments[row].sum())
    ids = np.asarray(whole.ids[row, :length])
    assert recogniser.fault(tokenizer, ids.tolist()) == ''
    assert tokenizer.is_end(ids[-1])
    assert (np.asarray(whole.ids[row, length:]) == 0).all()
  np.testing.assert_array_equal(cut.ids[:, :6], whole.ids[:, :6])
  np.testing.assert_array_equal(cut.ids[:, 6:], 0)


def test_what_is_told_by_latents_is_heard(written):
  _, made, params, found = written
  one = found(STEPS, 0)
  other = Latents(slots=-3 * one.latents.slots, piece=one.latents.piece)
  again = jax.jit(made.write)(params, other, one.noise, STEPS)
  assert (np.asarray(again.ids) != np.asarray(one.ids)).any()


def test_soft_ids_are_hard_and_have_the_gradient_of_the_softmax(written):
  _, made, params, found = written
  rows = found(STEPS, 0)
  weights = [
    jax.random.normal(jax.random.key(f), x.shape)
    for f, x in enumerate(rows.noise)
  ]
  temperature = 1.7

  @jax.jit
  def straight(params):
    soft = made.soft(params, rows, temperature)
    total = sum((w * x).sum() for w, x in zip(weights, soft, strict=True))
    return total, soft

  def by_hand(params):
    """The softmax itself, written out for what follows the first step."""
    ids = rows.ids
    positions = jnp.broadcast_to(jnp.arange(STEPS), ids.shape[:2])
    targets = jnp.roll(ids, -1, axis=1).at[:, -1].set(0)
    logits = made.model.logits(
      params, ids, rows.segments, positions, targets, None, rows.latents
    )
    total = 0.0
    for field, told in enumerate(logits):
      shown = jnp.where(
        rows.masks[field][:, 1:],
        told[:, :-1] + rows.noise[field][:, 1:],
        -1e9,
      )
      counted = (ids[:, 1:, field] > 0)[..., None]
      share = jnp.exp(shown / temperature)
      share = share / share.sum(-1, keepdims=True)
      total = total + (weights[field][:, 1:] * share * counted).sum()
    return total

  slopes, soft = jax.jit(jax.grad(straight, has_aux=True))(params)
  for field, hard in enumerate(soft):
    np.testing.assert_allclose(
      hard, np.eye(hard.shape[-1])[np.asarray(rows.ids[..., field])], atol=1e-6
    )
  wanted = jax.jit(jax.grad(by_hand))(params)
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4),
    slopes,
    wanted,
  )
  assert float(jnp.abs(slopes['embed']['tables']['2']).max()) > 1e-3
