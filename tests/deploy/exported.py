"""Small bundles that are exported, and music that they read."""

import jax
import numpy as np

from aurl_jax.deploy import bundle, quantise
from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.dials import Dials
from aurl_jax.deploy.packing import Packing
from aurl_jax.models.config import LatentConfig, ModelConfig
from aurl_jax.models.functional import Model
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.places import Places

GRID = VoiceGrid()
COMPOUND = Compound(voices=2, controls=True)
CASES = {
  'plain': (COMPOUND, {'positions': 'none', 'mlp': 'swiglu'}),
  'grid': (GRID, {'metrical': 32, 'shared_pitch': True}),
  'lead': (
    COMPOUND,
    {'lead': 4, 'kv_heads': 2, 'positions': 'barwise', 'shared_pitch': True},
  ),
  'window': (COMPOUND, {'pattern': 'window', 'window': 5}),
  'dials': (
    COMPOUND,
    {
      'mode': 'vae',
      'metrical': 12,
      'latent': LatentConfig(
        slot=12,
        slots=5,
        reach=3,
        dials='density,polyphony,register,syncopation',
      ),
    },
  ),
  'piece': (
    GRID,
    {
      'mode': 'vae',
      'kv_heads': 2,
      'latent': LatentConfig(slot=6, beats=2, slots=4, piece=5, layers=1),
    },
  ),
}
DIALS = Dials(
  {'density': 1.5, 'polyphony': 0.8, 'register': 4.0, 'syncopation': 1.1},
  holds={'density': {'polyphony': -0.5}},
)


def composer(name):
  tokenizer, changes = CASES[name]
  config = ModelConfig(
    width=32, layers=2, heads=4, context=64, head_width=16, **changes
  )
  model = Model.build(config, tokenizer.codec.sizes, Places.of(tokenizer))
  params = model.init(jax.random.key(0))
  # Larger, so that what is predicted depends on all that came before.
  params = jax.tree.map(lambda x: 5 * x if x.ndim > 1 else x, params)
  dials = DIALS if config.latent.dials else None
  return Composer(model=model, params=params, tokenizer=tokenizer, dials=dials)


def save(folder, name, packing=None, rounds=False):
  """Writes a bundle; with rounds the inputs of products are rounded, too."""
  found = composer(name)
  if packing is not None:
    music = list(rows(name)) if rounds else ()
    found = quantise.quantised(found, packing, music)
  return bundle.save(folder, found, packing=packing)


def rows(name, count=3, steps=12):
  """Legal beginnings, drawn by chance."""
  tokenizer, _ = CASES[name]
  grammar, fields = tokenizer.grammar, len(tokenizer.codec.fields)
  masks = jax.jit(
    lambda state, step: [grammar.mask(state, f, step) for f in range(fields)]
  )
  advance = jax.jit(grammar.advance)
  rng, found = np.random.default_rng(3), []
  for _ in range(count):
    state, ids = grammar.init(100), []
    for _ in range(steps + 1):
      step = np.zeros(fields, np.int32)
      for field in range(fields):
        may = np.flatnonzero(masks(state, step)[field])
        step[field] = rng.choice(may[len(may) // 3 :])
      state = advance(state, step)
      ids.append(step)
    found.append(np.stack(ids))
  return np.stack(found)


EIGHT, FOUR = Packing(bits=8), Packing(bits=4, group=16)
