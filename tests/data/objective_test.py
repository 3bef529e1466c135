"""Mixed batches: rows that can be turned back into the pieces they are of."""

import dataclasses
import itertools
import json

import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.data import cache, pipeline
from aurl_jax.data.gather import Maker
from aurl_jax.data.objective import KINDS, Mixture, ObjectiveConfig, Stretch
from aurl_jax.data.worker import Job
from aurl_jax.tokens import controls as controls_lib
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.infill import Infill
from aurl_jax.tokens.performance import Performance
from aurl_jax.tokens.remi import Remi
from tests.data import streams
from tests.tokens import pieces

TOKENIZERS = {
  'remi': Remi(infill=True, cells_per_beat=4),
  'compound': Compound(infill=True, controls=True),
  'grid': VoiceGrid(infill=True),
}
MIX = ObjectiveConfig(causal=0.3, bars=0.3, tracks=0.2, given=0.2)
SHAPE = {'batch_size': 4, 'context': 192, 'seed': 3}


def music(name, seed):
  if name == 'grid':
    return pieces.chorale(seed, bars=2 + seed % 12)
  return pieces.piece(seed, notes=40, beats=16)


def encode(name, seed):
  tokenizer, notes = TOKENIZERS[name], music(name, seed)
  if name != 'compound':
    return tokenizer.encode(notes)
  asked = controls_lib.of(notes, tokenizer.grid, bars=True)
  return tokenizer.encode(notes, asked)


@pytest.fixture(scope='module')
def caches(tmp_path_factory):
  found = {}
  for name, tokenizer in TOKENIZERS.items():
    folder = tmp_path_factory.mktemp(name)
    sizes = tokenizer.codec.sizes
    with cache.CacheWriter(folder, sizes=sizes, tokenizer={}) as writer:
      for seed in range(30):
        ids = encode(name, seed)
        entry = {'name': str(seed), 'digest': '', 'notes': 1}
        writer.add('train', entry, ids, tokenizer.bar_steps(ids))
    found[name] = cache.TokenCache.open(folder)
  return found


def mixture(name, config=MIX, **options):
  codec = TOKENIZERS[name].codec
  return Mixture(config=config, codec=codec, **options)


def stream(caches, name, config=MIX, count=None, **options):
  given = {'epochs': 1, 'objective': mixture(name, config)} | SHAPE | options
  found = pipeline.batches(caches[name], 'train', **given)
  return list(itertools.islice(found, count))


def stretches(batch):
  """Yields piece, ids and weights of each segment."""
  for row in range(len(batch['ids'])):
    segments = batch['segments'][row]
    for number in range(1, segments.max() + 1):
      here = np.flatnonzero(segments == number)
      assert (np.diff(here) == 1).all()
      positions = batch['positions'][row, here]
      assert positions.tolist() == list(range(len(here)))
      yield (
        int(batch['pieces'][row, here[0]]),
        batch['ids'][row, here],
        batch['weights'][row, here],
      )


def is_infill(name, ids):
  return bool(TOKENIZERS[name].codec.holds('fill', ids[:, 0]).any())


@pytest.mark.parametrize('name', TOKENIZERS)
@pytest.mark.parametrize('mode', ['pack', 'pad', 'crop', 'bucket'])
def test_every_stretch_is_one_of_its_piece(caches, name, mode):
  config = dataclasses.replace(MIX, control_dropout=0.0)
  infill = Infill(TOKENIZERS[name].codec)
  filled = 0
  for batch in stream(caches, name, config, mode=mode):
    padding = batch['segments'] == 0
    assert not batch['ids'][padding].any()
    assert not batch['weights'][padding].any()
    assert (batch['pieces'][padding] == -1).all()
    for array in batch.values():
      assert array.dtype == np.int32
    for piece, ids, weights in stretches(batch):
      whole = caches[name]['train'][piece]
      back = infill.put_back(ids)
      assert contains(whole, back)
      if is_infill(name, ids):
        filled += 1
        check_weights(name, ids, weights)
      else:
        assert weights.all()
  assert filled > 5


def contains(whole, part):
  starts = range(len(whole) - len(part) + 1)
  return any((whole[s : s + len(part)] == part).all() for s in starts)


def check_weights(name, ids, weights):
  codec = TOKENIZERS[name].codec
  begun = False
  for step, counted in zip(ids.tolist(), weights.tolist(), strict=True):
    names = [codec.event(i, f)[0] for f, i in enumerate(step)]
    if names[0] == 'fill':
      begun, header = True, True
    elif begun and header:
      header = names[0] in ('program', 'voice') and len(step) == 1
    if not begun or header:
      assert not any(counted)
    else:
      assert counted == [int(event != 'mask') for event in names]


@pytest.mark.parametrize('name', TOKENIZERS)
def test_an_epoch_still_shows_every_step_once(caches, name):
  config = dataclasses.replace(MIX, control_dropout=0.0)
  infill = Infill(TOKENIZERS[name].codec)
  shown = [
    infill.put_back(ids)
    for batch in stream(caches, name, config)
    for _, ids, _ in stretches(batch)
  ]
  shown = np.concatenate(shown)
  expected = np.concatenate(list(caches[name]['train']))
  order = np.lexsort(shown.T), np.lexsort(expected.T)
  np.testing.assert_array_equal(shown[order[0]], expected[order[1]])


