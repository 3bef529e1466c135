import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest
import safetensors.numpy

import aurl_jax
from aurl_jax.core import files
from aurl_jax.core.errors import BundleError, ConfigError
from aurl_jax.deploy import bundle
from aurl_jax.deploy.composer import Composer
from aurl_jax.generation.request import Request
from aurl_jax.tokens.remi import Remi
from tests.generation import writers

FILES = {'MODEL_CARD.md', 'config.json', 'digests.json', 'weights.safetensors'}


def save(folder, *, card='# Mine\n', dtype='float32', **changes):
  model, params = writers.model_of('grid')
  values = {
    'params': params,
    'model': model,
    'tokenizer': writers.TOKENIZERS['grid'],
  }
  composer = Composer(**(values | changes))
  return bundle.save(folder, composer, card=card, dtype=dtype)


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
  return save(tmp_path_factory.mktemp('bundles') / 'mine')


@pytest.fixture
def copy(saved, tmp_path):
  return shutil.copytree(saved, tmp_path / 'copy')


def test_a_bundle_gives_back_its_parts_exactly(saved):
  model, params = writers.model_of('grid')
  composer = bundle.load(saved)
  assert composer.model == model
  assert composer.tokenizer == writers.TOKENIZERS['grid']
  jax.tree.map(np.testing.assert_array_equal, composer.params, params)
  assert {path.name for path in saved.iterdir()} == FILES
  assert (saved / 'MODEL_CARD.md').read_text() == '# Mine\n'


def test_the_package_loads_a_bundle_that_writes_as_before(saved):
  composer = aurl_jax.load(str(saved))
  piece = composer.generate(Request(n=3, seed=4))[0]
  model, params = writers.model_of('grid')
  origin = dataclasses.replace(composer, model=model, params=params)
  assert piece.midi() == origin.generate(Request(n=3, seed=4))[0].midi()


def test_nothing_in_a_bundle_is_executable(saved):
  for path in saved.iterdir():
    assert not path.stat().st_mode & 0o111
  weights = (saved / 'weights.safetensors').read_bytes()
  # A safetensors file is a length, that much JSON, and numbers.
  size = int.from_bytes(weights[:8], 'little')
  header = json.loads(weights[8 : 8 + size])
  arrays = [header[name] for name in header if name != '__metadata__']
  assert {array['dtype'] for array in arrays} == {'F32'}
  end = max(array['data_offsets'][1] for array in arrays)
  assert 8 + size + end == len(weights)


def test_float16_halves_a_bundle_and_rounds_each_weight_once(saved, tmp_path):
  half = save(tmp_path / 'half', dtype='float16')
  sizes = [(f / 'weights.safetensors').stat().st_size for f in (half, saved)]
  assert sizes[0] < 0.6 * sizes[1]
  _, params = writers.model_of('grid')
  found = bundle.load(half).params
  rounded = jax.tree.map(lambda x: np.float32(np.float16(x)), params)
  jax.tree.map(np.testing.assert_array_equal, found, rounded)
  assert {str(leaf.dtype) for leaf in jax.tree.leaves(found)} == {'float32'}


@pytest.mark.parametrize('value', [1e6, np.nan, np.inf])
def test_weights_that_float16_cannot_hold_are_refused(tmp_path, value):
  _, params = writers.model_of('grid')
  path = 'decoder/norm/scale'
  params = jax.tree.map(lambda x: x, params)
  params['decoder']['norm']['scale'] = np.full_like(
    params['decoder']['norm']['scale'], value
  )
  with pytest.raises(BundleError, match=f'{path} holds numbers') as caught:
    save(tmp_path / 'half', params=params, dtype='float16')
  assert caught.value.code == 'dtype'
  assert not list(tmp_path.iterdir())


def test_a_dtype_that_no_bundle_has_is_refused(tmp_path):
  with pytest.raises(BundleError, match=r'int8.*float32, float16'):
    save(tmp_path / 'small', dtype='int8')


