"""Data of a run: found in the cache, made by options, kept small."""

import json

import numpy as np
import pytest

from aurl_jax.configs import base
from aurl_jax.core.errors import ConfigError, DataError
from aurl_jax.data import housekeeping
from aurl_jax.experiment import data, sections
from aurl_jax.parallel import mesh as mesh_lib
from tests.data.prepare_test import fill


@pytest.fixture
def music(tmp_path, monkeypatch):
  monkeypatch.setenv('AURL_CACHE', str(tmp_path / 'cache'))
  monkeypatch.delenv('AURL_CACHE_LIMIT', raising=False)
  return fill(tmp_path / 'music', range(12))


def run_of(music, **changes):
  config = base.get_config()
  config.data.source = str(music)
  config.update_from_flattened_dict(changes)
  return sections.parse(config.to_dict())


def test_a_run_finds_its_data_again(music):
  first = data.prepared(run_of(music), quiet=True)
  again = data.prepared(run_of(music), quiet=True)
  assert again.folder == first.folder
  assert housekeeping.stats()['prepared']['items'] == 1
  assert housekeeping.stats()['piece']['items'] == 12
  assert data.digest(first) == data.digest(again)


def test_options_of_a_page_reach_the_data(music):
  plain = data.prepared(run_of(music), quiet=True)
  snapped = run_of(music, **{'data.preprocess.velocity': 1.0})
  other = data.prepared(snapped, quiet=True)
  assert other.folder != plain.folder
  assert data.digest(other) != data.digest(plain)
  strict = run_of(music, **{'data.quality.min_notes': 31})
  with pytest.raises(DataError, match='few_notes'):
    data.prepared(strict, quiet=True)


def test_a_cache_that_cannot_be_written_is_told(music, tmp_path, monkeypatch):
  (tmp_path / 'file').touch()
  monkeypatch.setenv('AURL_CACHE', str(tmp_path / 'file'))
  with pytest.raises(DataError, match='set AURL_CACHE') as caught:
    data.prepared(run_of(music), quiet=True)
  assert caught.value.code == 'cache'


def test_the_cache_is_kept_below_its_limit(music, monkeypatch):
  data.prepared(run_of(music), quiet=True)
  monkeypatch.setattr(housekeeping, '_IN_USE', -1)
  monkeypatch.setenv('AURL_CACHE_LIMIT', '1K')
  report = data.prepare_named(
    str(music), 'remi', str(music.parent / 'out'), quiet=True
  )
  assert report['counts']['ok'] == 12
  assert housekeeping.stats()['bytes'] <= 1000


def named(music, *changes, **told):
  out = str(music.parent / 'out')
  return data.prepare_named(
    str(music), 'remi', out, changes=changes, quiet=True, **told
  )


def test_options_are_given_by_name(music):
  fill(music, [3], up=2, name='moved')
  report = named(music, 'duplicates=near', 'preprocess.quantise=0.5')
  assert report['reasons'] == {'duplicate': 1}
  key = json.loads((music.parent / 'out' / 'key.json').read_text())
  assert key['options']['preprocess']['quantise'] == 0.5


def test_splits_are_given_by_name(music):
  with pytest.raises(DataError, match='nowhere'):
    named(music, splits='nowhere')
  assert named(music, splits='pop909')['counts']['ok'] == 12


@pytest.mark.parametrize(
  ('change', 'told'),
  [
    ('quantise', 'KEY=VALUE'),
    ('=1', 'KEY=VALUE'),
    ('preprocess.quantize=1', "did you mean 'quantise'"),
    ('quality.min_notes=many', 'min_notes'),
    ('duplicates=most', "'near'"),
    ('preprocess.beats=often', 'beats'),
  ],
)
def test_a_wrong_option_is_named(music, change, told):
  with pytest.raises(ConfigError, match=told):
    named(music, change)


def test_rows_of_one_piece_are_packed_nowhere(music):
  changes = {'model.packed': False, 'model.context': 64}
  packed = run_of(music, **changes)
  mesh = mesh_lib.alone()
  cache = data.prepared(packed, quiet=True)
  with pytest.raises(ConfigError, match='packed is False'):
    data.train_batches(packed, cache, mesh)
  run = run_of(music, **changes, **{'data.batching': 'pad'})
  stream = data.train_batches(run, cache, mesh)
  first = next(iter(stream))
  passed = data.split_batches(run, cache, 'train', mesh)
  for batch in (first, *passed):
    assert set(np.unique(batch['segments'])) <= {0, 1}


def test_pieces_with_latents_are_judged_alone(music):
  latent = {'model.mode': 'vae', 'model.latent.slot': 4}
  changes = {'model.context': 256, 'data.excerpt': 2, 'data.batching': 'pad'}
  plain, run = run_of(music, **changes), run_of(music, **changes, **latent)
  cache = data.prepared(run, quiet=True)
  mesh = mesh_lib.alone()
  most = lambda run: max(  # noqa: E731
    batch['segments'].max()
    for batch in data.split_batches(run, cache, 'train', mesh)
  )
  assert most(plain) > 1
  assert most(run) == 1


def test_rows_of_training_may_be_shorter_than_those_that_judge(music):
  run = run_of(music, **{'data.context': 48, 'model.context': 64})
  cache, mesh = data.prepared(run, quiet=True), mesh_lib.alone()
  assert data.largest(run)[1] == 48
  first = next(iter(data.train_batches(run, cache, mesh)))
  assert first['segments'].shape[1] == 48
  judged = list(data.split_batches(run, cache, 'valid', mesh))
  assert {batch['segments'].shape[1] for batch in judged} == {64}
  longer = run_of(music, **{'data.context': 99, 'model.context': 64})
  assert data.largest(longer)[1] == 64
