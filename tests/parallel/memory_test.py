import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AbstractMesh, AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from aurl_jax.parallel import memory
from aurl_jax.parallel import mesh as mesh_lib

WIDTH, ROWS, STEPS = 64, 8, 32
MESH = AbstractMesh((2, 2, 2), mesh_lib.AXES, axis_types=(AxisType.Auto,) * 3)


@pytest.fixture(scope='module')
def program():
  """Returns a compiled step whose activations are known, and its inputs."""

  def loss(kernel, x):
    hidden = x @ kernel
    return jnp.square(jnp.sin(hidden) @ kernel.T).sum()

  def step(state, batch):
    x = batch['ids'] * jnp.ones((1, 1, WIDTH))
    grad = jax.grad(loss)(state['params'], x)
    return {
      'params': state['params'] - grad,
      'opt': (state['opt'][0] + grad, state['opt'][1] + grad**2),
      'step': state['step'] + 1,
    }, grad.sum()

  kernel = jnp.ones((WIDTH, WIDTH))
  state = {'params': kernel, 'opt': (kernel, kernel), 'step': jnp.int32(0)}
  batch = {'ids': jnp.ones((ROWS, STEPS, 1), jnp.int32)}
  jitted = jax.jit(step, donate_argnums=0)
  return jitted.lower(state, batch).compile(), state, batch


def test_a_report_counts_every_part(program):
  found = memory.report(*program)
  kernel = WIDTH * WIDTH * 4
  assert found.parts['parameters'] == kernel
  assert found.parts['optimiser'] == 2 * kernel
  assert found.parts['gradients'] == kernel
  assert found.parts['batch'] == ROWS * STEPS * 4
  assert 'step' not in found.parts
  # Between one and ten arrays of all rows: sin, its input, its gradient.
  array = ROWS * STEPS * WIDTH * 4
  assert array <= found.parts['activations'] <= 10 * array
  assert found.shape == (ROWS, STEPS)
  assert found.total == sum(found.parts.values())
  assert found.as_dict()['total'] == found.total
  assert found.fits
  assert '8 × 32' in str(found)


def test_a_device_counts_its_own_shard():
  leaf = jax.ShapeDtypeStruct(
    (6, 8), np.float32, sharding=NamedSharding(MESH, P('fsdp', 'tensor'))
  )
  whole = jax.ShapeDtypeStruct(
    (3,), np.int32, sharding=NamedSharding(MESH, P())
  )
  assert memory.local_bytes({'a': leaf, 'b': whole}) == 3 * 4 * 4 + 3 * 4
  parts = memory.state_parts({'params': [leaf] * 100, 'ema': [leaf] * 100})
  assert parts == {'parameters': 4800, 'ema': 4800}


def test_more_than_the_limit_does_not_fit():
  kind = {'devices': 1, 'platform': 'gpu', 'shape': (1, 1)}
  report = memory.Report(parts={'batch': 11}, limit=10, **kind)
  assert not report.fits
  unknown = memory.Report(parts={'batch': 11}, limit=0, **kind)
  assert unknown.fits
  assert unknown.as_dict()['limit_per_device'] is None


def test_a_cpu_has_the_memory_of_its_host():
  text = open('/proc/meminfo').read().split()  # noqa: SIM115
  host = int(text[text.index('MemTotal:') + 1]) * 1024
  # A control group may leave less.
  assert 0 < memory.limit() <= host / jax.local_device_count()