@pytest.mark.parametrize('name', TOKENIZERS)
def test_most_that_is_drawn_fits(caches, name):
  drawn = infilled = 0
  for batch in stream(caches, name, dataclasses.replace(MIX, causal=0.0)):
    for _, ids, _ in stretches(batch):
      drawn += 1
      infilled += is_infill(name, ids)
  assert infilled > 0.8 * drawn


def test_shares_are_those_of_the_config():
  mixed = mixture('grid')
  found = mixed.kinds(0, 0, np.arange(20_000))
  shares = np.bincount(found, minlength=4) / 20_000
  np.testing.assert_allclose(shares, [0.3, 0.3, 0.2, 0.2], atol=0.015)
  only = mixture('grid', ObjectiveConfig(causal=0.0, tracks=2.0))
  assert set(only.kinds(5, 1, np.arange(5000))) == {KINDS.index('tracks')}
  # Another epoch and another seed draw anew.
  again = mixed.kinds(0, 1, np.arange(20_000))
  assert 0.2 < (found == again).mean() < 0.32
  assert (mixed.kinds(0, 0, np.array([7, 3])) == found[[7, 3]]).all()


@pytest.mark.parametrize('name', TOKENIZERS)
def test_the_stream_follows_from_the_number_of_the_batch(caches, name):
  given = {'objective': mixture(name)} | SHAPE
  straight = pipeline.stream(caches[name], 'train', **given)
  whole = streams.digests(straight, 12)
  resumed = pipeline.stream(caches[name], 'train', **given)
  resumed.set_state({'next_index': 7})
  assert streams.digests(resumed, 5) == whole[7:]
  shares = [
    list(
      itertools.islice(
        pipeline.batches(
          caches[name],
          'train',
          process_index=index,
          process_count=2,
          **given,
        ),
        12,
      )
    )
    for index in range(2)
  ]
  assert [streams.digest(batch) for batch in streams.joined(shares)] == whole
  assert len(set(whole)) == 12


def test_a_job_of_a_worker_makes_the_same(caches):
  name = 'compound'
  options = {'objective': mixture(name)} | SHAPE
  job = Job(
    folder=str(caches[name].folder),
    split='train',
    options=options,
    index=0,
    count=1,
    known={},
    batches=(0, 3, 1),
  )
  text = job.to_json()
  assert json.loads(text)['options']['objective']['config']['bars'] == 0.3
  theirs = Job.from_json(text).maker()
  ours = Maker(caches[name]['train'], options)
  for number in range(3):
    one, other = ours(number).arrays, theirs(number).arrays
    assert streams.digest(one) == streams.digest(other)


def test_controls_are_dropped_by_epoch_and_piece(caches):
  name, codec = 'compound', TOKENIZERS['compound'].codec
  config = ObjectiveConfig(control_dropout=0.5)
  counts = []
  for epochs in (1, 2):
    batches = stream(caches, name, config, epochs=epochs)
    counts.append(
      sum(codec.holds('control', b['ids'][..., 0]).sum() for b in batches)
    )
  ids = np.concatenate(list(caches[name]['train']))
  told = codec.holds('control', ids[:, 0]).sum()
  assert 0.1 * told < counts[0] < 0.45 * told
  assert counts[1] - counts[0] not in (0, counts[0])


def test_nothing_changes_by_default(caches):
  plain = Mixture(config=ObjectiveConfig(), codec=Remi().codec)
  assert not plain.changes
  mixed = stream(caches, 'grid', ObjectiveConfig(), count=3)
  before = list(
    itertools.islice(
      pipeline.batches(caches['grid'], 'train', epochs=1, **SHAPE), 3
    )
  )
  for one, other in zip(mixed, before, strict=True):
    assert streams.digest(one) == streams.digest(other)
    assert 'weights' not in one


@pytest.mark.parametrize('name', TOKENIZERS)
def test_both_sides_and_the_left_count_the_same_ids(caches, name):
  only = ObjectiveConfig().only('bars')
  found = []
  for told in ('both', 'left'):
    mixed = mixture(name, only, told=told)
    rows = []
    for batch in stream(caches, name, objective=mixed):
      rows += [ids[w > 0].tolist() for _, ids, w in stretches(batch)]
    found.append(rows)
  assert found[0] == found[1]
  assert sum(map(len, found[0])) > 500


@pytest.mark.parametrize('context_loss', [False, True])
def test_the_context_counts_if_asked_for(caches, context_loss):
  config = dataclasses.replace(
    MIX, causal=0.0, tracks=0.0, given=0.0, context_loss=context_loss
  )
  for batch in stream(caches, 'remi', config, count=2):
    for _, ids, weights in stretches(batch):
      if is_infill('remi', ids):
        assert weights.all() == context_loss


