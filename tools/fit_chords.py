"""Fits the learned listener of `studies.chords` and writes it beside the code.

  python tools/fit_chords.py [--steps 2500 1500] [--seed 0] [--out PATH]

Learns of sets whose licences let the numbers go with the package, all of
AURL_DATA: POP909's training songs with their labels, as they are and at half,
double and a quarter of the speed, some without one of their tracks; S3's
symphonies with theirs; and scores without labels (OpenScore Lieder and String
Quartets, chorales of the JSB train split), which the listener so far labels
itself (self-training: Yarowsky, "Unsupervised word sense disambiguation
rivaling supervised methods", ACL 1995): the templates in the first round, both
in those that follow; `--more` begins with the second, of the numbers that are
there. Lieder whose name is that of a piece in the valid or test split
of When in Rome are left out. Softmax regression by Adam on the CPU, each atom
weighed by the root of its length.
"""

import argparse
import json
import pathlib
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator

import chord_sets
import jax
import jax.numpy as jnp
import numpy as np
import optax
from chord_sets import Row

from aurl_jax.music import midi
from aurl_jax.music.notes import Notes
from aurl_jax.studies.chords import atoms, facts, learned, pulse, templates
from aurl_jax.studies.chords.atoms import Atoms
from aurl_jax.studies.chords.listener import Listener

Params = dict[str, jax.Array]
Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Facts that turn, facts that do not, chords, and weights of some atoms."""
Teacher = Callable[[Atoms, np.ndarray], np.ndarray]
_BATCH, _RATES = 1024, (3e-3, 2e-3)
_SMOOTH, _DROPPED = 0.03, 0.1
_SHORT = 6
"""Letters of a name that tell a song."""


def main() -> int:
  """Writes the file; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--steps', type=int, nargs='+', default=[2500, 1500])
  parser.add_argument('--more', action='store_true')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--out', type=pathlib.Path, default=learned.PATH)
  args = parser.parse_args()
  labelled = [songs(args.seed), symphonies()]
  params = dict(learned.weights()) if args.more else start(args.seed)
  teacher = Listener() if args.more else Listener.plain()
  for round_, steps in enumerate(args.steps, start=int(args.more)):
    taught = scores(teacher, args.seed + 1 + round_)
    parts = [labelled[0], *[labelled[1]] * 4, taught]
    rows = joined(parts)
    print(json.dumps({'round': round_, 'atoms': len(rows[2])}), flush=True)
    params = fit(
      params, rows, steps, _RATES[min(round_, 1)], args.seed + round_
    )
    write(params, args.out)
    learned.PATH = args.out
    learned.weights.cache_clear()
    teacher = Listener()
  return 0


def songs(seed: int) -> Rows:
  """Returns atoms of POP909's training songs, and of half of them changed."""
  random = np.random.default_rng(seed)
  parts = []
  for piece in chord_sets.pop909('train'):
    parts.append(listened(piece.notes, piece.rows, 1.5, random))
    if random.random() < 0.5:
      notes, rows = changed(piece.notes, piece.rows, random)
      if len(notes):
        parts.append(listened(notes, rows, 2.5, random))
  return joined(parts)


def symphonies() -> Rows:
  """Returns all atoms of S3."""
  return joined(
    listened(piece.notes, piece.rows, 1, np.random.default_rng(0))
    for piece in chord_sets.symphonies()
  )


def changed(
  notes: Notes, rows: list[Row], random: np.random.Generator
) -> tuple[Notes, list[Row]]:
  """Returns a piece at another speed, perhaps without one of its tracks."""
  speed = float(random.choice([0.25, 0.5, 2.0]))
  keep = np.ones(len(notes), np.bool_)
  if random.random() < 0.5 and len(notes.tracks) > 1:
    keep = notes.track != random.integers(len(notes.tracks))
  columns = {
    'onset': (notes.onset[keep] * speed).astype(np.int64),
    'duration': np.maximum(notes.duration[keep] * speed, 1).astype(np.int64),
    'pitch': notes.pitch[keep],
    'track': notes.track[keep],
  }
  moved = [(int(a * speed), int(b * speed), *rest) for a, b, *rest in rows]
  return Notes.build(notes.ticks_per_beat, columns, tracks=notes.tracks), moved  # type: ignore[return-value]


def scores(teacher: Listener, seed: int) -> Rows:
  """Returns atoms of scores that nobody labelled, as a listener hears them."""
  random = np.random.default_rng(seed)
  parts = []
  for path, every in unlabelled():
    notes = midi.read(path).notes
    if len(notes):
      parts.append(listened(notes, None, every, random, teacher))
  return joined(parts)


def unlabelled() -> Iterator[tuple[pathlib.Path, float]]:
  """Yields scores, and one in how many atoms is learned of."""
  root = chord_sets.folder()
  held = [
    letters(pathlib.Path(name).stem.split('__')[-1])
    for split in ('valid', 'test')
    for name in chord_sets.names('when_in_rome', split)
  ]
  held = [name for name in held if len(name) >= _SHORT]
  for path in sorted((root / 'openscore_lieder').rglob('*.mid')):
    name = letters(str(path.relative_to(root)))
    if not any(other in name for other in held):
      yield path, 3
  for path in sorted((root / 'openscore_quartets').rglob('*.mid')):
    yield path, 8
  for path in sorted((root / 'jsb_chorales' / 'midi_train').glob('*.mid')):
    yield path, 2


def letters(text: str) -> str:
  """Returns the letters a to z of a name."""
  return re.sub('[^a-z]', '', text.lower())


