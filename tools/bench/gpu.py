"""Training on a GPU: how much of its arithmetic a step uses.

    python tools/bench/gpu.py size=large,batch=32 size=base,batch=64,scan=1
    python tools/bench/gpu.py --decode base

One JSON line a setting, as soon as it is known. A setting is keys and values:
`size` of `configs/sizes.py`, `batch`, and any key of the model's config, such
as `remat`, `scan`, `packed`, `dropout`, `context`; bfloat16 unless `dtype`
says otherwise. It is the jitted step of `aurl_jax.training` as `aurl train`
runs it, on a mesh of one device: float32 parameters and AdamW, the guard, the
clipping. The vocabulary is that of `compound`; ids are random, and lie on the
device already. With `packed` (the default) a row holds two pieces.

`mfu` is model FLOPs utilisation (`aurl_jax.models.flops`, over the peak of
`aurl_jax.parallel.devices`); `step_ms` the median of groups of steps. What
does not fit is reported, and the next setting has its turn. `peak_gb` is that
of the process so far, `plan_gb` what the compiler plans for the step.
`--profile` adds a line of the kernels that took longest.
"""

import argparse
import ast
import gc
import json
import math
import os
import pathlib
import statistics
import sys
import time

import gpu_kernels
import harness
import jax
import numpy as np

from aurl_jax.models import Model, ModelConfig, flops
from aurl_jax.parallel import ahead, devices, memory, rules
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.tokens.compound import Compound
from aurl_jax.training import optimizer as optimizer_lib
from aurl_jax.training import state as state_lib
from aurl_jax.training import steps as steps_lib

_SIZES = pathlib.Path(__file__).parents[2] / 'configs' / 'sizes.py'
_CONTEXT = 2048
_WARM, _GROUPS, _PROFILED = 3, 5, 3
_DECODED, _PIECES = 256, 64


def main() -> int:
  """Runs every setting; returns 1 if none worked."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('settings', nargs='*', type=setting)
  parser.add_argument('--seconds', type=float, default=6.0)
  parser.add_argument('--stop-after', type=float, default=math.inf)
  parser.add_argument('--profile', action='store_true')
  parser.add_argument('--decode', type=setting, help='size=..., or a size')
  args = parser.parse_args()
  start, worked = time.perf_counter(), 0
  for chosen in args.settings:
    if time.perf_counter() - start < args.stop_after:
      worked += attempt(train, chosen, args.seconds, args.profile)
  if args.decode and time.perf_counter() - start < args.stop_after:
    worked += attempt(decode, args.decode)
  return int(not worked)


def setting(text: str) -> dict:
  """Returns the keys and values of a setting; a bare word is its size."""
  pairs = (('size=' * ('=' not in x) + x).split('=') for x in text.split(','))
  return {key: value_of(value) for key, value in pairs}


def value_of(text: str):
  """Returns a number where the text is one."""
  try:
    return ast.literal_eval(text)
  except (ValueError, SyntaxError):
    return text


def attempt(work, chosen: dict, *rest) -> bool:
  """Works on one setting and prints what comes of it; False if it fails."""
  line = {'bench': f'gpu.{work.__name__}', 'setting': chosen}
  try:
    line |= work(dict(chosen), *rest)
  # Out of memory has no class of its own, and the next setting may fit.
  except Exception as error:  # noqa: BLE001
    line['error'] = f'{type(error).__name__}: {error}'[:600]
  print(json.dumps(line), flush=True)
  gc.collect()
  return 'error' not in line


def sizes() -> dict[str, dict[str, int]]:
  """Returns the named sizes; importing their page needs ml_collections."""
  for node in ast.parse(_SIZES.read_text()).body:
    if isinstance(node, ast.AnnAssign) and node.target.id == 'SIZES':
      return ast.literal_eval(node.value)
  raise LookupError(f'no SIZES in {_SIZES}')


def shaped(chosen: dict) -> ModelConfig:
  """Returns the model's config of a setting."""
  values = {'context': _CONTEXT, 'dtype': 'bfloat16'}
  values |= sizes()[chosen.pop('size', 'large')] | chosen
  for name in ('scan', 'packed'):
    if name in values:
      values[name] = bool(values[name])
  return ModelConfig(**values)


