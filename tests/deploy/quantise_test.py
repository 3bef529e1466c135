import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

import aurl_jax
from aurl_jax.core import files
from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import bundle, quantise
from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.packing import Packing
from aurl_jax.generation.request import Request
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.functional import Model
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.places import Places
from tests.generation import writers

EIGHT = Packing(bits=8)


@pytest.fixture(scope='module')
def composer():
  tokenizer = Compound(voices=2)
  config = ModelConfig(
    width=32, layers=1, heads=2, context=64, head_width=16, lead=2
  )
  model = Model.build(config, tokenizer.codec.sizes, Places.of(tokenizer))
  params = model.init(jax.random.key(0))
  return Composer(model=model, params=params, tokenizer=tokenizer)


@pytest.fixture(scope='module')
def music(composer):
  asked = Request(n=3, seed=1, steps=40)
  return [piece.ids for piece in composer.generate(asked)]


@pytest.fixture(scope='module')
def rounded(composer, music):
  return quantise.quantised(composer, EIGHT, music)


def nats(composer, ids):
  ids = jnp.asarray(ids)[None]
  ones = jnp.ones((1, ids.shape[1] - 1), jnp.int32)
  at = jnp.arange(ids.shape[1] - 1)[None]
  told = jax.jit(composer.model.log_probs)(
    composer.params, ids[:, :-1], ones, at, ids[:, 1:]
  )
  return -float(told.sum()) / int((ids[:, 1:] > 0).sum())


@pytest.mark.parametrize('how', [EIGHT, Packing(bits=4, group=16)], ids=str)
def test_a_packed_bundle_is_loaded_as_any_other(composer, how, tmp_path):
  made = quantise.quantised(composer, how)
  folder = bundle.save(tmp_path / 'small', made, packing=how)
  found = aurl_jax.load(folder)
  jax.tree.map(np.testing.assert_array_equal, found.params, made.params)
  assert found.model == made.model
  whole = bundle.save(tmp_path / 'whole', composer)
  sizes = [(f / bundle.WEIGHTS).stat().st_size for f in (folder, whole)]
  assert sizes[0] < sizes[1] * {8: 0.34, 4: 0.25}[how.bits]
  asked = Request(n=2, seed=3, steps=24)
  midi = [one.generate(asked)[0].midi() for one in (found, made)]
  assert midi[0] == midi[1]


def test_8_bits_cost_little_likelihood(composer, rounded, music):
  before = nats(composer, music[0])
  weights = quantise.quantised(composer, EIGHT)
  for after in (weights, rounded):
    assert nats(after, music[0]) == pytest.approx(before, rel=0.01)
    assert nats(after, music[0]) != before


def test_reaches_are_the_largest_inputs_that_music_gives(composer, music):
  seen = quantise.reaches(composer, music)
  # Nothing comes before the first field, and the lead predicts the second.
  assert {path for path, x in seen.items() if not x} == {
    'lead/fields/0/earlier/reach',
    'head/fields/1/earlier/reach',
    'head/fields/1/hidden/reach',
    'head/fields/1/out/reach',
  }
  # By hand: the state behind the last norm is what the tables compare with.
  model, params = composer.model, composer.params
  ids = np.zeros((3, 64, 7), np.int32)
  for row, piece in zip(ids, music, strict=True):
    row[: len(piece)] = piece
  real = (ids[..., 0] > 0).astype(np.int32)
  after = np.pad(ids[:, 1:], ((0, 0), (0, 1), (0, 0)))
  module = model.bind(params)
  x = module.read(jnp.asarray(ids), None, jnp.asarray(after))
  normed = module.decoder.blocks[0].attention_norm(x)
  path = 'decoder/layers/0/attention/reach'
  # Rows of nothing but padding are read along.
  assert float(np.abs(normed).max()) <= seen[path] * 1.0001
  assert float(np.abs(normed[real > 0]).max()) >= seen[path] * 0.5


