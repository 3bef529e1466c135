"""A one-shot decoder is trained beside the other one, with all its losses."""

import jax
import numpy as np

from aurl_jax.models import Model, ModelConfig
from aurl_jax.models.config import LatentConfig
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.places import Places
from aurl_jax.training import auxiliary, musical, oneshot
from aurl_jax.training import optimizer as optimizer_lib
from aurl_jax.training import state as state_lib
from aurl_jax.training import steps as steps_lib
from aurl_jax.training.balance import BalanceConfig
from aurl_jax.training.options import StepConfig
from tests.tokens import pieces

NAMES = (oneshot.FRAMES, *musical.NAMES)
STEPS = 24


def batch(tokenizer):
  ids = np.zeros((2, STEPS, len(tokenizer.codec.fields)), np.int32)
  segments = np.zeros((2, STEPS), np.int32)
  for row in range(2):
    found = tokenizer.encode(pieces.chorale(row, bars=1))[:STEPS]
    ids[row, : len(found)], segments[row, : len(found)] = found, 1
  positions = np.tile(np.arange(STEPS, dtype=np.int32), (2, 1))
  return {'ids': ids, 'segments': segments, 'positions': positions}


def test_two_steps_change_all_and_lower_the_loss_of_frames():
  tokenizer = Compound(cells_per_beat=4)
  config = ModelConfig(
    mode='vae',
    width=16,
    layers=1,
    heads=2,
    head_width=8,
    context=STEPS,
    dropout=0.0,
    latent=LatentConfig(slot=4, piece=3, slots=4, layers=1, oneshot=1),
  )
  model = Model.build(config, tokenizer.codec.sizes, Places.of(tokenizer))
  optimizer, schedule = optimizer_lib.build(
    optimizer_lib.OptimizerConfig(warmup_steps=1, learning_rate=0.01), 10
  )
  options = StepConfig(
    balance=BalanceConfig(names=NAMES, weights=(0.5,), likelihood=0.5)
  )
  state = state_lib.create(model, optimizer, seed=0, options=options)
  step = steps_lib.make_train_step(
    model,
    optimizer,
    schedule,
    options,
    auxiliary={name: auxiliary.named(name) for name in NAMES},
  )
  before = jax.tree.map(np.asarray, state['params'])
  rows, told = batch(tokenizer), []
  for _ in range(2):
    state, metrics = step(state, rows)
    assert not metrics['skipped']
    told.append(float(metrics['aux/frames']))
    assert all(np.isfinite(float(metrics[f'aux/{name}'])) for name in NAMES)
  assert told[1] < told[0]
  changed = jax.tree.map(
    lambda x, y: bool(np.isfinite(y).all() and (x != y).any()),
    before,
    state['params'],
  )
  still = [
    jax.tree_util.keystr(path)
    for path, moved in jax.tree_util.tree_leaves_with_path(changed)
    if not moved
  ]
  # What stands for a slot without steps is not asked for: all have some.
  assert still == ["['encoder']['blank_embed']"]
