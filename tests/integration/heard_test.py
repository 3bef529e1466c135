"""A run whose states are asked what the studies hear: it learns to say it."""

import jax
import numpy as np
import pytest

from aurl_jax.data import rooms
from aurl_jax.data.augment import Augmenter
from aurl_jax.experiment import build, data, pages, sections
from aurl_jax.music import midi
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.tokens import control_dropout
from tests.data import studied_test

PAGE = (
  'tokenizer.name=aurl_jax.tokens.compound:Compound',
  'tokenizer.controls=True',
  'tokenizer.studied=True',
  'tokenizer.cells_per_beat=4',
  'data.controls=studied',
  'data.batching=pack',
  'model.heard=harmony,section',
  'loss.auxiliary=harmony=0.5,section=0.2',
  'model.context=256',
  'model.width=64',
  'model.shared_pitch=True',
  'model.dropout=0.0',
  'loss.likelihood=0',
  'model.layers=1',
  'mesh.data=1',
  'generate.bars=0',
  'train.batch_size=4',
  'train.steps=60',
  'augment.transpose=3',
  'optimizer.learning_rate=0.01',
  'optimizer.warmup_steps=2',
)


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  folder = tmp_path_factory.mktemp('songs')
  for up in range(-4, 5):
    notes, _ = studied_test.song(up=up)
    midi.write(notes, folder / f'{up + 4}.mid')
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('AURL_CACHE', str(tmp_path_factory.mktemp('cache')))
    words = [f'data.source={folder}', *PAGE]
    run = sections.parse(pages.load(pages.find('tiny:test'), words))
    parts = build.build(run)
    cache = data.prepared(run, quiet=True)
  with mesh_lib.use(parts.mesh):
    yield parts, cache


def test_the_loss_of_what_is_asked_falls(made):
  parts, cache = made
  batches = iter(data.train_batches(parts.run, cache, parts.mesh))
  step, state = parts.train_step(), parts.fresh_state()
  seen, labels = [], []
  for _ in range(60):
    batch = next(batches)
    labels.append(batch['aux']['harmony'])
    state, metrics = step(state, batch)
    count = float(metrics['counts'].sum())
    seen.append(float(metrics['aux/harmony']) / count)
  assert seen[0] == pytest.approx(np.log(169), rel=0.05)
  # Better than who knows how often each chord is, and has not heard the music.
  share = np.bincount(np.concatenate(labels)[np.concatenate(labels) >= 0])
  share = share[share > 0] / share.sum()
  assert np.mean(seen[-5:]) < -(share * np.log(share)).sum()


def test_nobody_reads_the_labels(made):
  parts, cache = made
  codec = parts.run.tokenizer.codec
  asked = [control_dropout.KINDS.index(k) for k in ('harmony', 'section')]
  for batches in (
    data.train_batches(parts.run, cache, parts.mesh),
    data.split_batches(parts.run, cache, 'train', parts.mesh),
  ):
    batch = next(iter(batches))
    for row in batch['ids']:
      assert not np.isin(control_dropout.kinds(codec, row), asked).any()
    assert (batch['aux']['harmony'] >= 0).any()


def test_labels_are_transposed_with_the_notes(made):
  parts, cache = made
  batch = next(iter(data.train_batches(parts.run, cache, parts.mesh)))
  run = parts.run
  codec, grid = run.tokenizer.codec, run.tokenizer.grid
  found = rooms.measure(cache['train'], codec, grid)
  change = Augmenter(run.augment, run.tokenizer, found)
  moved = jax.jit(change)(batch, jax.random.key(5), np.int32(0))
  before, after = batch['aux']['harmony'], np.asarray(moved['aux']['harmony'])
  pitch, said = ids_of(run, batch['ids']), ids_of(run, moved['ids'])
  shifts = set()
  for row in range(len(before)):
    for piece in np.unique(batch['segments'][row]):
      here = (batch['segments'][row] == piece) & (before[row] > 0)
      notes = (batch['segments'][row] == piece) & (pitch[row] > 0)
      if not here.any():
        continue
      (by,) = set((said[row] - pitch[row])[notes].tolist())
      shifts.add(by)
      old, new = before[row][here] - 1, after[row][here] - 1
      np.testing.assert_array_equal(new % 14, old % 14)
      np.testing.assert_array_equal(new // 14, (old // 14 + by) % 12)
    unknown = before[row] <= 0
    np.testing.assert_array_equal(after[row][unknown], before[row][unknown])
  assert len(shifts) > 1
  np.testing.assert_array_equal(
    moved['aux']['section'], batch['aux']['section']
  )


def ids_of(run, ids):
  """Returns the MIDI pitch of each step, 0 for none."""
  field = run.tokenizer.codec.fields[4]
  column = np.asarray(ids)[..., 4]
  return np.where(field.holds('pitch', column), field.values[column], 0)