def listened(
  notes: Notes,
  rows: list[Row] | None,
  every: float,
  random: np.random.Generator,
  teacher: Listener | None = None,
) -> Rows:
  """Returns some atoms of a piece with the chords of rows, or of a teacher."""
  heard = atoms.cut(notes)
  levels = pulse.find(notes, heard).levels
  if rows is not None:
    chord = labels(heard, rows)
  else:
    assert teacher is not None
    first, runs, _ = teacher.path(heard, levels)
    chord = np.repeat(runs, np.diff(np.append(first, len(heard))))
  use = (chord >= 0) & heard.heard() & (random.random(len(heard)) < 1 / every)
  turning, fixed = facts.tell(heard, levels)
  weight = np.sqrt(np.minimum(heard.length, 4.0))
  return (
    turning[use].astype(np.float16),
    fixed[use].astype(np.float16),
    chord[use].astype(np.int16),
    weight[use].astype(np.float32),
  )


def labels(heard: Atoms, rows: list[Row]) -> np.ndarray:
  """Returns the chord at the middle of each atom, -1 where none is told."""
  starts = np.array([row[0] for row in rows])
  ends = np.array([row[1] for row in rows])
  index = np.array([-1 if row[2] is None else row[2].index for row in rows])
  middle = (heard.starts + heard.ends) / 2
  row = np.searchsorted(starts, middle, side='right') - 1
  told = (row >= 0) & (middle < ends[np.maximum(row, 0)])
  return np.where(told, index[np.maximum(row, 0)], -1)


def joined(parts: Iterable[Rows]) -> Rows:
  """Returns parts one behind the other."""
  columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
  return tuple(columns)  # type: ignore[return-value]


def start(seed: int) -> Params:
  """Returns the numbers that fitting begins with (He et al., ICCV 2015)."""
  key = jax.random.PRNGKey(seed)
  inputs = learned.SHAPES['turned'][0] + learned.SHAPES['fixed'][0]
  params = {}
  for name, shape in learned.SHAPES.items():
    key, own = jax.random.split(key)
    before = inputs if name in ('turned', 'fixed') else shape[:1] or (1,)
    size = before if isinstance(before, int) else before[0]
    wide = jax.random.normal(own, shape) * np.sqrt(2 / size)
    params[name] = wide if len(shape) == 2 else jnp.zeros(shape)
  return params


def logits(
  p: Params, turning: jax.Array, fixed: jax.Array, key: jax.Array
) -> jax.Array:
  """Returns scores as `learned.scores` gives them, with some units dropped."""
  count = len(turning)
  seen = turning[:, :, templates.turned()].transpose(0, 2, 1, 3)
  first = seen.reshape(count, 12, -1) @ p['turned']
  first += (fixed @ p['fixed'])[:, None] + p['bias']
  kept = jax.random.bernoulli(key, 1 - _DROPPED, first.shape)
  hidden = jax.nn.relu(first) * kept / (1 - _DROPPED)
  hidden = jax.nn.relu(hidden @ p['second'] + p['second_bias'])
  quality = (hidden @ p['quality'] + p['quality_bias']).reshape(count, -1)
  none = hidden.mean(axis=1) @ p['none'] + p['none_bias']
  return jnp.concatenate([none[:, None], quality], axis=1)


def fit(
  params: Params, rows: Rows, steps: int, rate: float, seed: int
) -> Params:
  """Returns the numbers after so many steps."""
  plan = optax.warmup_cosine_decay_schedule(0.0, rate, 100, steps)
  rule = optax.adamw(plan, weight_decay=1e-3)
  state = rule.init(params)

  def loss(p, turning, fixed, chord, weight, key):  # type: ignore
    chance = jax.nn.log_softmax(logits(p, turning, fixed, key))
    hit = jnp.take_along_axis(chance, chord[:, None], axis=1)[:, 0]
    cost = -(1 - _SMOOTH) * hit - _SMOOTH * chance.mean(axis=1)
    return (cost * weight).sum() / weight.sum()

  @jax.jit
  def move(p, state, key, *batch):  # type: ignore
    value, slope = jax.value_and_grad(loss)(p, *batch, key)
    update, state = rule.update(slope, state, p)
    return optax.apply_updates(p, update), state, value

  random, key = np.random.default_rng(seed), jax.random.PRNGKey(seed)
  began, mean = time.perf_counter(), 0.0
  for step in range(1, steps + 1):
    pick = random.integers(0, len(rows[2]), _BATCH)
    key, own = jax.random.split(key)
    batch = [rows[0][pick].astype(np.float32), rows[1][pick].astype(np.float32)]
    batch += [rows[2][pick].astype(np.int32), rows[3][pick]]
    params, state, value = move(params, state, own, *batch)
    mean = 0.99 * mean + 0.01 * float(value)
    if step % 250 == 0:
      spent = round(time.perf_counter() - began)
      told = round(mean / (1 - 0.99**step), 4)
      line = {'step': step, 'loss': told, 'seconds': spent}
      print(json.dumps(line), flush=True)
  return params


def write(params: Params, path: pathlib.Path) -> None:
  """Writes the numbers, rounded."""
  rows = []
  for name in learned.SHAPES:
    numbers = np.ravel(params[name]).astype(np.float64).round(4)
    rows.append(f'"{name}": {json.dumps(numbers.tolist())}')
  path.write_text('{\n' + ',\n'.join(rows) + '\n}\n')


if __name__ == '__main__':
  sys.exit(main())