@pytest.mark.parametrize(
  ('options', 'said'),
  [
    ({'causal': 0.0}, 'one of them above'),
    ({'bars': -1.0}, '0 or more'),
    ({'control_dropout': 1.0}, r'\[0, 1\)'),
    ({'given_of': 'melody,drums'}, 'melody, bass, chords'),
    ({'given_of': ''}, 'melody, bass, chords'),
    ({'room': -1}, '0 or more'),
  ],
)
def test_impossible_mixtures_are_refused(options, said):
  with pytest.raises(ConfigError, match=said):
    ObjectiveConfig(**options)


def test_tokenizations_that_cannot_are_refused():
  with pytest.raises(ConfigError, match=r'infill=True'):
    Mixture(config=MIX, codec=Remi().codec)
  with pytest.raises(ConfigError, match='no bars'):
    Mixture(config=MIX, codec=Performance().codec)
  chords = dataclasses.replace(MIX, given_of='chords')
  with pytest.raises(ConfigError, match=r'tokenizer\.chords=True'):
    Mixture(config=chords, codec=Remi(infill=True).codec)


def test_few_bars_are_taken_out_as_often_as_many():
  tokenizer = TOKENIZERS['remi']
  ids = tokenizer.encode(pieces.piece(0, notes=200, beats=128))
  bars = tokenizer.bar_steps(ids)
  made = mixture('remi', MIX.only('bars'))
  spans = []
  for piece in range(400):
    stretch = Stretch(ids, bars, piece, 0, 4 * len(ids), True)
    taken = made.make(stretch, 1, 0).ids
    fill = np.flatnonzero(tokenizer.codec.holds('fill', taken[:, 0]))[0]
    spans.append(len(tokenizer.bar_steps(taken[fill:])))
  # Log-uniform over 1 to half of the bars.
  most = len(bars) // 2
  edges = np.array([1, 2, 4, 8, 16, most + 1])
  counts = np.histogram(spans, bins=edges)[0]
  assert counts.sum() == 400
  expected = 400 * np.diff(np.log(edges)) / np.log(most + 1)
  assert (abs(counts - expected) < 40).all()


STUDIED = Compound(controls=True, studied=True)
KINDS_ASKED = ('harmony', 'section')


@pytest.fixture(scope='module')
def heard_cache(tmp_path_factory):
  folder = tmp_path_factory.mktemp('heard')
  sizes = STUDIED.codec.sizes
  rng = np.random.default_rng(0)
  with cache.CacheWriter(folder, sizes=sizes, tokenizer={}) as writer:
    for seed in range(12):
      levels = [
        controls_lib.Levels(
          density=int(rng.integers(4)),
          harmony=int(rng.integers(169)),
          section=int(rng.integers(16)),
        )
        for _ in range(20)
      ]
      asked = controls_lib.Controls(bars=tuple(levels))
      ids = STUDIED.encode(music('compound', seed), asked)
      entry = {'name': str(seed), 'digest': '', 'notes': 1}
      writer.add('train', entry, ids, STUDIED.bar_steps(ids))
  return cache.TokenCache.open(folder)


def asked_stream(found, workers=0):
  config = ObjectiveConfig(control_dropout=0.0)
  mixed = Mixture(config=config, codec=STUDIED.codec, heard=KINDS_ASKED)
  given = {'epochs': 1, 'objective': mixed, 'workers': workers}
  return list(pipeline.batches(found, 'train', **given, **SHAPE))


def test_kinds_that_are_asked_are_labels_and_no_steps(heard_cache):
  for batch in asked_stream(heard_cache):
    assert set(batch['aux']) == set(KINDS_ASKED)
    for row in range(len(batch['ids'])):
      labels = {k: v[row] for k, v in batch['aux'].items()}
      for number in range(1, batch['segments'][row].max() + 1):
        here = np.flatnonzero(batch['segments'][row] == number)
        check_labels(batch['ids'][row, here], here, labels)
      padding = batch['segments'][row] == 0
      assert all((values[padding] == -1).all() for values in labels.values())


def check_labels(ids, here, labels):
  """Within a bar all steps but the last say the same; controls stay."""
  told = STUDIED.read_controls(ids)
  assert all(level.density is not None for level in told.bars)
  assert all(level.harmony is level.section is None for level in told.bars)
  bars = np.cumsum(STUDIED.codec.holds('bar', ids[:, 0]))
  for name, values in labels.items():
    said = values[here]
    assert said[-1] == -1
    for bar in range(1, bars.max() + 1):
      of_bar = {said[i - 1] for i in np.flatnonzero(bars == bar) if i}
      assert len(of_bar) <= 1, (name, of_bar)
      assert of_bar <= set(range(169))


def test_workers_bring_labels_too(heard_cache):
  alone = asked_stream(heard_cache)
  for one, other in zip(alone, asked_stream(heard_cache, 2), strict=True):
    np.testing.assert_array_equal(one['ids'], other['ids'])
    for name in KINDS_ASKED:
      np.testing.assert_array_equal(one['aux'][name], other['aux'][name])
