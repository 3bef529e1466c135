"""Bundles: whole, unaltered, or refused with the reason."""

import json

import jax
import numpy as np
import pytest

from aurl_jax.core.errors import BundleError, ConfigError
from aurl_jax.deploy import bundle
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.functional import Model
from aurl_jax.tokens.grid import VoiceGrid

CONFIG = ModelConfig(width=16, layers=1, heads=2, context=32, head_width=8)


@pytest.fixture(scope='module')
def params():
  model = Model.build(CONFIG, VoiceGrid().codec.sizes)
  return jax.device_get(model.init(jax.random.key(0)))


@pytest.fixture
def folder(tmp_path, params):
  return bundle.save(
    tmp_path / 'mine',
    params=params,
    model_config=CONFIG,
    tokenizer=VoiceGrid(program=19),
    card='# Mine\n',
  )


def test_what_is_saved_is_loaded(folder, params):
  composer = bundle.load(folder)
  assert composer.tokenizer == VoiceGrid(program=19)
  assert composer.model.config == CONFIG
  same = jax.tree.map(np.array_equal, composer.params, params)
  assert all(jax.tree.leaves(same))
  assert (folder / 'MODEL_CARD.md').read_text() == '# Mine\n'


def test_nothing_in_it_is_code(folder):
  names = sorted(path.name for path in folder.iterdir())
  assert names == [
    'MODEL_CARD.md',
    'config.json',
    'digests.json',
    'weights.safetensors',
  ]
  assert b'pickle' not in (folder / 'weights.safetensors').read_bytes()


@pytest.mark.parametrize(
  'name', ['weights.safetensors', 'config.json', 'MODEL_CARD.md']
)
def test_one_changed_byte_is_refused(folder, name):
  path = folder / name
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(bytes(data))
  with pytest.raises(BundleError, match=name) as caught:
    bundle.load(folder)
  assert caught.value.code == 'altered'


@pytest.mark.parametrize('name', ['weights.safetensors', 'digests.json'])
def test_a_missing_file_is_named(folder, name):
  (folder / name).unlink()
  with pytest.raises(BundleError, match=name) as caught:
    bundle.load(folder)
  assert caught.value.code == 'incomplete'


def rewrite(folder, **changes):
  """Changes the config and makes the digests right again."""
  from aurl_jax.core import files

  path = folder / 'config.json'
  path.write_text(json.dumps(json.loads(path.read_text()) | changes))
  digests = json.loads((folder / 'digests.json').read_text())
  digests['config.json'] = files.digest(path)
  (folder / 'digests.json').write_text(json.dumps(digests))


def test_a_later_format_is_refused(folder):
  rewrite(folder, format=99)
  with pytest.raises(BundleError, match='update aurl_jax'):
    bundle.load(folder)


def test_a_config_of_another_model_is_refused(folder):
  model = json.loads((folder / 'config.json').read_text())['model']
  rewrite(folder, model=model | {'width': 32})
  with pytest.raises(BundleError, match='does not fit') as caught:
    bundle.load(folder)
  assert caught.value.code == 'other_model'


def test_a_bundle_cannot_name_foreign_code(folder):
  rewrite(folder, tokenizer={'name': 'os:system'})
  with pytest.raises(ConfigError) as caught:
    bundle.load(folder)
  assert caught.value.code == 'not_allowed'


def test_an_unknown_name_says_what_there_is(tmp_path):
  with pytest.raises(BundleError, match='aurl bundle') as caught:
    bundle.load(tmp_path / 'nothing')
  assert caught.value.code == 'no_bundle'


def test_other_files_are_not_overwritten(tmp_path, params):
  (tmp_path / 'thesis.tex').write_text('years of work')
  with pytest.raises(BundleError, match='not overwritten'):
    bundle.save(
      tmp_path, params=params, model_config=CONFIG, tokenizer=VoiceGrid()
    )
  assert (tmp_path / 'thesis.tex').read_text() == 'years of work'


def test_a_bundle_replaces_a_bundle(folder, params):
  bundle.save(
    folder, params=params, model_config=CONFIG, tokenizer=VoiceGrid(program=5)
  )
  assert bundle.load(folder).tokenizer == VoiceGrid(program=5)
