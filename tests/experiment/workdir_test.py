"""A run's folder: which config may go on in it."""

import json

import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.deploy import bundle
from aurl_jax.experiment import pages
from aurl_jax.experiment.workdir import Workdir


@pytest.fixture
def config():
  return pages.load(pages.find('tiny'))


def test_a_folder_is_a_run_once_its_config_is_stored(tmp_path, config):
  folder = Workdir(tmp_path / 'run')
  assert folder.agree(config) == config
  assert not folder.holds_run
  assert not folder.root.exists()
  folder.store(config)
  assert folder.holds_run
  assert json.loads(folder.config.read_text()) == config
  assert folder.agree(None) == config


def test_an_empty_folder_without_a_config_is_refused(tmp_path):
  with pytest.raises(ConfigError, match='holds no run') as caught:
    Workdir(tmp_path).agree(None)
  assert caught.value.code == 'no_run'


@pytest.mark.parametrize(
  ('section', 'key', 'value'),
  [
    ('model', 'width', 64),
    ('tokenizer', 'velocity_bins', 16),
    ('data', 'source', '/elsewhere'),
    ('optimizer', 'name', 'lion'),
    ('train', 'batch_size', 4),
  ],
)
def test_another_identity_is_refused_and_shown(
  tmp_path, config, section, key, value
):
  folder = Workdir(tmp_path)
  folder.store(config)
  stored = folder.read_config()
  config[section] = config[section] | {key: value}
  with pytest.raises(ConfigError) as caught:
    folder.agree(config)
  assert caught.value.code == 'other_run'
  assert f'{section}.{key}' in str(caught.value)
  assert repr(value) in str(caught.value)
  assert folder.read_config() == stored


@pytest.mark.parametrize(
  ('section', 'key', 'value'),
  [
    ('train', 'steps', 40),
    ('mesh', 'data', 1),
    ('logging', 'tensorboard', False),
    ('model', 'scan', True),
    ('model', 'dropout', 0.0),
  ],
)
def test_free_values_take_effect(tmp_path, config, section, key, value):
  folder = Workdir(tmp_path)
  folder.store(config)
  config[section] = config[section] | {key: value}
  folder.store(folder.agree(config))
  assert folder.read_config()[section][key] == value


def test_a_damaged_config_is_named(tmp_path, config):
  folder = Workdir(tmp_path)
  folder.store(config)
  folder.config.write_text('{')
  with pytest.raises(ConfigError) as caught:
    folder.agree(config)
  said = str(caught.value)
  assert str(folder.config) in said
  assert 'another workdir' in said


def test_a_run_of_before_a_key_was_there_goes_on(tmp_path, config):
  folder = Workdir(tmp_path)
  folder.store(config)
  stored = json.loads(folder.config.read_text())
  del stored['data']['buckets'], stored['curriculum']
  folder.config.write_text(json.dumps(stored))
  assert folder.agree(config) == config
  changed = {**config, 'data': {**config['data'], 'buckets': [16, 32]}}
  with pytest.raises(ConfigError, match=r'data\.buckets'):
    folder.agree(changed)


def test_a_bundle_is_no_run(tmp_path):
  for name in ('config.json', bundle.DIGESTS):
    (tmp_path / name).write_text('{}')
  assert not Workdir(tmp_path).holds_run
  (tmp_path / bundle.DIGESTS).unlink()
  assert Workdir(tmp_path).holds_run
