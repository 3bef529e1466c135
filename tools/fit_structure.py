"""Fits the network of phrase boundaries and writes it beside the code.

  python tools/fit_structure.py [--epochs 100] [--held 0]

Reads POP909's training songs of the shared data (AURL_DATA) and nothing else;
see `tools/phrases.py`. With `--held 100` the last 100 of them are held out,
nothing is written, and the mean F1 of exact bars against both annotators is
told for several thresholds: that is how settings were chosen.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import phrases

from aurl_jax.studies.structure import boundaries, evidence, views

_ONE, _TWO = 16, 12
_DROP, _DECAY, _RATE, _BATCH = 0.3, 0.01, 3e-3, 32
Row = tuple[np.ndarray, np.ndarray]
"""Facts [m, f] and, of each annotator, where phrases begin, [2, m]."""


def main() -> int:
  """Writes the file, or tells figures; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--epochs', type=int, default=100)
  parser.add_argument('--held', type=int, default=0)
  parser.add_argument('--seed', type=int, default=0)
  args = parser.parse_args()
  rows = [row(song) for song in phrases.songs('train')]
  train, held = rows[: len(rows) - args.held], rows[len(rows) - args.held :]
  weights = fit(train, args.epochs, args.seed)
  if held:
    for enough in (0.3, 0.35, 0.4, 0.45, 0.5):
      print(json.dumps({'enough': enough, 'f1': figure(held, weights, enough)}))
    return 0
  text = [f'"{k}": {json.dumps(_short(v))}' for k, v in weights.items()]
  boundaries.PATH.write_text('{\n' + ',\n'.join(text) + '\n}\n')
  return 0


def row(song: phrases.Song) -> Row:
  """Returns facts and targets of a song."""
  facts = evidence.facts(views.see(song.notes, song.edges))
  begins = np.zeros((2, len(facts)))
  for annotator in range(2):
    begins[annotator, song.starts(annotator)] = 1
  return facts, begins


def figure(
  rows: Sequence[Row], weights: dict[str, np.ndarray], enough: float
) -> list[float]:
  """Returns the mean F1 against each annotator."""
  scores = []
  for facts, begins in rows:
    chance = 1 / (1 + np.exp(-boundaries.logits(facts, weights)))
    found = set(boundaries.starts(chance, enough)[1:].tolist())
    truth = [set((1 + np.flatnonzero(b[1:])).tolist()) for b in begins]
    scores.append(
      [2 * len(found & t) / max(len(found) + len(t), 1) for t in truth]
    )
  return [round(float(value), 4) for value in np.mean(scores, axis=0)]


def fit(rows: Sequence[Row], epochs: int, seed: int) -> dict[str, np.ndarray]:
  """Returns the weights of `boundaries.logits`, by AdamW with dropout."""
  every = np.concatenate([facts for facts, _ in rows])
  mean, spread = every.mean(axis=0), every.std(axis=0) + 1e-3
  x, y, mask = _padded(rows, mean, spread)
  steps = epochs * len(rows) // _BATCH
  rate = optax.cosine_decay_schedule(_RATE, steps)
  optimizer = optax.adamw(rate, weight_decay=_DECAY)
  weights = _initial(_key(seed), x.shape[-1])
  state = optimizer.init(weights)

  @jax.jit
  def step(weights: Any, state: Any, batch: Any, key: Any) -> Any:
    slope = jax.grad(_loss)(weights, *batch, key)
    updates, state = optimizer.update(slope, state, weights)
    return optax.apply_updates(weights, updates), state

  random = np.random.default_rng(seed)
  for number in range(steps):
    at = random.integers(0, len(rows), _BATCH)
    key = _key(number + (seed << 20))
    weights, state = step(weights, state, (x[at], y[at], mask[at]), key)
  found = {name: np.asarray(value) for name, value in weights.items()}
  return {'mean': mean, 'spread': spread, **found}


def _key(seed: int) -> jax.Array:
  """Returns a key of the generator that is fast on a CPU."""
  return jax.random.key(seed, impl='rbg')


def _padded(
  rows: Sequence[Row], mean: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns scaled facts, shares of annotators and which lines count."""
  length = max(len(facts) for facts, _ in rows)
  x = np.zeros((len(rows), length, len(mean)), np.float32)
  y, mask = np.zeros(x.shape[:2], np.float32), np.zeros(x.shape[:2], np.float32)
  for place, (facts, begins) in enumerate(rows):
    scaled = np.clip((facts - mean) / spread, -boundaries.CLIP, boundaries.CLIP)
    x[place, : len(facts)] = scaled
    y[place, : len(facts)] = begins.mean(axis=0)
    mask[place, 1 : len(facts)] = 1
  return x, y, mask


def _initial(key: jax.Array, facts: int) -> dict[str, jax.Array]:
  """Returns random weights."""
  one, two, three = jax.random.split(key, 3)
  wide = _ONE * len(boundaries.AROUND)
  return {
    'one': jax.random.normal(one, (facts, _ONE)) / facts**0.5,
    'one_bias': jnp.zeros(_ONE),
    'two': jax.random.normal(two, (wide, _TWO)) / wide**0.5,
    'two_bias': jnp.zeros(_TWO),
    'three': jax.random.normal(three, (_TWO,)) / _TWO**0.5,
    'three_bias': jnp.zeros(1),
  }


def _loss(
  weights: Any, x: jax.Array, y: jax.Array, mask: jax.Array, key: jax.Array
) -> jax.Array:
  """Returns the mean cross-entropy, `boundaries.logits` with dropout."""
  keys = jax.random.split(key)
  hidden = _dropped(x, keys[0]) @ weights['one'] + weights['one_bias']
  edge, length = boundaries.AROUND[-1], x.shape[1]
  padded = jnp.pad(jnp.tanh(hidden), ((0, 0), (edge, edge), (0, 0)))
  near = [padded[:, edge + k : edge + k + length] for k in boundaries.AROUND]
  wide = _dropped(jnp.concatenate(near, -1), keys[1]) @ weights['two']
  logits = jnp.tanh(wide + weights['two_bias']) @ weights['three']
  logits += weights['three_bias'][0]
  lost = optax.sigmoid_binary_cross_entropy(logits, y)
  return (lost * mask).sum() / mask.sum()


def _dropped(x: jax.Array, key: jax.Array) -> jax.Array:
  return x * jax.random.bernoulli(key, 1 - _DROP, x.shape) / (1 - _DROP)


def _short(values: np.ndarray) -> Any:
  """Returns lists of numbers of four digits."""
  flat = [float(f'{value:.4g}') for value in values.ravel()]
  return np.array(flat).reshape(values.shape).tolist()


if __name__ == '__main__':
  sys.exit(main())