def test_a_bundle_brings_the_defaults_of_its_requests(tmp_path, saved):
  assert bundle.load(saved).request() == Request()
  told = {'bars': 3, 'temperature': 0.8}
  composer = bundle.load(save(tmp_path / 'told', defaults=told))
  assert composer.request() == Request(bars=3, temperature=0.8)
  assert composer.request(bars=2, seed=1) == Request(
    bars=2, temperature=0.8, seed=1
  )
  # Steps that somebody asks for need not hold the model's own bars.
  assert composer.request(steps=40) == Request(temperature=0.8, steps=40)


@pytest.mark.parametrize(
  'told', [{'bars': -1}, {'prompt': '/etc/passwd'}, {'n': 10_000}, [1]]
)
def test_defaults_that_cannot_be_are_refused(tmp_path, copy, told):
  with pytest.raises(BundleError, match='defaults of its requests'):
    save(tmp_path / 'told', defaults=dict(told) if told != [1] else {'x': 1})
  change_config(copy, request=told)
  with pytest.raises(BundleError, match='defaults of its requests'):
    bundle.load(copy)


@pytest.mark.parametrize('name', sorted(FILES - {'digests.json'}))
@pytest.mark.parametrize('where', [0, 0.5, -1])
def test_an_altered_byte_is_refused(copy, name, where):
  path = copy / name
  data = bytearray(path.read_bytes())
  index = int(where * len(data)) if where > 0 else where
  data[index] ^= 1
  path.write_bytes(data)
  with pytest.raises(BundleError, match=f'{name} is not what was saved') as e:
    bundle.load(copy)
  assert e.value.code == 'altered'


@pytest.mark.parametrize('name', sorted(FILES))
def test_a_missing_file_is_named(copy, name):
  (copy / name).unlink()
  with pytest.raises(BundleError, match=f'{name} is missing') as caught:
    bundle.load(copy)
  assert caught.value.code == 'incomplete'


def test_a_foreign_file_is_refused_but_not_a_hidden_one(copy):
  (copy / '.DS_Store').touch()
  bundle.load(copy)
  (copy / 'hook.py').write_text('print("no")')
  with pytest.raises(BundleError, match=r'holds hook\.py, which no bundle'):
    bundle.load(copy)


def test_a_broken_digest_list_is_refused(copy):
  (copy / 'digests.json').write_text('{')
  with pytest.raises(BundleError, match='damaged'):
    bundle.load(copy)
  (copy / 'digests.json').write_text('[]')
  with pytest.raises(BundleError, match='is not what was saved'):
    bundle.load(copy)


def rewrite(folder, name, data):
  """Replaces a file and its digest, as a forger or a later version would."""
  (folder / name).write_bytes(data)
  digests = json.loads((folder / 'digests.json').read_text())
  digests[name] = files.digest(data)
  (folder / 'digests.json').write_text(json.dumps(digests))


def change_config(folder, **sections):
  config = json.loads((folder / 'config.json').read_text()) | sections
  config = {name: value for name, value in config.items() if value is not None}
  rewrite(folder, 'config.json', json.dumps(config).encode())


def test_a_config_of_another_format_is_refused(copy):
  change_config(copy, format=99)
  with pytest.raises(BundleError, match=r'format 99.*update aurl_jax'):
    bundle.load(copy)
  change_config(copy, format=bundle.FORMAT, tokenizer=None)
  with pytest.raises(BundleError, match='lacks tokenizer'):
    bundle.load(copy)
  rewrite(copy, 'config.json', b'not json')
  with pytest.raises(BundleError, match='damaged'):
    bundle.load(copy)


@pytest.mark.parametrize(
  'name', ['os:system', 'shutil:rmtree', 'tests.deploy.bundle_test:Strange']
)
def test_a_bundle_cannot_name_what_is_not_ours(copy, name):
  change_config(copy, tokenizer={'name': name})
  with pytest.raises(ConfigError, match='neither part of aurl_jax'):
    bundle.load(copy)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Strange(Remi):
  """A user's own tokenizer."""


