"""Fits the network that finds melodies, and writes it beside the code.

  python tools/fit_melody.py [--epochs 8 24] [--held] [--songs 744]

Reads POP909's training songs of the shared data (AURL_DATA) and nothing else:
its tracks MELODY, BRIDGE and PIANO, merged into one, say what each note is.
Songs are heard as they are, and transposed, faster, slower, louder, softer or
at one loudness. `--held` leaves out every twelfth song and prints the accuracy
on those: choices are made by it, never by the valid split. Prints a line of
JSON an epoch, and what the file measures. Two hours of one core.
"""

import argparse
import json
import os
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from aurl_jax.core import files
from aurl_jax.music import midi
from aurl_jax.studies import groups
from aurl_jax.studies.groups import Played
from aurl_jax.studies.melody import facts, network
from aurl_jax.studies.melody.network import Pass

ROOT = pathlib.Path(__file__).resolve().parent.parent
STEPS = (1, 2, 4, 8, 16, 32, 64, 1)
WIDTHS, NOTES, SONGS, RATES = (48, 56), (2048, 1024), (4, 8), (3e-3, 4e-3)
"""Of each pass: width, notes of a stretch, stretches of a step, step size."""
HEADS = 4
EVERY = 12
Song = tuple[Played, np.ndarray]
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Facts, neighbours and roles of the notes of a song."""


def main() -> int:
  """Writes the file; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--epochs', type=int, nargs=2, default=(8, 24))
  parser.add_argument('--songs', type=int, default=744)
  parser.add_argument('--held', action='store_true')
  parser.add_argument('--out', type=pathlib.Path, default=network.PATH)
  args = parser.parse_args()
  songs = read('train', args.songs)
  held = [s for i, s in enumerate(songs) if i % EVERY == 5 and args.held]
  songs = [s for i, s in enumerate(songs) if i % EVERY != 5 or not args.held]
  rng = np.random.default_rng(0)
  versions = [songs, [varied(song, rng) for song in songs]]
  firsts = [[first_rows(song) for song in each] for each in versions]
  one = fit(0, firsts, args.epochs[0])
  seconds = [[second_rows(song, one) for song in each] for each in versions]
  two = fit(1, seconds, args.epochs[1])
  files.write_atomic(args.out, network.packed((one, two)))
  if held:
    print(json.dumps(accuracy((one, two), held)))
  return 0


def read(split: str, count: int) -> list[Song]:
  """Returns notes and roles of songs, with no trace of their tracks."""
  default = ROOT.parent / 'shared' / 'data'
  folder = pathlib.Path(os.environ.get('AURL_DATA') or default)
  found = sorted((folder / 'pop909' / split).iterdir())
  songs = []
  for place in np.linspace(0, len(found) - 1, min(count, len(found))):
    path = found[round(place)]
    notes = midi.read(path / f'{path.name}.mid').notes
    names = [track.name for track in notes.tracks]
    role = np.array([_ROLE.get(name, -1) for name in names])
    heard = groups.played(notes)
    label = role[notes.track[heard.index]]
    if (label < 0).any():
      raise ValueError(f'{path}: a track is none of {list(_ROLE)}')
    songs.append(merged(heard, label))
  return songs


_ROLE = {'MELODY': 0, 'BRIDGE': 1, 'PIANO': 2}


def merged(heard: Played, label: np.ndarray) -> Song:
  """Returns notes in an order that tells nothing of their tracks."""
  length = heard.end - heard.onset
  order = np.lexsort([heard.velocity, length, heard.pitch, heard.onset])
  names = ('onset', 'end', 'pitch', 'velocity')
  columns = {name: getattr(heard, name)[order] for name in names}
  index = np.arange(len(order))
  return Played(index, **columns, first=heard.first), label[order]


