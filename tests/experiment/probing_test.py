"""Probes find what is planted in a layer, from there on and not before."""

import jax
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.deploy.composer import Composer
from aurl_jax.experiment import probing
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.functional import Model
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.places import Places

WIDTH = 16
TOKENIZER = VoiceGrid()
_, _, ROWS = np.linalg.svd(np.random.default_rng(4).normal(size=(WIDTH, WIDTH)))
U, V, R = ROWS[:3] * np.sqrt(WIDTH)


def chorale(seed, cells=96):
  """Four voices at random."""
  rng = np.random.default_rng(seed)
  length = 4
  many = cells // length
  onset = np.tile(np.arange(many) * length, 4)
  low = np.repeat([62, 55, 48, 40], many)
  return Notes.build(
    4,
    {
      'onset': onset,
      'duration': length,
      'pitch': low + rng.integers(0, 12, 4 * many),
      'track': np.repeat(np.arange(4), many),
    },
  )


def planted():
  """A network of three layers; the second one writes whether u and v agree.

  No other layer does anything, and no linear map of what comes before tells.
  """
  config = ModelConfig(
    width=WIDTH, layers=3, heads=2, context=128, head_width=8, hidden=64
  )
  model = Model.build(config, TOKENIZER.codec.sizes, Places.of(TOKENIZER))
  params = jax.tree.map(np.array, model.init(jax.random.key(1)))
  params['embed']['tables'] = {
    field: 20 * table for field, table in params['embed']['tables'].items()
  }
  for name, layer in params['decoder']['layers'].items():
    layer['attention']['out_kernel'][:] = 0
    layer['mlp']['narrow']['kernel'][:] = 0
    if name == '1':
      both = [U + V, -U - V, U - V, V - U]
      layer['mlp']['wide']['kernel'][:, :4] = np.stack(both, axis=1)
      sign = np.array([1, 1, -1, -1])[:, None]
      layer['mlp']['narrow']['kernel'][:4] = sign * R
  return Composer(model=model, params=params, tokenizer=TOKENIZER)


def agrees(params):
  """Returns what tells whether u and v agree in a step's embedding."""

  def told(tokenizer, ids):
    del tokenizer
    tables = params['embed']['tables']
    x = sum(tables[str(f)][ids[:, f]] for f in range(ids.shape[1]))
    x = x / np.sqrt(np.square(x).mean(axis=1, keepdims=True) + 1e-6)
    a, b = x @ U, x @ V
    clear = np.flatnonzero(np.minimum(np.abs(a), np.abs(b)) > 1.0)
    planted = (a * b > 0).astype(np.int64)[clear]
    silent = np.random.default_rng(int(ids.sum())).integers(0, 2, len(clear))
    return clear, {'planted': planted, 'nothing': silent}

  return told


def test_what_is_planted_is_found_where_it_is():
  composer = planted()
  found = probing.compare(
    composer,
    [chorale(seed) for seed in range(20)],
    [chorale(seed) for seed in range(100, 110)],
    steps=96,
    told=agrees(composer.params),
  )
  shares = {
    one.name: ([h.share for h in one.trained], [h.share for h in one.drawn])
    for one in found
  }
  own, drawn = shares['planted']
  assert len(own) == 4
  assert max(own[:2]) < 0.7
  assert min(own[2:]) > 0.95
  assert max(drawn) < 0.7
  assert max(*shares['nothing'][0], *shares['nothing'][1]) < 0.65
  row = next(one for one in found if one.name == 'planted').rows(200)[2]
  assert row['low'] <= row['share'] <= row['high']
  assert row['above_embedding'][0] > 0.2


def test_labels_of_a_piece_that_anyone_can_read():
  """Eight bars: C, G, then the same again, of one chord a bar."""
  rows = []
  for bar in range(8):
    chord = [48, 64, 67] if bar % 2 == 0 else [43, 62, 71]
    rows += [
      (bar * 16 + 4 * beat, pitch) for beat in range(4) for pitch in chord
    ]
  onset, pitch = np.array(sorted(rows)).T
  notes = Notes.build(4, {'onset': onset, 'duration': 4, 'pitch': pitch})
  tokenizer = Compound(cells_per_beat=4)
  ids = tokenizer.encode(notes)
  steps, told = probing.labels(tokenizer, ids)
  assert len(steps) == len(notes)
  order = np.lexsort([pitch, onset])
  at = onset[order]
  assert told['place in bar'].tolist() == (at % 16).tolist()
  bars = at // 16
  assert (told['bar of four'] == bars % 4).all()
  assert told['chord root'].tolist() == np.where(bars % 2, 7, 0).tolist()
  assert set(told['chord kind'].tolist()) == {0}
  assert set(told['key'].tolist()) == {0}
  assert {len(values) for values in told.values()} == {len(steps)}
  assert (told['bar of phrase'][bars == 0] == 0).all()


def test_too_few_pieces():
  with pytest.raises(ConfigError, match='two or more'):
    probing.compare(planted(), [chorale(0)], [chorale(1), chorale(2)])
