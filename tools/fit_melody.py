"""Fits the network that finds melodies, and writes it beside the code.

  python tools/fit_melody.py [--epochs 6 24] [--held] [--songs 744]

Reads POP909's training songs of the shared data (AURL_DATA) and nothing else:
its tracks MELODY, BRIDGE and PIANO, merged into one, say what each note is.
Songs are heard as they are, and transposed, faster, slower, louder, softer, at
one loudness or on the grid. `--held` leaves out every twelfth song and prints
the accuracy on those: choices are made by it, never by the valid split. Prints
a line of JSON an epoch, and what the file measures.
"""

import argparse
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from aurl_jax.core import files
from aurl_jax.music import midi
from aurl_jax.studies import groups
from aurl_jax.studies.groups import Played
from aurl_jax.studies.melody import facts, manner, network
from aurl_jax.studies.melody.facts import Facts
from aurl_jax.studies.melody.network import Pass

ROOT = pathlib.Path(__file__).resolve().parent.parent
STEPS = ((1, 2, 4, 8, 16, 32, 64, 1), (1, 2, 4, 1, 8, 2, 16, 1))
WIDTHS, NOTES, SONGS, RATES = (48, 60), (2048, 768), (4, 4), (3e-3, 3e-3)
"""Of each pass: how far its blocks look, its width, notes of a stretch,
stretches of a step, step size."""
ASKING = (2, 4, 6)
"""Blocks of the second pass that have attention."""
SLOPES, HEAD = (0.0, 0.0, 0.5, 4.0), 8
"""What distance costs each head to begin with, and the width of one."""
VERSIONS = 3
"""How often each song is changed."""
MEAN = 0.998
"""Of the numbers' moving mean, which is what is written: share of a step."""
EVERY = 12
Song = tuple[Played, np.ndarray]
Known = tuple[Facts, np.ndarray]
"""Facts of the notes of a song, and their roles."""
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Facts, neighbours and roles of the notes of a song."""


def main() -> int:
  """Writes the file; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--epochs', type=int, nargs=2, default=(6, 24))
  parser.add_argument('--songs', type=int, default=744)
  parser.add_argument('--held', action='store_true')
  parser.add_argument('--out', type=pathlib.Path, default=network.PATH)
  args = parser.parse_args()
  songs = read('train', args.songs)
  held = [s for i, s in enumerate(songs) if i % EVERY == 5 and args.held]
  songs = [s for i, s in enumerate(songs) if i % EVERY != 5 or not args.held]
  rng = np.random.default_rng(0)
  versions = [[known(song) for song in songs]]
  for _ in range(VERSIONS):
    versions.append([known(varied(song, rng)) for song in songs])
  checked = [known(song) for song in held]
  one = fit(
    0,
    [[first_rows(song) for song in each] for each in versions],
    args.epochs[0],
    [first_rows(song) for song in checked],
  )
  two = fit(
    1,
    [[second_rows(song, one) for song in each] for each in versions],
    args.epochs[1],
    [second_rows(song, one) for song in checked],
    lambda two: files.write_atomic(args.out, network.packed((one, two))),
  )
  files.write_atomic(args.out, network.packed((one, two)))
  if held:
    print(json.dumps(accuracy(network.load(args.out), held)))
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
  """Returns a song transposed, at another speed and loudness.

  One in four is written down: on the grid, as scores and tokens tell it.
  """
  heard, label = song
  speed = float(np.exp(rng.uniform(-0.2, 0.2)))
  loud = heard.velocity * rng.uniform(0.8, 1.15)
  loud += rng.normal(0, rng.choice([0, 0, 3]), len(loud))
  if rng.random() < 0.2:
    loud[:] = 80
  if rng.random() < 0.25:
    heard, label, loud = written(heard, label, loud)
  return Played(
    heard.index,
    heard.onset * speed,
    heard.end * speed,
    np.clip(heard.pitch + rng.integers(-6, 7), 0, 127),
    np.clip(np.round(loud), 1, 127).astype(np.int64),
    groups.firsts(heard.onset * speed),
  ), label


def written(
  heard: Played, *columns: np.ndarray
) -> tuple[Played, *tuple[np.ndarray, ...]]:
  """Returns notes on the grid, each some steps long; columns in their order."""
  grid = manner.grid(heard.onset)
  onset = heard.onset - grid.beside / (2 * np.pi) * grid.period
  length = np.round((heard.end - heard.onset) / grid.period)
  end = onset + np.maximum(length, 1) * grid.period
  # Notes of one place have found it to within rounding.
  order = np.lexsort([-heard.pitch, np.round(onset, 3)])
  moved = Played(
    np.arange(len(order)),
    np.maximum.accumulate(onset[order]),
    end[order],
    heard.pitch[order],
    heard.velocity[order],
    groups.firsts(np.maximum.accumulate(onset[order])),
  )
  return moved, *(column[order] for column in columns)


def known(song: Song) -> Known:
  """Returns the facts of a song, and the role of each note in their order."""
  found = facts.of(song[0])
  return found, song[1][found.heard.index].astype(np.int32)


def first_rows(song: Known) -> Rows:
  """Returns what the first pass hears of a song."""
  found, label = song
  return found.rows, found.near, label


def second_rows(song: Known, one: Pass) -> Rows:
  """Returns what the second pass hears of a song."""
  found, label = song
  said = one(found.rows, found.near)
  order, again, rows = network.second(found, said)
  return rows, again.near, label[order]


