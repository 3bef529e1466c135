"""What a record tells of the machine."""

import time
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core import system as usage_lib
from aurl_jax.training import callbacks, guard, loop, records
from tests.training import toy


class Clock(callbacks.Clock):
  """Tells what it is told."""

  seconds = 0.0


def _context(step, seconds, waited=0.0, ending='', record=None, data=None):
  clock = Clock()
  clock.seconds = seconds
  return toy.context(
    step,
    clock=clock,
    data=data,
    waited=waited,
    ending=ending,
    record={} if record is None else record,
  )


def test_it_is_due_whenever_the_log_is():
  system, log = records.System(every=3), callbacks.Log(every=3, writers=[])
  for step in range(1, 8):
    for ending in ('', 'done', 'stopped'):
      for record in ({}, {'valid/loss': 1.0}):
        context = _context(step, 0.0, ending=ending, record=record)
        assert system.due(context) == log.due(context)


def test_pace_is_of_the_steps_since_the_last_record():
  system, found = records.System(every=3), []
  # The first step ends at 60 s: it has compiled.
  for step, seconds in enumerate([60, 61, 63, 64, 66, 76], 1):
    waited = 5.0 + 0.25 * (step - 1)
    context = _context(step, float(seconds), waited)
    if system.due(context):
      system(context)
      found.append(context.record)
  assert [r['system/step_seconds'] for r in found] == [1.5, 4.333333]
  # A quarter of a second a step, of which there were 3 s and 13 s.
  assert [r['system/data_wait'] for r in found] == [
    pytest.approx(0.5 / 3, abs=1e-6),
    pytest.approx(0.75 / 13, abs=1e-6),
  ]


def test_memory_and_position_stand_in_the_record(monkeypatch):
  monkeypatch.setattr(
    records.system, 'usage', lambda: usage_lib.Usage(300, 20, 1.0)
  )
  system = records.System(every=1, position=lambda data: {'data/batch': data})
  context = _context(1, 1.0, data=7)
  assert system.due(context)
  system(context)
  found = context.record
  assert found['data/batch'] == 7
  assert found['system/host_bytes'] == 300
  assert found['system/children_bytes'] == 20
  assert abs(found['system/time'] - time.time()) < 60
  # The tests run on a CPU, which tells nothing of its memory.
  assert 'system/device_bytes' not in found
  monkeypatch.setattr(
    records.devices, 'memory', lambda: {'used': 1, 'peak': 2, 'limit': 3}
  )
  monkeypatch.setattr(records.devices, 'platform', lambda: 'GPU')
  system(context)
  names = ('device_bytes', 'device_peak_bytes', 'device_limit_bytes')
  assert [found[f'system/{name}'] for name in names] == [1, 2, 3]
  assert found['system/platform'] == 'GPU'


def test_flops_follow_from_tokens_a_second():
  flops = records.Flops(per_token=100.0, peak=4000.0)
  assert flops({'tokens_per_second': 10.0}) == {
    'system/flops': 1000.0,
    'system/mfu': 0.25,
  }
  assert records.Flops(per_token=2.0)({'tokens_per_second': 3.0}) == {
    'system/flops': 6.0
  }


class Slow(toy.Batches):
  """Makes the loop wait."""

  def __next__(self):
    time.sleep(0.05)
    return super().__next__()


def told_of(step, batches):
  """Returns the records of eight steps, one every four."""
  written = types.SimpleNamespace(records=[])
  written.write = lambda record: written.records.append(dict(record))
  flops = records.Flops(per_token=10.0)
  loop.fit(
    {'step': jnp.int32(0), 'guard': guard.init()},
    step,
    batches,
    [
      records.System(every=4),
      callbacks.Log(every=4, writers=[written], derive=flops),
    ],
    steps=8,
  )
  return written.records


def sums(batch, objective):
  return {
    'objective': objective,
    'nats': jnp.ones(1),
    'counts': jnp.ones(1, jnp.int32),
    'correct': jnp.ones(1, jnp.int32),
    'tokens': jnp.int32(batch['ids'].shape[0]),
    'skipped': jnp.int32(0),
    'streak': jnp.int32(0),
  }


def test_the_loop_counts_the_time_it_waits_for_batches():
  @jax.jit
  def step(state, batch):
    return state | {'step': state['step'] + 1}, sums(batch, jnp.float32(1.0))

  first, second = told_of(step, Slow())
  assert second['system/data_wait'] > 0.5
  assert second['system/step_seconds'] >= 0.05
  for record in (first, second):
    assert record['system/flops'] == 10.0 * record['tokens_per_second']


def test_the_work_of_the_devices_is_time_of_the_steps():
  """Though the loop may be ahead of them, and waits in a callback."""

  def work():
    time.sleep(0.05)
    return np.float32(1.0)

  @jax.jit
  def step(state, batch):
    like = jax.ShapeDtypeStruct((), jnp.float32)
    done = jax.pure_callback(work, like)
    return state | {'step': state['step'] + 1}, sums(batch, done)

  for record in told_of(step, toy.Batches()):
    assert record['system/step_seconds'] >= 0.05
    assert record['tokens_per_second'] <= record['tokens'] / (3 * 0.05)
