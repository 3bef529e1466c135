"""Rows that come and go are what they are in a batch of the same shape."""

import jax
import numpy as np
import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.generation import decode, joining, slots
from aurl_jax.generation.request import Request
from tests.generation import writers

ROWS = 8


@pytest.fixture(scope='module')
def composer():
  model, params = writers.model_of('compound')
  return Composer(
    model=model, params=params, tokenizer=writers.TOKENIZERS['compound']
  )


def rows_of(composer, *requests):
  found = [composer.row(request) for request in requests]
  return [one for row in found for one in row.each()]


def offline(rows, width, size):
  """What one batch of all rows gives, in a cache of the same length."""
  own = [row.writer.split()[1] for row in rows]
  batch = decode.Batch(
    asked=rows[0].batch.asked._replace(
      prompts=[row.batch.prompts[0] for row in rows]
    ),
    budgets=[row.batch.budgets[0] for row in rows],
    seeds=[row.batch.seed for row in rows],
    numbers=own,
    least=width,
  )
  writer = rows[0].writer
  key, _ = writer.split()
  padded = batch.rows(len(rows), size)
  program = decode.program_of(key, None, (size,))
  written = jax.jit(program)(writer.params, writer.sampler, padded)
  return [decode.trim(ids) for ids in np.asarray(written.ids)]


def written(lane, entries, plan):
  """Lets rows join before the blocks that a plan names, one slot each."""
  found = {slot: list(entry.prompt) for slot, entry in enumerate(entries)}
  live, over = np.zeros(lane.slots, bool), set()
  for block in range(200):
    due = [slot for slot in range(len(entries)) if plan[slot] == block]
    for slot in due:
      assert lane.join({slot: entries[slot]})[slot] < 0
      live[slot] = True
    if len(over) == len(entries):
      break
    if live.any():
      told = lane.go(live)
      for slot, new in told.new.items():
        found[slot] += list(new)
      assert not told.broken
      over |= told.ended
      live[list(told.ended)] = False
      yield told
  yield [np.array(steps) for steps in found.values()]


def test_rows_that_join_at_any_time_are_those_of_a_batch(composer):
  rows = rows_of(composer, *(Request(seed=9 * s, bars=2) for s in range(ROWS)))
  entries = [joining.entry(*row.drawing) for row in rows]
  assert len({entry.kind for entry in entries}) == 1
  size = joining.top(composer.model.config.context)
  lane = slots.Lane(entries[0].kind, rows[0].writer.params, size, ROWS)
  lane.compile(entries[0])
  *_, found = written(lane, entries, plan=[0, 0, 1, 1, 2, 3, 7, 2])
  expected = offline(rows, entries[0].width, size)
  for ours, theirs in zip(found, expected, strict=True):
    np.testing.assert_array_equal(ours, theirs)


def test_settings_of_a_row_are_numbers(composer):
  asked = [
    {'temperature': 0.0},
    {'temperature': 1.3, 'top_p': 0.9},
    {'temperature': 0.8},
    {'top_p': 0.5, 'seed': 4},
  ]
  rows = rows_of(composer, *(Request(bars=2, **each) for each in asked))
  entries = [joining.entry(*row.drawing) for row in rows]
  assert len({entry.kind for entry in entries}) == 1
  size = joining.top(composer.model.config.context)
  lane = slots.Lane(entries[0].kind, rows[0].writer.params, size, ROWS)
  *_, found = written(lane, entries, plan=[0, 1, 1, 3])
  for row, ours in zip(rows, found, strict=True):
    # Alone, with its settings as they are, in as many rows.
    alone = offline([row] * ROWS, entries[0].width, size)[0]
    np.testing.assert_array_equal(ours, alone)


def test_a_row_moves_on_to_more_room(composer):
  rows = rows_of(composer, Request(seed=5), Request(seed=6))
  entries = [joining.entry(*row.drawing) for row in rows]
  params = rows[0].writer.params
  lane = slots.Lane(entries[0].kind, params, 24, ROWS)
  size = joining.top(composer.model.config.context)
  far = slots.Lane(entries[0].kind, params, size, 2)
  far.compile(entries[0])
  assert (lane.join(dict(enumerate(entries)))[0] < 0).all()
  live = np.arange(ROWS) < 2
  found = [list(entry.prompt) for entry in entries]
  full = set()
  while live.any():
    told = lane.go(live)
    for slot, new in told.new.items():
      found[slot] += list(new)
    for slot in told.full:
      far.put(slot, lane.take(slot))
    full |= told.full
    live[list(told.full | told.ended)] = False
  assert full, 'the trial needs a piece that is longer than the room'
  live = np.isin(np.arange(far.slots), list(full))
  while live.any():
    told = far.go(live)
    for slot, new in told.new.items():
      found[slot] += list(new)
    live[list(told.ended)] = False
  for row, ours in zip(rows, found, strict=True):
    alone = offline([row] * 2, entries[0].width, size)[0]
    np.testing.assert_array_equal(np.array(ours), alone)