def fit(
  number: int,
  versions: Sequence[Sequence[Rows]],
  epochs: int,
  held: Sequence[Rows] = (),
  keep: Callable[[Pass], None] = lambda _: None,
) -> Pass:
  """Returns the weights of a pass.

  Args:
    number: Which pass, 0 or 1.
    versions: The songs as they are, and changed.
    epochs: How often each song is heard.
    held: Songs of which the accuracy is printed every second epoch.
    keep: Is given what there is, as often.
  """
  rng = np.random.default_rng(number)
  every = np.concatenate([rows for rows, _, _ in versions[0]])
  mean, std = every.mean(axis=0), np.maximum(every.std(axis=0), 0.1)
  params = begin(number, every.shape[1])
  many, size = len(versions[0]), SONGS[number]
  step, state = stepper(number, params, epochs * (many // size))

  def made() -> Pass:
    arrays = {name: np.asarray(array) for name, array in state[1].items()}
    return Pass(arrays | {'mean': mean, 'std': std}, STEPS[number])

  began = time.perf_counter()
  for epoch in range(epochs):
    order = rng.permutation(many)
    values = []
    for start in range(0, many - size + 1, size):
      chosen = [
        versions[version(len(versions), rng)][place]
        for place in order[start : start + size]
      ]
      batch = stretches(chosen, NOTES[number], (mean, std), rng)
      key = jax.random.key(int(rng.integers(2**31)))
      params, state, value = step(params, state, batch, key)
      values.append(float(value))
    row = {'pass': number, 'epoch': epoch, 'loss': float(np.mean(values))}
    row['seconds'] = round(time.perf_counter() - began)
    if epoch % 2 or epoch == epochs - 1:
      now = made()
      keep(now)
      if held:
        row['held'] = round(right(now, held), 4)
    print(json.dumps(row), flush=True)
  return made()


def version(many: int, rng: np.random.Generator) -> int:
  """Returns which version of a song is heard: as it is, in half the cases."""
  return 0 if many < 2 or rng.random() < 0.5 else int(rng.integers(1, many))


def right(one: Pass, songs: Sequence[Rows]) -> float:
  """Returns the share of the notes whose role a pass tells."""
  told = [
    one(rows, near).argmax(axis=1) == label for rows, near, label in songs
  ]
  return float(np.concatenate(told).mean())


def stepper(
  number: int, params: Any, total: int
) -> tuple[Callable[..., Any], Any]:
  """Returns a step of fitting, and what it begins with.

  The state is that of the optimizer and the moving mean of the numbers.
  """
  rate = optax.warmup_cosine_decay_schedule(
    0, RATES[number], min(200, total // 10 + 1), total, RATES[number] / 50
  )
  rule = optax.chain(
    optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=1e-2)
  )

  @jax.jit
  def step(params: Any, state: Any, batch: Any, key: jax.Array) -> Any:
    inner, mean, count = state
    value, slope = jax.value_and_grad(loss)(params, batch, key)
    change, inner = rule.update(slope, inner, params)
    params = optax.apply_updates(params, change)
    # Of the first steps the mean is even.
    share = jnp.minimum(MEAN, count / (count + 1))
    mean = jax.tree.map(lambda a, b: share * a + (1 - share) * b, mean, params)
    return params, (inner, mean, count + 1), value

  return step, (rule.init(params), params, jnp.zeros(()))


def begin(number: int, wide: int) -> dict[str, jax.Array]:
  """Returns the parameters of a pass before it has heard anything."""
  width, blocks = WIDTHS[number], len(STEPS[number])
  keys = iter(jax.random.split(jax.random.key(number), 3 * blocks + 1))

  def drawn(rows: int, columns: int, scale: float = 1.0) -> jax.Array:
    return jax.random.normal(next(keys), (rows, columns)) * scale * rows**-0.5

  params = {'in': drawn(wide, width), 'inb': jnp.zeros(width)}
  inside = HEAD * len(SLOPES)
  for block in range(blocks):
    params[f'w{block}'] = drawn(5 * width, width)
    params[f'b{block}'] = jnp.zeros(width)
    params[f's{block}'] = jnp.full((), 0.5)
    if number and block in ASKING:
      params[f'a{block}'] = drawn(width, 3 * inside)
      params[f'p{block}'] = drawn(inside, width, 0.5)
      params[f'd{block}'] = jnp.array(SLOPES)
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
  made = rows @ params['in'] + params['inb']
  known = jax.nn.relu(made) * there
  for block, away in enumerate(STEPS[f'a{ASKING[0]}' in params]):
    now = normal(known) * there
    beside = [now, moved(now, away), moved(now, -away)]
    beside += [
      jnp.take_along_axis(now, near[:, :, side : side + 1], axis=1)
      for side in range(facts.NEIGHBOURS)
    ]
    made = jnp.concatenate(beside, axis=-1) @ params[f'w{block}']
    made += params[f'b{block}']
    if f'a{block}' in params:
      asked = now @ params[f'a{block}']
      picked = attended(asked, mask, params[f'd{block}'])
      made += picked @ params[f'p{block}']
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


def attended(asked: jax.Array, mask: jax.Array, slopes: jax.Array) -> jax.Array:
  """Returns what heads pick: `network` in jax, for a batch."""
  songs, many = mask.shape
  heads = asked.reshape(songs, many, 3, len(slopes), -1)
  question, key, value = jnp.moveaxis(heads, 2, 0)
  place = jnp.arange(many) / network.FAR
  key, value = (each[:, :: network.ASKED] for each in (key, value))
  mask = mask[:, :: network.ASKED]
  away = jnp.abs(place[:, None] - place[:: network.ASKED])
  score = jnp.einsum('bihd,bjhd->bhij', question, key) * key.shape[-1] ** -0.5
  score -= slopes[:, None, None] * away
  score += (mask[:, None, None, :] - 1) * 1e4
  share = jax.nn.softmax(score, axis=-1)
  picked = jnp.einsum('bhij,bjhd->bihd', share, value)
  return picked.reshape(songs, many, -1)


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
