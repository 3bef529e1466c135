import itertools
import json

import numpy as np
import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.data import cache, pipeline

FIELDS = 3
SHAPE = {'batch_size': 4, 'context': 32, 'seed': 7}


@pytest.fixture(scope='module')
def corpus():
  rng = np.random.default_rng(0)
  return [
    rng.integers(1, 40, (int(size), FIELDS)).astype(np.int32)
    for size in rng.integers(3, 120, 25)
  ]


@pytest.fixture(scope='module')
def tokens(tmp_path_factory, corpus):
  folder = tmp_path_factory.mktemp('tokens')
  with cache.CacheWriter(folder, sizes=(40,) * FIELDS, tokenizer={}) as writer:
    for index, ids in enumerate(corpus):
      entry = {'name': f'p{index}', 'digest': '', 'notes': 1}
      writer.add('train', entry, ids, np.arange(1, len(ids), 8))
  return cache.TokenCache.open(folder)


def take(iterator, count):
  return list(itertools.islice(iterator, count))


def assert_same(ours, theirs):
  assert len(ours) == len(theirs)
  for one, other in zip(ours, theirs, strict=True):
    assert one.keys() == other.keys()
    for name in one:
      np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize('mode', ['pack', 'pad', 'crop'])
def test_a_batch_holds_stretches_of_pieces(tokens, corpus, mode):
  for batch in pipeline.batches(tokens, 'train', mode=mode, epochs=2, **SHAPE):
    assert batch['ids'].shape == (4, 32, FIELDS)
    for name, array in batch.items():
      assert array.dtype == np.int32, name
      assert array.shape[:2] == ((4,) if name == 'epochs' else (4, 32))
    check_rows(batch, corpus, bars=8)


def check_rows(batch, corpus, bars):
  """Reads each row step by step, as the contract of a batch says."""
  for row in range(4):
    previous = 0
    for t in range(32):
      segment = batch['segments'][row, t]
      piece = batch['pieces'][row, t]
      ids = batch['ids'][row, t]
      if segment == 0:
        assert piece == -1
        assert not ids.any()
        assert not batch['segments'][row, t:].any()
        break
      if segment != previous:
        assert segment == previous + 1
        first, position = t, 0
        stretch = batch['ids'][row][batch['segments'][row] == segment]
        start = find(corpus[piece], stretch, bars)
      assert batch['positions'][row, t] == position == t - first
      np.testing.assert_array_equal(ids, corpus[piece][start + position])
      previous, position = segment, position + 1


def find(piece, stretch, bars):
  """Returns where `stretch` starts in `piece`: at 0 or at a bar."""
  [start] = {
    start
    for start in [0, *range(1, len(piece), bars)]
    for length in [min(3, len(piece) - start, len(stretch))]
    if np.array_equal(piece[start : start + length], stretch[:length])
  }
  return start


def test_a_packed_epoch_shows_every_step_once(tokens, corpus):
  shown = np.concatenate(
    [
      batch['ids'][batch['segments'] > 0]
      for batch in pipeline.batches(tokens, 'train', epochs=1, **SHAPE)
    ]
  )
  expected = np.concatenate(corpus)
  order = np.lexsort(shown.T), np.lexsort(expected.T)
  np.testing.assert_array_equal(shown[order[0]], expected[order[1]])


def test_the_state_is_one_integer_and_resumes_exactly(tokens):
  dataset = pipeline.batches(tokens, 'train', **SHAPE)
  per_epoch = pipeline.batches_per_epoch(tokens, 'train', **SHAPE)
  iterator = iter(dataset)
  take(iterator, per_epoch - 2)
  state = json.loads(json.dumps(iterator.get_state()))
  assert state == {'next_index': per_epoch - 2}
  expected = take(iterator, 5)

  fresh = iter(pipeline.batches(tokens, 'train', **SHAPE))
  fresh.set_state(state)
  assert_same(take(fresh, 5), expected)


def test_epochs_end_where_they_should_and_differ(tokens):
  per_epoch = pipeline.batches_per_epoch(tokens, 'train', **SHAPE)
  two = list(pipeline.batches(tokens, 'train', epochs=2, **SHAPE))
  assert len(two) == 2 * per_epoch
  first, second = (
    np.concatenate([batch['ids'] for batch in part])
    for part in (two[:per_epoch], two[per_epoch:])
  )
  assert not np.array_equal(first, second)


@pytest.mark.parametrize('count', [2, 4])
def test_processes_share_the_same_global_rows(tokens, count):
  whole = take(pipeline.batches(tokens, 'train', **SHAPE), 20)
  shares = [
    take(
      pipeline.batches(
        tokens, 'train', process_index=index, process_count=count, **SHAPE
      ),
      20,
    )
    for index in range(count)
  ]
  joined = [
    {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    for parts in zip(*shares, strict=True)
  ]
  assert_same(joined, whole)


def test_a_state_of_one_process_resumes_on_two(tokens):
  iterator = iter(pipeline.batches(tokens, 'train', **SHAPE))
  take(iterator, 3)
  state, expected = iterator.get_state(), next(iterator)
  for index in range(2):
    half = iter(
      pipeline.batches(
        tokens, 'train', process_index=index, process_count=2, **SHAPE
      )
    )
    half.set_state(state)
    np.testing.assert_array_equal(
      next(half)['ids'], expected['ids'][2 * index : 2 * index + 2]
    )


def test_a_batch_that_does_not_divide_is_refused(tokens):
  with pytest.raises(DataError, match='does not divide over 3 processes'):
    pipeline.batches(tokens, 'train', process_count=3, **SHAPE)


def test_an_unknown_split_is_refused(tokens):
  with pytest.raises(DataError, match='it has train'):
    pipeline.batches(tokens, 'test', **SHAPE)
