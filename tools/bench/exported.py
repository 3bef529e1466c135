"""Steps of a model by JAX against its ONNX export, and in few bits.

    python tools/bench/exported.py [chorale] [--calibrate MUSIC] [--rounds 5]

Each side reads a step and gives the logits of all fields of the next, with a
cache of 256 steps: what a loop does beside its rules. Batches of 1 and of 16,
all sides in turn; one JSON line, in steps of all rows a second. `ratios` are
JAX / ONNX of the same bits; `packed` are JAX in few bits / JAX in float32.
Sides that round the inputs of products need music to calibrate by.
"""

import argparse
import functools
import json
import pathlib
import statistics
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import harness
import numpy as np

ROOM, BATCHES = 256, (1, 16)
_AT_ONCE = 16
"""Steps of a round between two looks at the clock."""


def main() -> int:
  """Measures, and prints the line."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('model', nargs='?', default='chorale')
  parser.add_argument('--calibrate', default='', metavar='PATH')
  parser.add_argument('--rounds', type=int, default=5)
  args = parser.parse_args()
  with tempfile.TemporaryDirectory() as home:
    sides = made(args, pathlib.Path(home))
    found = {str(b): measured(sides, b, args.rounds) for b in BATCHES}
  told = {'bench': f'exported.{pathlib.Path(args.model).name}'}
  print(json.dumps(told | {'unit': 'steps/s', 'rows': found}), flush=True)
  return 0


def made(args: argparse.Namespace, home: pathlib.Path) -> dict[str, Any]:
  """Returns the sides: of each what gives a round for a batch."""
  from aurl_jax.deploy import bundle, onnx_export, packing, quantise
  from aurl_jax.experiment import generate, music_sets

  whole = generate.load(args.model)
  music = []
  if args.calibrate:
    pieces = music_sets.of_files(args.calibrate).pieces[:64]
    music = [whole.tokenizer.encode(notes) for notes in pieces]
  kinds: dict[str, Any] = {'f32': None, 'int8': packing.default(8)}
  kinds['int4'] = packing.default(4)
  if music:
    kinds['int8_inputs'] = packing.default(8)
  sides = {}
  for name, how in kinds.items():
    own = whole
    if how is not None:
      own = quantise.quantised(whole, how, music if 'inputs' in name else ())
    folder = bundle.save(home / name, own, packing=how)
    onnx_export.write(home / f'{name}_onnx', folder)
    sides[f'jax_{name}'] = functools.partial(by_jax, own)
    host = onnx_export.Host(home / f'{name}_onnx')
    sides[f'onnx_{name}'] = functools.partial(by_onnx, host.loop)
  return sides


def measured(
  sides: dict[str, Callable[[int], harness.Work]], rows: int, rounds: int
) -> dict[str, Any]:
  """Returns the rates of all sides for a batch, and how they compare."""
  works = {name: make(rows) for name, make in sides.items()}
  rates: dict[str, list[float]] = {name: [] for name in works}
  for _ in range(rounds + 1):
    for name, work in works.items():
      rates[name].append(harness.rate(work))
  # The first round of each has warmed up.
  medians = {name: statistics.median(own[1:]) for name, own in rates.items()}
  kinds = [name.removeprefix('jax_') for name in works if 'jax' in name]
  return {
    **{name: round(value, 1) for name, value in medians.items()},
    'ratios': {
      kind: round(medians[f'jax_{kind}'] / medians[f'onnx_{kind}'], 3)
      for kind in kinds
    },
    'packed': {
      kind: round(medians[f'jax_{kind}'] / medians['jax_f32'], 3)
      for kind in kinds[1:]
    },
  }


def by_jax(composer: Any, rows: int) -> harness.Work:
  """Returns rounds of a model in JAX."""
  import jax
  import jax.numpy as jnp

  model = composer.model
  fields, lead = len(model.vocabulary), model.config.lead

  def step(params: Any, cache: Any, ids: Any, index: Any) -> Any:
    before = [
      model.lead_logits(params, cache, (ids, index), ids, field)
      for field in range(lead)
    ]
    hidden, cache = model.step(params, cache, ids, index, ids)
    late = [
      model.field_logits(params, hidden, ids, field)
      for field in range(lead, fields)
    ]
    return [*before, *late], cache

  run = jax.jit(step, donate_argnums=1)
  ids = jnp.ones((rows, fields), jnp.int32)
  # Each layer its own zeros: they are given away.
  held = [jax.tree.map(jnp.copy, model.init_cache(rows, ROOM))]
  params = jax.device_put(composer.params)

  def work() -> int:
    for index in range(ROOM - _AT_ONCE, ROOM):
      logits, held[0] = run(params, held[0], ids, jnp.int32(index))
    jax.block_until_ready(logits)
    return rows * _AT_ONCE

  return work


def by_onnx(loop: Any, rows: int) -> harness.Work:
  """Returns rounds of an export."""
  fields, width = loop.rules.fields, loop.told['width']
  ids = np.ones((rows, fields), np.int64)
  zeros = np.zeros(rows, np.int64)
  feed = dict.fromkeys(('ids', 'last', 'following', 'partial'), ids)
  feed |= dict.fromkeys(('start', 'place', 'cell', 'time'), zeros)
  feed |= {'first': np.zeros(rows, bool), **loop.cache(rows, ROOM)}
  feed['state'] = np.zeros((rows, width), np.float32)
  if loop.told['latent']:
    feed |= loop.latents(rows=rows)

  def work() -> int:
    for index in range(ROOM - _AT_ONCE, ROOM):
      feed['index'] = np.array(index)
      read = loop.run('decoder', feed)
      feed['state'] = read.pop('hidden')
      for name, new in read.items():
        feed[name.replace('new', 'past')][:, :, index] = new[:, :, 0]
      for field in range(fields):
        loop.run(f'field_{field}', feed)
    return rows * _AT_ONCE

  return work


if __name__ == '__main__':
  sys.exit(main())
