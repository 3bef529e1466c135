import collections
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurl_jax.data import batching


def lengths(sizes, bars=()):
  offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
  starts = [
    offset + bar
    for offset, size, own in zip(offsets, sizes, bars, strict=False)
    for bar in sorted(own)
    if bar < size
  ]
  return batching.Lengths(offsets=offsets, bars=np.array(starts, np.int64))


@st.composite
def pieces(draw):
  sizes = draw(st.lists(st.integers(1, 90), min_size=1, max_size=30))
  step = draw(st.integers(1, 40))
  phase = draw(st.integers(0, step - 1))
  return lengths(sizes, [range(phase, size, step) for size in sizes])


def steps_of(plan):
  """Every (piece, step) of a plan, counted one by one."""
  seen = collections.Counter()
  for row in plan.tolist():
    for piece, start, length in row:
      seen.update((piece, start + i) for i in range(length))
  return seen


def all_steps(held):
  sizes = np.diff(held.offsets).tolist()
  return {(p, i): 1 for p, size in enumerate(sizes) for i in range(size)}


@given(
  held=pieces(),
  context=st.integers(2, 64),
  mode=st.sampled_from(['pack', 'pad']),
  seed=st.integers(0, 2**32),
  epoch=st.integers(0, 1000),
)
def test_an_epoch_holds_every_step_exactly_once(
  held, context, mode, seed, epoch
):
  planner = batching.Planner(
    lengths=held, context=context, mode=mode, seed=seed, multiple=3
  )
  plan = planner.plan(epoch)
  assert steps_of(plan) == all_steps(held)
  assert plan[:, :, 2].sum(axis=1).max() <= context
  assert len(plan) == planner.rows
  assert planner.rows % 3 == 0


@given(held=pieces(), context=st.integers(2, 64), seed=st.integers(0, 99))
def test_cuts_are_bar_starts_where_a_bar_is_in_reach(held, context, seed):
  plan = batching.Planner(lengths=held, context=context, seed=seed).plan(0)
  bars = set(held.bars.tolist())
  chunks = sorted(chunk for chunk in plan.reshape(-1, 3).tolist() if chunk[2])
  for one, two in itertools.pairwise(chunks):
    if one[0] == two[0]:
      offset = int(held.offsets[one[0]])
      begin, middle = offset + one[1], offset + two[1]
      assert middle in bars or not bars & set(range(begin + 1, middle + 1))


@given(held=pieces(), context=st.integers(2, 64), seed=st.integers(0, 99))
def test_crops_start_at_bars_and_fill_the_context_but_for_a_bar(
  held, context, seed
):
  crops = batching.crop(held, context, np.random.default_rng(seed))
  sizes = np.diff(held.offsets)
  bars = set(held.bars.tolist())
  counts = collections.Counter()
  for piece, start, length in crops.tolist():
    counts[piece] += 1
    begin = int(held.offsets[piece]) + start
    assert start == 0 or begin in bars
    assert length == min(context, sizes[piece] - start)
    if length < context and start:
      # No bar between here and the last full crop: the end must be reachable.
      last_full = int(held.offsets[piece + 1]) - context
      assert not bars & set(range(max(0, last_full), begin))
  for piece, size in enumerate(sizes.tolist()):
    assert counts[piece] == max(1, round(size / context))


def test_crops_reach_the_start_and_the_end_of_a_long_piece():
  held = lengths([100], [range(0, 100, 7)])
  starts, ends = set(), set()
  for seed in range(200):
    [[_, start, length]] = batching.crop(
      held, 70, np.random.default_rng(seed)
    ).tolist()
    starts.add(start)
    ends.add(start + length)
  assert starts == {0, 7, 14, 21, 28, 35}
  assert max(ends) == 100


def test_the_plan_follows_from_seed_and_epoch_alone():
  held = lengths([50, 20, 70, 9], [range(0, 70, 5)] * 4)

  def plan(seed, epoch):
    return batching.Planner(lengths=held, context=16, seed=seed).plan(epoch)

  np.testing.assert_array_equal(plan(1, 2), plan(1, 2))
  assert not np.array_equal(plan(1, 2), plan(1, 3))
  assert not np.array_equal(plan(1, 2), plan(2, 2))


def test_long_pieces_are_cut_elsewhere_in_each_epoch():
  held = lengths([200], [range(0, 200, 3)])
  planner = batching.Planner(lengths=held, context=30)
  cuts = {
    tuple(sorted(plan[plan[:, :, 2] > 0][:, 1].tolist()))
    for plan in map(planner.plan, range(20))
  }
  assert len(cuts) > 5


def test_pieces_that_fit_are_never_cut():
  held = lengths([16, 3, 9, 16, 1], [range(16)] * 5)
  plan = batching.Planner(lengths=held, context=16).plan(5)
  assert {length for _, _, length in plan.reshape(-1, 3).tolist()} == {
    0,
    1,
    3,
    9,
    16,
  }


def test_padding_gives_each_row_one_chunk():
  held = lengths([40, 5, 7], [range(0, 40, 10)] * 3)
  plan = batching.Planner(lengths=held, context=25, mode='pad').plan(0)
  rows = sorted(plan[:, 0].tolist())
  assert plan.shape[1] == 1
  assert rows == [[0, 0, 20], [0, 20, 20], [1, 0, 5], [2, 0, 7]]


def test_a_bar_longer_than_the_context_is_cut_at_the_context():
  held = lengths([25], [[0]])
  chunks = batching.cut(held, np.array([10]), 10)
  assert chunks.tolist() == [[0, 0, 10], [0, 10, 10], [0, 20, 5]]


def test_packing_is_tight_and_within_the_most_chunks_of_a_row():
  rng = np.random.default_rng(0)
  sizes = rng.integers(20, 400, 3000)
  rows = batching.pack(sizes, 512, rng)
  assert sorted(rows[rows >= 0].tolist()) == list(range(3000))
  assert len(rows) <= 1.01 * sizes.sum() / 512
  tiny = batching.pack(np.ones(1000, np.int64), 512, rng)
  assert tiny.shape == (-(-1000 // batching.MAX_CHUNKS), batching.MAX_CHUNKS)


def test_equal_chunks_meet_others_in_each_shuffle():
  sizes = np.full(40, 10)
  one, two = (
    batching.pack(sizes, 20, np.random.default_rng(seed)) for seed in (0, 1)
  )
  assert not np.array_equal(one, two)


def test_empty_pieces_are_left_out():
  plan = batching.Planner(lengths=lengths([0, 4, 0, 3]), context=4).plan(0)
  assert sorted(plan[plan[:, :, 2] > 0].tolist()) == [[1, 0, 4], [3, 0, 3]]


@pytest.mark.parametrize(
  'wrong', [{'mode': 'bucket'}, {'context': 1}, {'multiple': 0}]
)
def test_a_wrong_plan_is_refused(wrong):
  options = {'lengths': lengths([4]), 'context': 8} | wrong
  with pytest.raises(ValueError, match=next(iter(wrong))):
    batching.Planner(**options)


def test_the_number_of_rows_never_changes():
  rng = np.random.default_rng(3)
  sizes = rng.integers(100, 900, 60)
  held = lengths(sizes, [range(0, 900, 11)] * 60)
  planner = batching.Planner(lengths=held, context=256, multiple=1)
  counts = {len(planner.plan(epoch)) for epoch in range(30)}
  assert counts == {planner.rows}
  assert planner.rows * 256 <= 1.1 * sizes.sum()
