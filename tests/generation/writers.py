"""Small models that write, and plain loops that they are compared with."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from aurl_jax.generation.piece import Piece
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.functional import Model
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.places import Places
from aurl_jax.tokens.remi import Remi

TOKENIZERS = {
  'remi': Remi(voices=2),
  'compound': Compound(voices=2),
  'grid': VoiceGrid(),
}


@functools.cache
def model_of(name, **changes):
  """An untrained model of a tokenization, and its parameters."""
  config = ModelConfig(
    width=16, layers=2, heads=2, context=128, head_width=8, **changes
  )
  return _model(config, TOKENIZERS[name])


def small(tokenizer, **changes):
  """An untrained model of any tokenizer, and its parameters."""
  config = ModelConfig(
    width=16, layers=1, heads=2, context=256, head_width=8, **changes
  )
  return _model(config, tokenizer)


def _model(config, tokenizer):
  model = Model.build(config, tokenizer.codec.sizes, Places.of(tokenizer))
  params = model.init(jax.random.key(0))
  # Larger than an initial scale, so that the ids depend on what came before.
  return model, jax.tree.map(lambda x: 4 * x if x.ndim > 1 else x, params)


def greedy(model, params, grammar, prompt, steps):
  """Takes the likeliest legal id, each step by a forward over everything."""
  fields = len(model.vocabulary)
  advance = jax.jit(grammar.advance)
  allowed = jax.jit(
    lambda state, step: [grammar.mask(state, f, step) for f in range(fields)]
  )
  logits = jax.jit(functools.partial(_logits, model, params))
  state = grammar.init(steps)
  for step in prompt:
    state = advance(state, jnp.asarray(step))
  ids = np.zeros((steps, fields), np.int32)
  ids[: len(prompt)] = prompt
  length = len(prompt)
  while grammar.distance(state) > 0:
    step = np.zeros(fields, np.int32)
    for field in range(fields):
      scores = logits(ids, length, step)[field]
      mask = allowed(state, step)[field]
      step[field] = np.where(mask, scores, -np.inf).argmax()
    ids[length] = step
    length += 1
    state = advance(state, step)
  return ids[:length]


def _logits(model, params, ids, length, step):
  """Logits of all fields of the step at `length`, given its earlier ones."""
  index = jnp.arange(len(ids))
  segments = (index < length).astype(jnp.int32)
  targets = jax.lax.dynamic_update_slice(ids, step[None], (length, 0))
  targets = jnp.roll(targets, -1, 0)
  inputs = (ids, segments, index, targets)
  out = model.apply(params, *(x[None] for x in inputs))
  return [field[0, length - 1] for field in out.logits]


def piece(seed=0):
  """A made-up piece of 16 notes in two tracks."""
  rng = np.random.default_rng(seed)
  notes = Notes.build(
    4,
    {
      'onset': np.arange(16),
      'duration': 4,
      'pitch': rng.integers(50, 80, 16),
      'velocity': rng.integers(40, 120, 16),
      'track': np.arange(16) % 2,
    },
  )
  return Piece(
    notes=notes,
    ids=np.ones((18, 1), np.int32),
    seed=seed,
    ended=True,
    grammatical=True,
  )
