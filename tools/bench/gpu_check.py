"""Attention by cuDNN against plain attention, and what it costs.

    python tools/bench/gpu_check.py [--time]

One JSON line a variant: the largest difference of the mixture and of the
gradients to queries, keys and values, `fused` in bfloat16 against `naive` in
float32 on the same numbers, each over the larger of 1 and the largest
number; `ok` is below 2e-2. Then logits of a small model, whole rows and step
by step through the cache, likewise. Returns 1 if one is not.

`--time` adds milliseconds of the kernel, forward and with gradients, at the
shape of `large`: with a mask of segments, without any (`alone`), and with the
offsets of segments, which jax keeps to itself (`offsets`; not used by us).
"""

import argparse
import functools
import json
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from aurl_jax.models import Model, ModelConfig, fused
from aurl_jax.models.attention import attend

_LIMIT = 2e-2
_B, _H, _T = 2, 4, 512
VARIANTS = {
  'causal': {'packed': False},
  'segments': {},
  'grouped': {'groups': 4},
  'grouped causal': {'groups': 4, 'packed': False},
  'window': {'window': 100},
  'window causal': {'window': 100, 'packed': False},
  'wide heads': {'width': 128},
  'odd length': {'t': 383},
  'odd causal': {'t': 383, 'packed': False},
}