def train(chosen: dict, seconds: float, profile: bool) -> dict:
  """Returns the figures of training in one setting."""
  batch = chosen.pop('batch', 8)
  config = shaped(chosen)
  mesh = mesh_lib.alone()
  model = Model.build(config, Compound().codec.sizes)
  with mesh_lib.use(mesh):
    optimizer, schedule = optimizer_lib.build(
      optimizer_lib.OptimizerConfig(warmup_steps=10), 10_000
    )
    state = state_lib.create(model, optimizer, seed=0, mesh=mesh)
    rows = rules.place_batch(drawn(model, batch), mesh)
    step = steps_lib.make_train_step(model, optimizer, schedule, mesh=mesh)
    start = time.perf_counter()
    program = ahead.Ahead(step).compile(state, rows)
    compiled = time.perf_counter() - start
    count = sum(x.size for x in jax.tree.leaves(state['params']))
    plan = memory.report(program, state, rows).total
    state, times, loss = timed(program, state, rows, seconds)
    if profile:
      repeat = lambda: several(program, state, rows, _PROFILED)  # noqa: E731
      gpu_kernels.report(repeat, _PROFILED)
  return figures(config, count, batch, times) | {
    'loss': round(loss, 4),
    'compile_s': round(compiled, 1),
    'plan_gb': round(plan / 1e9, 1),
    'peak_gb': round(devices.memory().get('peak', 0) / 1e9, 1),
    'xla_flags': os.environ.get('XLA_FLAGS', ''),
  }


def figures(config, count: int, batch: int, times: list[float]) -> dict:
  """Returns what follows from the seconds of a step."""
  device = jax.local_devices()[0].device_kind
  median = statistics.median(times)
  each = flops.per_token(config, count)
  rate = batch * config.context / median
  peak = devices.peak_flops(device)
  return {
    'device': device,
    'jax': jax.__version__,
    'parameters': count,
    'flops_per_token': each,
    'tokens/s': round(rate),
    'step_ms': round(median * 1e3, 2),
    'step_ms_all': [round(x * 1e3, 2) for x in times],
    'tflops': round(rate * each / 1e12, 1),
    'mfu': round(rate * each / peak, 4) if peak else None,
  }


def drawn(model: Model, batch: int) -> dict[str, np.ndarray]:
  """Returns random rows, of two pieces each if they may be packed."""
  rng, context = np.random.default_rng(1), model.config.context
  shape = (batch, context)
  ids = [rng.integers(1, size, shape) for size in model.vocabulary]
  positions = np.tile(np.arange(context), (batch, 1))
  segments = np.ones(shape)
  if model.config.packed:
    half = context // 2
    segments[:, half:], positions[:, half:] = 2, np.arange(context - half)
  arrays = {
    'ids': np.stack(ids, -1),
    'segments': segments,
    'positions': positions,
  }
  return {name: rows.astype(np.int32) for name, rows in arrays.items()}


def timed(program, state, rows, seconds: float):
  """Returns the state, seconds of a step in each group, and the last loss."""
  state, loss = several(program, state, rows, _WARM)
  start = time.perf_counter()
  state, loss = several(program, state, rows, 1)
  once = time.perf_counter() - start
  steps = max(1, math.ceil(seconds / _GROUPS / once))
  times = []
  for _ in range(_GROUPS):
    start = time.perf_counter()
    state, loss = several(program, state, rows, steps)
    times.append((time.perf_counter() - start) / steps)
  if not math.isfinite(loss):
    raise ValueError(f'the loss is {loss}')
  return state, times, loss


def several(program, state, rows, steps: int):
  """Does some steps; returns the state and the loss, once it is there."""
  for _ in range(steps):
    state, metrics = program(state, rows)
  return state, float(jax.block_until_ready(metrics['loss']))


def decode(chosen: dict) -> dict:
  """Returns the figures of writing pieces under the grammar of `compound`."""
  from aurl_jax.generation import decode as decode_lib

  batch = chosen.pop('batch', _PIECES)
  compound = Compound()
  model = Model.build(shaped(chosen), compound.codec.sizes)
  params = model.init(jax.random.key(0))
  whole = harness.exactly(compound.codec, _DECODED - 1)
  times = []
  for seed in range(3):
    start = time.perf_counter()
    samples = decode_lib.decode(
      model,
      params,
      compound.grammar,
      [compound.bos()[None]] * batch,
      steps=_DECODED + 1,
      seed=seed * batch,
      constraints=(whole,),
    )
    times.append(time.perf_counter() - start)
  written = sum(len(sample.ids) for sample in samples) - batch
  return {
    'device': jax.local_devices()[0].device_kind,
    'batch': batch,
    'steps/s': round(written / min(times[1:])),
    'ms_a_step': round(min(times[1:]) / _DECODED * 1e3, 2),
    'first_s': round(times[0], 1),
  }


if __name__ == '__main__':
  sys.exit(main())
