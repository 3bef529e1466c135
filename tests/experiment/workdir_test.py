"""A run's folder: which config may go on in it."""

import json

import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.experiment import pages
from aurl_jax.experiment.workdir import Workdir


@pytest.fixture
def config():
  return pages.load(pages.find('tiny'))


def test_a_new_folder_keeps_the_config(tmp_path, config):
  folder = Workdir(tmp_path / 'run')
  assert not folder.holds_run
  assert folder.open(config) == config
  assert folder.holds_run
  assert json.loads(folder.config.read_text()) == config
  assert folder.open(None) == config


def test_an_empty_folder_without_a_config_is_refused(tmp_path):
  with pytest.raises(ConfigError, match='holds no run') as caught:
    Workdir(tmp_path).open(None)
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
  stored = folder.open(config)
  config[section] = config[section] | {key: value}
  with pytest.raises(ConfigError) as caught:
    folder.open(config)
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
  folder.open(config)
  config[section] = config[section] | {key: value}
  assert folder.open(config)[section][key] == value
  assert folder.read_config()[section][key] == value


def test_a_damaged_config_is_named(tmp_path, config):
  folder = Workdir(tmp_path)
  folder.open(config)
  folder.config.write_text('{')
  with pytest.raises(ConfigError, match='damaged'):
    folder.open(config)
