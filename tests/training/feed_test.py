"""Batches one ahead, with the iterator's state at each."""

import jax
import numpy as np
import pytest

from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.training import feed
from tests.training import toy


def test_hands_out_every_batch_in_order_and_the_state_after_it():
  batches = feed.Feed(toy.Batches(end=3))
  states, seen = [], []
  while not batches.empty:
    seen.append(batches.take())
    states.append(batches.state['index'])
    batches.fetch()
  assert states == [1, 2, 3]
  for seed, batch in enumerate(seen, 1):
    assert isinstance(batch['ids'], jax.Array)
    np.testing.assert_array_equal(batch['ids'], toy.batch(seed)['ids'])


def test_the_state_restores_what_was_fetched_ahead():
  source = toy.Batches()
  batches = feed.Feed(source)
  batches.take()
  batches.fetch()
  other = toy.Batches()
  other.set_state(batches.state)
  expected = batches.take()['ids']
  np.testing.assert_array_equal(next(other)['ids'], expected)
  assert source.index == 2


def test_waiting_for_batches_is_counted_and_nothing_else(monkeypatch):
  now = [0.0]
  monkeypatch.setattr(feed.time, 'perf_counter', lambda: now[0])

  def slow(seed, rows, steps):
    now[0] += 2.0
    return toy.batch(seed, rows, steps)

  batches = feed.Feed(toy.Batches(make=slow))
  assert batches.seconds_waited == 2.0
  batches.take()
  now[0] += 100.0
  batches.fetch()
  assert batches.seconds_waited == 4.0


def test_taking_from_an_empty_feed_stops():
  batches = feed.Feed(iter(()))
  assert batches.empty
  with pytest.raises(StopIteration):
    batches.take()


def test_a_mesh_gets_its_rows_split():
  mesh = mesh_lib.make_mesh(mesh_lib.MeshConfig(data=1))
  placed = feed.placer(mesh)(toy.batch(1))
  assert placed['ids'].sharding.mesh == mesh
  assert placed['ids'].sharding.spec[0] == ('data', 'fsdp')


def test_each_process_gives_its_own_rows(monkeypatch):
  mesh = mesh_lib.make_mesh(mesh_lib.MeshConfig(data=1))
  monkeypatch.setattr(feed.jax, 'process_count', lambda: 2)
  given = []
  monkeypatch.setattr(
    feed.rules, 'place_batch', lambda *arguments: given.append(arguments)
  )
  batch = toy.batch(1)
  feed.placer(mesh)(batch)
  assert given == [(batch, mesh)]
