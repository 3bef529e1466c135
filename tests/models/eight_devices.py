"""Bar-structured attention with rows on eight host devices, as JSON.

As a program, since a process has one number of devices: `python -m
tests.models.eight_devices`
"""

import json

import jax
import jax.numpy as jnp
import numpy as np

from aurl_jax.models import bar_plan, structured
from aurl_jax.parallel import collectives, rules
from aurl_jax.parallel import mesh as mesh_lib


def main():
  """Prints one line: how far from one device, and what was gathered."""
  mesh_lib.host_devices(8)
  mesh = mesh_lib.make_mesh(mesh_lib.MeshConfig(data=4, fsdp=2))
  rng = np.random.default_rng(0)
  qkv = rng.normal(size=(3, 8, 2, 90, 4)).astype(np.float32)
  query = rng.normal(size=(2, 4)).astype(np.float32)
  # Rows of unlike bars need unlike numbers of tiles.
  bars = np.stack([np.arange(90) // (3 * row + 1) for row in range(8)])
  segments = np.ones_like(bars)

  def value(q, k, v, query, bars, segments):
    plan = bar_plan.plan(bars, segments, tile=8, chunk=4)
    mixed = structured.attend_plan(q, k, v, query, plan)
    return jnp.sum(jnp.sin(mixed)), mixed

  step = jax.jit(jax.value_and_grad(value, argnums=(0, 1, 2, 3), has_aux=True))
  given = (*qkv, query, bars.astype(np.int32), segments.astype(np.int32))
  alone = step(*given)
  with mesh_lib.use(mesh):
    split = rules.batch_sharding(mesh)
    rows = [x if x is query else jax.device_put(x, split) for x in given]
    together = step(*rows)
    text = step.lower(*rows).compile().as_text()
  apart = [
    float(np.abs(np.asarray(one) - np.asarray(other)).max())
    / max(1.0, float(np.abs(one).max()))
    for one, other in zip(
      jax.tree.leaves(alone), jax.tree.leaves(together), strict=True
    )
  ]
  sent = collectives.sent(text)
  line = {'devices': jax.device_count(), 'apart': max(apart)}
  print(json.dumps(line | {'gathered': sent.get('all-gather', 0)}))


if __name__ == '__main__':
  main()