def main() -> int:
  """Runs every check; returns 1 if one fails."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--time', action='store_true')
  args = parser.parse_args()
  jax.config.update('jax_default_matmul_precision', 'highest')
  passed = [
    said(name, functools.partial(check, **kind))
    for name, kind in VARIANTS.items()
  ]
  passed.append(said('model', model_errors))
  jax.config.update('jax_default_matmul_precision', None)
  for kind in ('segments', 'alone', 'offsets') if args.time else ():
    for back in (False, True):
      said_time(kind, back)
  return int(not all(passed))


def said(name: str, work) -> bool:
  """Prints a line; returns whether all errors are small."""
  line = {'check': name, 'cudnn': fused.has_cudnn()}
  try:
    errors = work()
    line['ok'] = all(value < _LIMIT for value in errors.values())
    line |= {key: float(f'{value:.2e}') for key, value in errors.items()}
  # One kernel that is not there must not hide what the others do.
  except Exception as error:  # noqa: BLE001
    line |= {'ok': False, 'error': f'{type(error).__name__}: {error}'[:400]}
  print(json.dumps(line), flush=True)
  return line['ok']


def inputs(b, h, t, width, groups):
  """Returns q, k, v, weights of the output, and packed segments."""
  rng = np.random.default_rng(t + width)
  heads = (h, h // groups, h // groups, h)
  arrays = [
    jnp.asarray(rng.normal(size=(b, n, t, width)), jnp.bfloat16) for n in heads
  ]
  steps = np.arange(t)
  rows = [1 + (steps > t // 3) + (steps > t // 2 + row) for row in range(b)]
  # Padding stands at the end of a row, as segment 0.
  segments = np.where(steps > t - 20, 0, np.stack(rows)).astype(np.int32)
  return arrays, jnp.asarray(segments)


def check(t=_T, width=64, groups=1, window=0, packed=True) -> dict[str, float]:
  """Returns the errors of one variant."""
  (*qkv, weight), segments = inputs(_B, _H, t, width, groups)

  def value(backend, segments, *qkv):
    mixed = attend(*qkv, segments=segments, backend=backend, window=window)
    weighed = mixed.astype(jnp.float32) * weight.astype(jnp.float32)
    return weighed.sum(), mixed

  def found(backend, segments, arrays):
    grad = jax.grad(value, argnums=(2, 3, 4), has_aux=True)
    run = jax.jit(lambda *qkv: grad(backend, segments, *qkv))
    grads, mixed = run(*arrays)
    return mixed, *grads

  ours = found('fused', segments if packed else None, qkv)
  whole = segments if packed else jnp.zeros_like(segments)
  plain = found('naive', whole, [x.astype(jnp.float32) for x in qkv])
  names = ('mixed', 'dq', 'dk', 'dv')
  return {n: error(x, y) for n, x, y in zip(names, ours, plain, strict=True)}


def error(x, y) -> float:
  """Returns the largest difference over the larger of 1 and the largest."""
  x, y = (np.asarray(a, np.float64) for a in (x, y))
  return float(np.abs(x - y).max() / max(1.0, np.abs(y).max()))


def model_errors() -> dict[str, float]:
  """Returns the errors of logits: of whole rows, and through the cache."""
  shape = {'context': 256, 'dropout': 0.0}
  plain = Model.build(ModelConfig(attention='naive', **shape), (512,))
  shape |= {'dtype': 'bfloat16', 'attention': 'fused'}
  ours = Model.build(ModelConfig(**shape), (512,))
  alone = Model.build(ModelConfig(packed=False, **shape), (512,))
  params = plain.init(jax.random.key(0))
  ids = jax.random.randint(jax.random.key(1), (4, 256, 1), 1, 512)
  rows = jnp.ones((4, 256), jnp.int32)
  steps = jnp.broadcast_to(jnp.arange(256), (4, 256))

  def logits(model):
    run = jax.jit(lambda p: model.apply(p, ids, rows, steps, ids).logits[0])
    return run(params)

  expected = logits(plain)
  return {
    'packed': error(logits(ours), expected),
    'alone': error(logits(alone), expected),
    'cache': error(cached(ours, params, ids), expected[:, 127:160]),
  }


def cached(model, params, ids):
  """Returns logits of steps 127 to 159: a prompt of 128, then one by one."""
  prefill = jax.jit(model.prefill)
  step = jax.jit(model.step)
  hidden, cache = prefill(params, model.init_cache(4, 192), ids[:, :128])
  found = []
  for index in range(128, 161):
    found.append(model.field_logits(params, hidden, ids[:, 0], 0))
    hidden, cache = step(params, cache, ids[:, index], jnp.int32(index))
  return jnp.stack(found, axis=1)


def said_time(kind: str, back: bool, repeats: int = 20) -> None:
  """Prints how long the kernel takes at the shape of `large`."""
  line = {'time': 'attention 16x8x2048x128', 'kind': kind, 'back': back}
  try:
    line['ms'] = round(kernel_ms(kind, back, repeats), 3)
  # As above.
  except Exception as error:  # noqa: BLE001
    line['error'] = f'{type(error).__name__}: {error}'[:400]
  print(json.dumps(line), flush=True)


def kernel_ms(kind: str, back: bool, repeats: int) -> float:
  """Returns milliseconds of one pass."""
  (*qkv, weight), segments = inputs(16, 8, 2048, 128, 1)
  mix = functools.partial(attend, backend='fused', segments=segments)
  if kind == 'alone':
    mix = functools.partial(mix, segments=None)
  if kind == 'offsets':
    mix = functools.partial(by_offsets, segments=segments)

  def value(*qkv):
    mixed = mix(*qkv)
    return (mixed * weight).sum().astype(jnp.float32) if back else mixed

  run = jax.jit(jax.grad(value, argnums=(0, 1, 2)) if back else value)
  jax.block_until_ready(run(*qkv))
  start = time.perf_counter()
  for _ in range(repeats):
    out = run(*qkv)
  jax.block_until_ready(out)
  return (time.perf_counter() - start) / repeats * 1e3


def by_offsets(q, k, v, segments):
  """Returns attention of rows of at most 4 pieces, told by their offsets."""
  from jax._src.cudnn import fused_attention_stablehlo as cudnn

  most = 4
  ends = jnp.pad(
    segments[:, 1:] != segments[:, :-1],
    ((0, 0), (1, 0)),
    constant_values=True,
  )
  length = segments.shape[1]
  starts = jax.vmap(
    lambda row: jnp.nonzero(row, size=most + 1, fill_value=-1)[0]
  )(ends).astype(jnp.int32)
  stops = jnp.where(starts[:, 1:] < 0, length, starts[:, 1:])
  lengths = jnp.where(starts[:, :-1] < 0, -1, stops - starts[:, :-1])
  q, k, v = (jnp.swapaxes(x, 1, 2) for x in (q, k, v))
  mixed = cudnn.dot_product_attention(
    q,
    k,
    v,
    q_seqlen=lengths,
    kv_seqlen=lengths,
    q_offsets=starts,
    kv_offsets=starts,
    scale=q.shape[-1] ** -0.5,
    mask_type=cudnn.MaskType.PADDING_CAUSAL,
  )
  return jnp.swapaxes(mixed, 1, 2)


if __name__ == '__main__':
  sys.exit(main())