def test_a_calibrated_bundle_keeps_its_reaches(rounded, tmp_path):
  folder = bundle.save(tmp_path / 'both', rounded, packing=EIGHT)
  found = bundle.load(folder)
  assert found.model.config.activations == 8
  jax.tree.map(np.testing.assert_array_equal, found.params, rounded.params)


def test_what_is_quantised_is_not_quantised_again(rounded):
  with pytest.raises(BundleError, match='rounded already') as caught:
    quantise.quantised(rounded, EIGHT)
  assert caught.value.code == 'packing'


def test_inputs_of_models_with_latents_are_refused(music):
  model, params = writers.model_of('compound')
  config = dataclasses.replace(
    model.config,
    mode='vae',
    latent=dataclasses.replace(model.config.latent, slot=4, slots=2),
  )
  model = Model.build(
    config, model.vocabulary, Places.of(writers.TOKENIZERS['compound'])
  )
  own = Composer(
    model=model, params=params, tokenizer=writers.TOKENIZERS['compound']
  )
  with pytest.raises(BundleError, match='without latents') as caught:
    quantise.quantised(own, EIGHT, music)
  assert caught.value.code == 'latents'


def change(folder, name, data):
  """Writes a file of a bundle, its digest right."""
  (folder / name).write_bytes(data)
  digests = json.loads((folder / bundle.DIGESTS).read_text())
  digests[name] = files.digest(data)
  (folder / bundle.DIGESTS).write_text(json.dumps(digests))


@pytest.fixture
def folder(composer, tmp_path):
  return bundle.save(
    tmp_path / 'small',
    quantise.quantised(composer, EIGHT),
    packing=EIGHT,
    report={'bits': 8},
  )


def test_the_report_is_read_back_and_guarded_by_its_digest(folder):
  assert bundle.report(folder) == {'bits': 8}
  assert bundle.report('chorale') is None
  (folder / bundle.REPORT).write_text('{"bits": 2}')
  with pytest.raises(BundleError, match=r'quantised\.json is not what was'):
    bundle.load(folder)


@pytest.mark.parametrize(
  'told',
  [
    {'bits': 8, 'group': 10**9},
    {'bits': 4, 'group': 0},
    {'bits': 3, 'group': 0},
    {'bits': 8.0, 'group': 0},
    {'bits': 8, 'group': -1},
    {'bits': 8},
    'eight',
    None,
  ],
)
def test_packings_that_do_not_fit_are_refused(folder, told):
  config = json.loads((folder / bundle.CONFIG).read_text())
  config['packing'] = told
  change(folder, bundle.CONFIG, json.dumps(config).encode())
  if told == {'bits': 8, 'group': 10**9}:
    # One group is one group, however large it could be.
    bundle.load(folder)
    return
  with pytest.raises(BundleError) as caught:
    bundle.load(folder)
  assert caught.value.code in ('packing', 'other_model')


@pytest.mark.parametrize('fault', ['shape', 'dtype', 'missing', 'more'])
def test_scales_of_another_shape_are_refused(folder, fault):
  stored = safetensors.numpy.load((folder / bundle.WEIGHTS).read_bytes())
  path = 'decoder/layers/0/mlp/wide/kernel:scale'
  if fault == 'shape':
    stored[path] = stored[path][:, :-1].copy()
  elif fault == 'dtype':
    stored[path] = stored[path].astype(np.float16)
  elif fault == 'missing':
    del stored[path]
  else:
    stored['more:scale'] = stored[path]
  change(folder, bundle.WEIGHTS, safetensors.numpy.save(stored))
  with pytest.raises(BundleError, match='does not fit config') as caught:
    bundle.load(folder)
  assert caught.value.code == 'other_model'


def test_stored_weights_are_whole_numbers_for_exporters(folder, composer):
  stored, how = bundle.stored(folder)
  assert how == EIGHT
  path = 'decoder/layers/0/mlp/wide/kernel'
  assert stored[path].dtype == np.int8
  found = stored[path] * stored[path + ':scale']
  old = np.asarray(
    composer.params['decoder']['layers']['0']['mlp']['wide']['kernel']
  )
  assert np.abs(found - old).max() <= 0.51 * np.abs(old).max() / 127