def varied(song: Song, rng: np.random.Generator) -> Song:
  """Returns a song transposed, at another speed and loudness."""
  heard, label = song
  speed = float(np.exp(rng.uniform(-0.2, 0.2)))
  loud = heard.velocity * rng.uniform(0.8, 1.15)
  loud += rng.normal(0, rng.choice([0, 0, 3]), len(loud))
  if rng.random() < 0.2:
    loud[:] = 80
  return Played(
    heard.index,
    heard.onset * speed,
    heard.end * speed,
    np.clip(heard.pitch + rng.integers(-6, 7), 0, 127),
    np.clip(np.round(loud), 1, 127).astype(np.int64),
    heard.first,
  ), label


def first_rows(song: Song) -> Rows:
  """Returns what the first pass hears of a song."""
  found = facts.of(song[0])
  return found.rows, found.near, song[1][found.heard.index]


def second_rows(song: Song, one: Pass) -> Rows:
  """Returns what the second pass hears of a song."""
  found = facts.of(song[0])
  said = one(found.rows, found.near)
  order, again, rows = network.second(found, said)
  return rows, again.near, song[1][found.heard.index[order]]


def fit(number: int, versions: Sequence[Sequence[Rows]], epochs: int) -> Pass:
  """Returns the weights of a pass.

  Args:
    number: Which pass, 0 or 1.
    versions: The songs as they are, and changed.
    epochs: How often each song is heard.
  """
  rng = np.random.default_rng(number)
  every = np.concatenate([rows for rows, _, _ in versions[0]])
  mean, std = every.mean(axis=0), np.maximum(every.std(axis=0), 0.1)
  params = begin(number, every.shape[1])
  many, size = len(versions[0]), SONGS[number]
  total = epochs * (many // size)
  rate = optax.warmup_cosine_decay_schedule(
    0, RATES[number], min(100, total // 10 + 1), total, RATES[number] / 50
  )
  rule = optax.chain(
    optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=1e-2)
  )
  state = rule.init(params)

  @jax.jit
  def step(params: Any, state: Any, batch: Any, key: jax.Array) -> Any:
    value, slope = jax.value_and_grad(loss)(params, batch, key)
    change, state = rule.update(slope, state, params)
    return optax.apply_updates(params, change), state, value

  for epoch in range(epochs):
    order = rng.permutation(many)
    values = []
    for start in range(0, many - size + 1, size):
      chosen = [
        versions[int(rng.random() < 0.4)][place]
        for place in order[start : start + size]
      ]
      batch = stretches(chosen, NOTES[number], (mean, std), rng)
      key = jax.random.key(int(rng.integers(2**31)))
      params, state, value = step(params, state, batch, key)
      values.append(float(value))
    row = {'pass': number, 'epoch': epoch, 'loss': float(np.mean(values))}
    print(json.dumps(row), flush=True)
  arrays = {name: np.asarray(array) for name, array in params.items()}
  return Pass(arrays | {'mean': mean, 'std': std}, STEPS)


def begin(number: int, wide: int) -> dict[str, jax.Array]:
  """Returns the parameters of a pass before it has heard anything."""
  width = WIDTHS[number]
  keys = iter(jax.random.split(jax.random.key(number), 3 * len(STEPS) + 1))

  def drawn(rows: int, columns: int, scale: float = 1.0) -> jax.Array:
    return jax.random.normal(next(keys), (rows, columns)) * scale * rows**-0.5

  params = {'in': drawn(wide, width), 'inb': jnp.zeros(width)}
  for block in range(len(STEPS)):
    params[f'w{block}'] = drawn(5 * width, width)
    params[f'b{block}'] = jnp.zeros(width)
    params[f's{block}'] = jnp.full((), 0.5)
    if number and block % 2:
      params[f'q{block}'] = drawn(width, HEADS)
      params[f'p{block}'] = drawn(HEADS * width, width, 0.5)
  # The first pass has no attention: all notes at once are heard at its end.
  out = jnp.zeros((width if number else 2 * width, len(network.ROLES)))
  return params | {'out': out, 'outb': jnp.zeros(len(network.ROLES))}


def stretches(
  songs: Sequence[Rows],
  notes: int,
  scale: tuple[np.ndarray, np.ndarray],
  rng: np.random.Generator,
) -> tuple[np.ndarray, ...]:
  """Returns facts, neighbours, which are notes, and roles, of one shape."""
  shape = (len(songs), notes)
  rows = np.zeros((*shape, len(scale[0])), np.float32)
  near = np.zeros((*shape, facts.NEIGHBOURS), np.int32)
  mask, label = np.zeros(shape, np.float32), np.zeros(shape, np.int32)
  for place, (own, beside, role) in enumerate(songs):
    first = int(rng.integers(0, max(len(own) - notes, 0) + 1))
    many = min(len(own) - first, notes)
    taken = slice(first, first + many)
    rows[place, :many] = (own[taken] - scale[0]) / scale[1]
    near[place, :many] = np.clip(beside[taken] - first, 0, many - 1)
    mask[place, :many] = 1
    label[place, :many] = role[taken]
  return rows, near, mask, label


def loss(
  params: dict[str, jax.Array], batch: tuple[jax.Array, ...], key: jax.Array
) -> jax.Array:
  """Returns the cross entropy of the notes of a batch."""
  rows, near, mask, label = batch
  odds = apply(params, rows, near, mask, key)
  each = optax.softmax_cross_entropy_with_integer_labels(odds, label)
  return (each * mask).sum() / mask.sum()


def apply(
  params: dict[str, jax.Array],
  rows: jax.Array,
  near: jax.Array,
  mask: jax.Array,
  key: jax.Array,
) -> jax.Array:
  """Returns the odds of roles: `network.Pass` in jax, for a batch.

  One channel in ten of each block is left out.
  """
  there = mask[..., None]
  known = jax.nn.relu(rows @ params['in'] + params['inb']) * there
  for block, away in enumerate(STEPS):
    now = normal(known) * there
    beside = [now, moved(now, away), moved(now, -away)]
    beside += [
      jnp.take_along_axis(now, near[:, :, side : side + 1], axis=1)
      for side in range(facts.NEIGHBOURS)
    ]
    made = jnp.concatenate(beside, axis=-1) @ params[f'w{block}']
    made += params[f'b{block}']
    if f'q{block}' in params:
      score = now @ params[f'q{block}'] + (there - 1) * 1e4
      share = jax.nn.softmax(score, axis=1)
      picked = jnp.einsum('bth,btd->bhd', share, now)
      made += picked.reshape(len(now), 1, -1) @ params[f'p{block}']
    kept = jax.random.bernoulli(
      jax.random.fold_in(key, block), 0.9, (len(now), 1, made.shape[2])
    )
    known += params[f's{block}'] * jax.nn.relu(made) * kept / 0.9 * there
  now = normal(known) * there
  if len(params['out']) > now.shape[2]:
    many = jnp.maximum(there.sum(axis=1, keepdims=True), 1)
    every = now.sum(axis=1, keepdims=True) / many
    now = jnp.concatenate([now, jnp.broadcast_to(every, now.shape)], axis=-1)
  return now @ params['out'] + params['outb']


def normal(values: jax.Array) -> jax.Array:
  """Returns rows at the length of one."""
  square = jnp.square(values).mean(axis=-1, keepdims=True)
  return values * jax.lax.rsqrt(square + 1e-6)


def moved(values: jax.Array, away: int) -> jax.Array:
  """Returns the rows `away` before each one; zeros where there are none."""
  empty = jnp.zeros_like(values[:, : abs(away)])
  if away > 0:
    return jnp.concatenate([empty, values[:, :-away]], axis=1)
  return jnp.concatenate([values[:, -away:], empty], axis=1)


def accuracy(
  passes: tuple[Pass, Pass], songs: Sequence[Song]
) -> dict[str, float]:
  """Returns how many notes of songs have the right role."""
  right = tune = total = 0
  for heard, label in songs:
    found = facts.of(heard)
    said = passes[0](found.rows, found.near)
    order, again, rows = network.second(found, said)
    said[order] = passes[1](rows, again.near)
    told, true = said.argmax(axis=1), label[found.heard.index]
    right += int((told == true).sum())
    tune += int(((told == 0) == (true == 0)).sum())
    total += len(true)
  return {'roles': right / total, 'melody': tune / total, 'notes': total}


if __name__ == '__main__':
  sys.exit(main())
