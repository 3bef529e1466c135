"""The tools that look at a step and at attention, on what is known."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.parallel import memory

pytestmark = pytest.mark.usefixtures('tool_folder')
load = importlib.import_module


def compiled(function, *shapes):
  arrays = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
  return jax.jit(function).lower(*arrays).compile().as_text()


def test_flops_of_products_are_counted_wherever_they_stand():
  profile = load('profile_step')

  def function(x, y, z):
    first = jnp.sin(x @ y) @ z
    return first + jnp.einsum('ij,jk->ik', x, y) @ z * 2

  text = compiled(function, (8, 16), (16, 32), (32, 4))
  # The same product twice is computed once.
  assert profile.products(text) in (
    2 * 8 * 16 * 32 + 2 * (2 * 8 * 32 * 4),
    2 * (2 * 8 * 16 * 32) + 2 * (2 * 8 * 32 * 4),
  )


def test_operations_are_told_by_kind_with_what_they_move():
  profile = load('profile_step')
  text = compiled(lambda x: jnp.sort(x, axis=0), (6400, 40))
  rows = profile.by_kind(text)
  found = {kind: float(moved) for kind, _, moved in rows[1:]}
  # Read and written once, in megabytes.
  assert found['sort'] == pytest.approx(2 * 6400 * 40 * 4 / 1e6, abs=0.1)
  assert rows[0] == ['operation', 'times', 'MB read and written']


def test_the_table_of_memory_has_a_column_a_program():
  profile = load('profile_memory')
  assert profile.combinations(['a=1,2', 'b=x']) == [
    ['a=1', 'b=x'],
    ['a=2', 'b=x'],
  ]
  report = memory.Report(
    parts={'parameters': 2000, 'batch': 10},
    limit=0,
    devices=2,
    platform='cpu',
    shape=(1, 1),
  )
  text = profile.shown({'one': report, 'two': report})
  assert text.splitlines()[2].split() == ['parameters', *['2.0', 'kB'] * 2]
  total = text.splitlines()[4].split()
  assert total == ['in', 'all', *['2.0', 'kB'] * 2]


def maps(*choices):
  """One map a choice: where step t looks, a function of t."""
  steps = np.arange(8)
  weights = np.zeros((1, len(choices), 8, 8))
  for head, choice in enumerate(choices):
    for step in steps:
      looks = np.atleast_1d(choice(step))
      weights[0, head, step, looks] = 1 / len(looks)
  return weights


def test_heads_are_described_by_where_they_look():
  attention = load('visualize_attention')
  # BOS, then bars of four steps.
  bars = np.array([1, 5])
  itself, first, even, back = attention.statistics(
    maps(
      lambda t: t,
      lambda t: 0,
      lambda t: np.arange(t + 1),
      lambda t: max(0, t - 3),
    ),
    bars,
  )
  assert (itself['entropy'], itself['distance']) == (0, 0)
  assert (first['first'], first['distance']) == (1, 3.5)
  assert even['entropy'] == pytest.approx(1)
  # Three back from here is one bar of four before what comes next.
  assert back['bar before'] == 1
  assert itself['bar before'] == 0


def test_maps_are_drawn_a_panel_a_head():
  attention = load('visualize_attention')
  figure = attention.draw(
    maps(lambda t: t, lambda t: 0), np.array([1, 5]), 'title'
  )
  titles = [axes.get_title() for axes in figure.axes]
  assert titles[:2] == ['layer 0, head 0', 'layer 0, head 1']