def test_a_name_that_the_user_allows_is_built(tmp_path):
  model, params = writers.model_of('remi')
  tokenizer = Strange(voices=2)
  folder = save(
    tmp_path / 'own',
    params=params,
    model=model,
    tokenizer=tokenizer,
    card='',
  )
  loaded = bundle.load(folder, allow=(Strange.__module__,))
  assert loaded.tokenizer == tokenizer
  assert 'tokenizer Strange' in (folder / 'MODEL_CARD.md').read_text()


@pytest.mark.parametrize('change', ['shape', 'dtype', 'name', 'bytes'])
def test_weights_of_another_model_are_refused(copy, change):
  path = copy / 'weights.safetensors'
  arrays = safetensors.numpy.load(path.read_bytes())
  name = 'decoder/norm/scale'
  array = arrays.pop(name)
  changed = {
    'shape': {name: array[:-1]},
    'dtype': {name: array.astype(np.float16)},
    'name': {'decoder/norm/skale': array},
    'bytes': {name: array},
  }
  data = safetensors.numpy.save(arrays | changed[change])
  rewrite(copy, path.name, data if change != 'bytes' else data[:-4])
  match = 'no safetensors file' if change == 'bytes' else name
  with pytest.raises(BundleError, match=match):
    bundle.load(copy)


def test_an_unknown_name_tells_what_there_is(tmp_path, monkeypatch):
  with pytest.raises(BundleError, match=r'no bundle .nope.*aurl bundle'):
    bundle.load('nope')
  with pytest.raises(BundleError, match=r'a run nor a bundle.*chorale'):
    bundle.load(tmp_path)
  (tmp_path / 'config.json').write_text('{}')
  with pytest.raises(BundleError, match=r'digests\.json is missing'):
    bundle.load(tmp_path)


def test_a_bundle_replaces_a_bundle_but_nothing_else(tmp_path):
  folder = save(tmp_path / 'mine')
  save(folder, card='second')
  assert (folder / 'MODEL_CARD.md').read_text() == 'second'
  other = tmp_path / 'work'
  other.mkdir()
  (other / 'notes.txt').write_text('mine')
  with pytest.raises(BundleError, match='not overwritten'):
    save(other)
  assert [path.name for path in other.iterdir()] == ['notes.txt']


def test_a_failed_save_leaves_nothing_and_keeps_the_old(tmp_path, monkeypatch):
  folder = save(tmp_path / 'mine')
  before = (folder / 'digests.json').read_bytes()

  def full(path, data):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(files, 'write_atomic', full)
  with pytest.raises(aurl_jax.core.errors.AurlError, match='No space left'):
    save(folder, card='second')
  assert (folder / 'digests.json').read_bytes() == before
  assert [path.name for path in tmp_path.iterdir()] == ['mine']


def test_limits_are_told_in_a_card_and_nothing_else_changes(tmp_path):
  card = (
    '# Mine\n\n## Limits\n\nIt knows little.\n\n## Configuration\n\nx = 1\n'
  )
  folder = save(tmp_path / 'told', card=card)
  before = {p.name: p.read_bytes() for p in folder.iterdir()}
  assert bundle.tell_limits(folder, 'Drums alone.\n') == folder
  assert bundle.card(folder) == card.replace('It knows little.', 'Drums alone.')
  after = {p.name: p.read_bytes() for p in folder.iterdir()}
  changed = {name for name in before if before[name] != after[name]}
  assert changed == {bundle.CARD, bundle.DIGESTS}
  bundle.load(folder)
  last = save(tmp_path / 'last', card='# Mine\n\n## Limits\n\nNone.\n')
  bundle.tell_limits(last, 'Many.')
  assert bundle.card(last) == '# Mine\n\n## Limits\n\nMany.\n'


def test_a_card_without_limits_is_refused_and_stays(tmp_path):
  folder = save(tmp_path / 'bare')
  before = bundle.card(folder)
  with pytest.raises(BundleError, match='no section Limits') as info:
    bundle.tell_limits(folder, 'Many.')
  assert info.value.code == 'card'
  assert bundle.card(folder) == before
