"""Training and evaluation over buckets: a program a shape, the same music."""

import itertools

import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.data import pipeline
from aurl_jax.experiment import build, data, evaluate, pages, sections
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.training import evaluate as evaluate_lib

PAGE = (
  'mesh.data=1',
  'model.context=64',
  'model.layers=1',
  'generate.bars=0',
  'data.batching=bucket',
  'data.buckets=32',
  'data.bucket_rows=2',
  'train.accumulate=2',
  'train.batch_size=4',
  'augment.transpose=3',
)
SHAPES = {(4, 64), (8, 32)}


@pytest.fixture(scope='module')
def songs(tmp_path_factory):
  folder = tmp_path_factory.mktemp('songs')
  for number in range(30):
    count = 2 + number
    pitch = 50 + (np.arange(count) * (number % 5 + 1)) % 23
    columns = {'onset': np.arange(count) * 480, 'duration': 480}
    notes = Notes.build(480, columns | {'pitch': pitch})
    midi.write(notes, folder / f'{number}.mid')
  return folder


@pytest.fixture(scope='module')
def made(songs, tmp_path_factory):
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('AURL_CACHE', str(tmp_path_factory.mktemp('cache')))
    words = [f'data.source={songs}', *PAGE]
    run = sections.parse(pages.load(pages.find('tiny:test'), words))
    parts = build.build(run)
    cache = data.prepared(run, quiet=True)
  with mesh_lib.use(parts.mesh):
    yield parts, cache


def shape(batch):
  return batch['ids'].shape[:2]


@pytest.mark.slow
def test_each_shape_is_compiled_once(made):
  parts, cache = made
  step, state = parts.train_step(cache), parts.fresh_state()
  per_epoch = pipeline.batches_per_epoch(cache, 'train', **parts.run.rows)
  batches = data.train_batches(parts.run, cache, parts.mesh)
  seen = set()
  for batch in itertools.islice(batches, 2 * per_epoch):
    seen.add(shape(batch))
    state, metrics = step(state, batch)
    assert np.isfinite(metrics['loss'])
    assert int(metrics['tokens']) > 0
  assert seen == SHAPES
  assert step._cache_size() == len(SHAPES)


def test_evaluation_in_buckets_finds_what_padded_rows_do(made):
  parts, cache = made
  params = parts.fresh_state()['params']
  found = evaluate.judge(parts, cache, 'train')(params)
  batches = data.split_batches(parts.run, cache, 'train', parts.mesh)
  assert {shape(batch) for batch in batches} == SHAPES
  padded = pipeline.batches(
    cache, 'train', epochs=1, **data.options(parts.run, 'pad')
  )
  expected = evaluate_lib.evaluate(
    parts.eval_step, params, padded, fields=parts.fields, mesh=parts.mesh
  )
  assert found['tokens'] == expected['tokens']
  assert found['loss'] == pytest.approx(expected['loss'], rel=1e-5)
  assert found['accuracy'] == pytest.approx(expected['accuracy'])


def test_buckets_pad_less_than_full_rows(made):
  parts, cache = made
  found = data.padding(parts.run, cache)
  assert list(found) == ['bucket', 'pad', 'pack']
  for mode, share in found.items():
    batches = pipeline.batches(
      cache, 'train', epochs=1, **data.options(parts.run, mode)
    )
    empty = np.concatenate([b['segments'].ravel() == 0 for b in batches])
    assert share == pytest.approx(empty.mean())
  assert found['pack'] < found['bucket'] < found['pad']


@pytest.mark.parametrize(
  ('changes', 'told'),
  [
    (['data.buckets=32,80'], 'less than the context, 64'),
    (['data.bucket_rows=3'], 'does not divide train.batch_size 4'),
    (['data.batching=heap'], 'pack, pad, crop or bucket'),
    (['data.buckets=32;40'], 'commas'),
    (['data.workers=-1'], 'data.workers'),
    (['data.max_bad=101.0'], 'data.max_bad'),
  ],
)
def test_wrong_options_are_refused(changes, told):
  page = pages.load(pages.find('tiny:test'), [*PAGE, *changes])
  with pytest.raises(ConfigError, match=told):
    sections.parse(page)


def test_rows_of_buckets_must_divide_over_devices():
  run = sections.parse(pages.load(pages.find('tiny:test'), list(PAGE)))
  sections.check_devices(run, 1)
  with pytest.raises(ConfigError, match=r'data\.bucket_rows 2 \(in 2 parts\)'):
    sections.check_devices(run, 2)
