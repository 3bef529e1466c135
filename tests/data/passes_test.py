"""How far a run has read, counted from the batches themselves."""

import numpy as np
import pytest

from aurl_jax.data import batching, passes


@pytest.mark.parametrize('mode', batching.MODES)
def test_positions_are_those_of_a_reader_who_counts(mode):
  random = np.random.default_rng(3)
  sizes = random.integers(0, 90, 40)
  offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
  bars = np.arange(0, offsets[-1], 7, dtype=np.int64)
  planner = batching.Planner(
    lengths=batching.Lengths(offsets=offsets, bars=bars),
    context=32,
    mode=mode,
    seed=5,
    multiple=4,
  )
  read = passes.Passes(planner, 4)
  assert read.batches == planner.rows // 4
  taken, before = 0, 0
  for epoch in range(3):
    plan, seen = planner.plan(epoch), set()
    for number in range(len(plan) // 4):
      taken += 1
      for row in plan[4 * number : 4 * number + 4].reshape(-1, 3).tolist():
        if row[2]:
          seen.add(row[0])
      expected = (epoch + 1, number + 1, len(plan) // 4, before + len(seen))
      assert read.at(taken) == expected
    assert seen == set(np.flatnonzero(sizes).tolist())
    before += len(seen)
  assert read.epochs(1) == 1
  assert read.epochs(read.batches) == 1
  assert read.epochs(read.batches + 1) == 2
