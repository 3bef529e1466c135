"""How far a run has read, counted from the batches themselves."""

import numpy as np
import pytest

from aurl_jax.data import gather, passes, pipeline
from aurl_jax.data.curriculum import Curriculum
from tests.data import streams


@pytest.fixture(scope='module')
def split_cache(tmp_path_factory):
  sizes = np.random.default_rng(3).integers(1, 90, 40)
  folder = tmp_path_factory.mktemp('passes')
  return streams.write(folder, streams.corpus(sizes), bar=7)


@pytest.mark.parametrize('mode', gather.MODES)
@pytest.mark.parametrize('by', ['none', 'length'])
def test_positions_are_those_of_a_reader_who_counts(split_cache, mode, by):
  course = Curriculum(by=by, first=0.3, ramp=2 if by != 'none' else 0)
  options = {
    'batch_size': 4,
    'context': 32,
    'seed': 5,
    'mode': mode,
    'bucket_rows': 2,
    'curriculum': course,
  }
  read = passes.Passes(gather.timeline(split_cache['train'], options))
  batches = pipeline.batches(split_cache, 'train', epochs=3, **options)
  told = [(batch['epochs'][0], set(np.unique(batch['pieces']).tolist()) - {-1})
          for batch in batches]  # fmt: skip
  counts = np.bincount([epoch for epoch, _ in told])
  before, seen, number = 0, set(), 0
  for taken, (epoch, pieces) in enumerate(told, 1):
    if taken > 1 and epoch != told[taken - 2][0]:
      before, seen, number = before + len(seen), set(), 0
    seen |= pieces
    number += 1
    expected = (epoch + 1, number, counts[epoch], before + len(seen))
    assert read.at(taken) == expected
    assert read.epochs(taken) == epoch + 1
