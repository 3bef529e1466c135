"""Every mode trains two steps on every tokenization."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.models import Model, ModelConfig
from aurl_jax.models.config import LatentConfig
from aurl_jax.models.critic import CriticConfig
from aurl_jax.tokens import bpe
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.performance import Performance
from aurl_jax.tokens.places import Places
from aurl_jax.tokens.remi import Remi
from aurl_jax.training import optimizer as optimizer_lib
from aurl_jax.training import state as state_lib
from aurl_jax.training import steps as steps_lib
from aurl_jax.training.elbo import ElboConfig
from aurl_jax.training.gan import Gan, GanConfig
from aurl_jax.training.options import StepConfig
from tests.tokens import pieces

STEPS = 48
SIZES = {'width': 16, 'layers': 1, 'heads': 2, 'head_width': 8}
LATENT = LatentConfig(slot=4, piece=3, slots=16, layers=1, drop=0.2)


def merged():
  base = Performance(velocity_bins=4)
  corpus = [base.encode(pieces.chorale(seed)) for seed in range(6)]
  return bpe.train(base, corpus, merges=12, longest=4)


TOKENIZERS = {
  'compound': Compound,
  'expressive': lambda: Compound(micro=8, pedal=True),
  'remi': Remi,
  'performance': Performance,
  'grid': VoiceGrid,
  'bpe': merged,
}


def batch(tokenizer):
  """Two beginnings of pieces, the second one padded."""
  ids = np.zeros((2, STEPS, len(tokenizer.codec.fields)), np.int32)
  segments = np.zeros((2, STEPS), np.int32)
  for row, length in enumerate((STEPS, STEPS - 7)):
    found = tokenizer.encode(pieces.chorale(row, bars=8))[:length]
    ids[row, : len(found)], segments[row, : len(found)] = found, 1
  return {
    'ids': jnp.asarray(ids),
    'segments': jnp.asarray(segments),
    'positions': jnp.broadcast_to(jnp.arange(STEPS), (2, STEPS)),
  }


def built(name, mode):
  if name == 'bpe':
    pytest.importorskip('tokenizers')
  tokenizer = TOKENIZERS[name]()
  latent = LatentConfig() if mode == 'transformer' else LATENT
  config = ModelConfig(mode=mode, latent=latent, context=STEPS, **SIZES)
  model = Model.build(config, tokenizer.codec.sizes, Places.of(tokenizer))
  return tokenizer, model


def trained(tokenizer, model, options, begun=lambda state: state):
  """The state after two steps, and parts of that before it, as numpy."""
  optimizer, schedule = optimizer_lib.build(
    optimizer_lib.OptimizerConfig(warmup_steps=1, learning_rate=0.01), 10
  )
  step = steps_lib.make_train_step(model, optimizer, schedule, options)
  state = begun(state_lib.create(model, optimizer, seed=0, options=options))
  before = jax.tree.map(np.asarray, {k: state[k] for k in PARTS if k in state})
  rows, told = batch(tokenizer), []
  for _ in range(2):
    state, metrics = step(state, rows)
    assert not metrics['skipped']
    told.append(jax.tree.map(np.asarray, metrics))
  return state, before, told


PARTS = ('params', 'gan')


def still(before, after):
  """Paths of what has not changed, or is not finite."""
  changed = jax.tree.map(
    lambda x, y: bool(np.isfinite(y).all() and (x != y).any()), before, after
  )
  return [
    jax.tree_util.keystr(path)
    for path, moved in jax.tree_util.tree_leaves_with_path(changed)
    if not moved
  ]


@pytest.mark.parametrize('name', TOKENIZERS)
@pytest.mark.parametrize('mode', ['transformer', 'vae'])
def test_two_steps_change_all_and_stay_finite(name, mode):
  tokenizer, model = built(name, mode)
  options = StepConfig(elbo=ElboConfig(beta=0.2, free_bits=0.05))
  state, before, told = trained(tokenizer, model, options)
  assert told[1]['nats'].sum() < told[0]['nats'].sum()
  assert still(before['params'], state['params']) == []


OFTEN = ('compound',)
"""What a critic is tried on always; the others are slow to compile."""


@pytest.mark.parametrize(
  'name',
  [
    pytest.param(name, marks=[] if name in OFTEN else pytest.mark.slow)
    for name in TOKENIZERS
  ],
)
def test_two_steps_with_a_critic_change_all_and_stay_finite(name):
  tokenizer, model = built(name, 'vae_gan')
  config = GanConfig(
    critic=CriticConfig(width=8, layers=1),
    steps=1,
    ramp=1,
    warmup=1,
    penalty_every=2,
    latents=0.1,
  )
  options = StepConfig(
    elbo=ElboConfig(beta=0.2, free_bits=0.05),
    gan=Gan.build(config, model, tokenizer),
  )
  # As an open gate would leave it.
  ajar = lambda state: state | {'gan': state['gan'] | {'open': jnp.ones(())}}  # noqa: E731
  state, before, told = trained(tokenizer, model, options, ajar)
  assert still(before['params'], state['params']) == []
  assert still(before['gan'], state['gan']) == ["['open']"]
  weight, teaching, ratio, matched = (
    told[1][f'ratio/gan/{name}']
    for name in ('weight', 'on', 'gradient_ratio', 'latents/weight')
  )
  np.testing.assert_allclose(weight, [0.5, 1])
  np.testing.assert_allclose(teaching, [1, 1])
  np.testing.assert_allclose(matched, [0.1, 1])
  assert ratio[0] > 0
  assert int(state['gan']['on']) == 2
