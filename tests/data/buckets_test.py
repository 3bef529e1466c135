import collections
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurl_jax.core.errors import ConfigError
from aurl_jax.data import batching, buckets


def lengths(sizes):
  offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
  bars = [range(a, b, 7) for a, b in itertools.pairwise(offsets)]
  starts = [start for own in bars for start in own]
  return batching.Lengths(offsets=offsets, bars=np.array(starts, np.int64))


def bucketer(sizes, context=64, batch_size=4, seed=0, **asked):
  made = buckets.shapes(context, batch_size, **asked)
  return buckets.Bucketer(lengths=lengths(sizes), shapes=made, seed=seed)


@given(
  sizes=st.lists(st.integers(1, 200), min_size=1, max_size=60),
  contexts=st.sampled_from([(), (16, 48), (5, 9, 33, 64)]),
  unit=st.sampled_from([0, 1, 2]),
  epoch=st.integers(0, 1000),
)
def test_an_epoch_holds_every_step_once_in_batches_of_one_shape(
  sizes, contexts, unit, epoch
):
  made = buckets.shapes(64, 4, contexts, unit)
  planner = buckets.Bucketer(lengths=lengths(sizes), shapes=made, seed=3)
  plan = planner.plan(epoch)
  seen = collections.Counter()
  for number in range(len(plan)):
    rows = plan.share(number)
    context = plan.contexts[number]
    assert (len(rows), context) in {tuple(shape) for shape in made}
    for [[piece, start, length]] in rows.tolist():
      assert length <= context
      seen.update((piece, start + step) for step in range(length))
  assert seen == {
    (p, i): 1 for p, size in enumerate(sizes) for i in range(size)
  }
  assert len(plan) == planner.batches


@given(
  batch_size=st.integers(1, 64),
  contexts=st.lists(st.integers(2, 511), max_size=8, unique=True).map(sorted),
  data=st.data(),
)
def test_shapes_hold_the_budget_and_divide(batch_size, contexts, data):
  units = [n for n in range(1, batch_size + 1) if batch_size % n == 0]
  unit = data.draw(st.sampled_from(units))
  made = buckets.shapes(512, batch_size, contexts, unit)
  assert made[-1] == (batch_size, 512)
  for rows, context in made:
    assert rows % unit == 0
    assert rows * context <= batch_size * 512 < (rows + unit) * context


def test_halves_hold_exactly_as_many_steps():
  assert buckets.shapes(512, 16) == (
    (128, 64),
    (64, 128),
    (32, 256),
    (16, 512),
  )


@pytest.mark.parametrize(
  ('wrong', 'told'),
  [
    ({'contexts': (64, 32)}, 'ascend'),
    ({'contexts': (1, 32)}, 'ascend'),
    ({'contexts': (32, 600)}, 'ascend'),
    ({'contexts': range(2, 40)}, 'compiled'),
    ({'unit': 3}, 'bucket_rows 3 does not divide'),
    ({'unit': 32}, 'bucket_rows'),
  ],
)
def test_wrong_buckets_are_refused(wrong, told):
  with pytest.raises(ConfigError, match=told):
    buckets.shapes(512, 16, **wrong)


def test_the_plan_follows_from_seed_and_epoch_alone():
  sizes = np.random.default_rng(0).integers(3, 90, 80)

  def rows(seed, epoch):
    return bucketer(sizes, seed=seed).plan(epoch).rows

  np.testing.assert_array_equal(rows(1, 2), rows(1, 2))
  assert not np.array_equal(rows(1, 2), rows(1, 3))
  assert not np.array_equal(rows(1, 2), rows(2, 2))


def test_batches_of_all_buckets_are_mixed():
  sizes = np.random.default_rng(0).integers(3, 64, 900)
  contexts = bucketer(sizes).plan(0).contexts
  shares = np.unique(contexts, return_counts=True)[1] / len(contexts)
  # How often neighbours differ when the order is of chance.
  expected = 1 - (shares**2).sum()
  assert (np.diff(contexts) != 0).mean() == pytest.approx(expected, abs=0.12)


@given(seed=st.integers(0, 99))
def test_a_chunk_lies_in_the_shortest_row_but_to_fill_a_batch(seed):
  sizes = np.random.default_rng(seed).integers(3, 64, 300)
  plan = bucketer(sizes).plan(0)
  shorter = collections.Counter()
  for number in range(len(plan)):
    context = int(plan.contexts[number])
    length = plan.share(number)[:, 0, 2]
    least = {8: 0, 16: 8, 32: 16, 64: 32}[context]
    shorter[context] += int(((length > 0) & (length <= least)).sum())
  # Fewer than a batch of that bucket has rows.
  for context, rows in {8: 1, 16: 16, 32: 8, 64: 4}.items():
    assert shorter[context] < rows


def test_buckets_pad_less_than_rows_of_the_whole_context():
  sizes = np.random.default_rng(2).integers(4, 128, 2000)
  padded = 1 - sizes.sum() / (128 * len(sizes))
  plan = bucketer(sizes, context=128, batch_size=8).plan(0)
  space = sum(
    len(plan.share(number)) * int(plan.contexts[number])
    for number in range(len(plan))
  )
  assert plan.padding == pytest.approx(1 - sizes.sum() / space)
  assert plan.padding < 0.3 < 0.45 < padded


def test_a_leftover_fills_a_batch_of_the_next_bucket():
  # Nine chunks of 8 need one row more than a batch of eight has.
  plan = bucketer(
    [8] * 9 + [16] * 3, context=16, batch_size=4, contexts=(8,)
  ).plan(0)
  assert sorted(plan.contexts.tolist()) == [8, 16]
