import dataclasses

import numpy as np
import pytest

from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import bundle, onnx_encoder, onnx_export
from aurl_jax.deploy.encoder import Encoder
from aurl_jax.generation.decode import decode
from aurl_jax.generation.guidance import Guided
from aurl_jax.generation.sampling import Sampler
from aurl_jax.models.latent import Latents
from tests.deploy import exported

pytest.importorskip('onnx', reason='the extra export is not installed')
pytest.importorskip('onnxruntime', reason='the extra export is not installed')


@pytest.fixture(scope='module', params=['dials', 'piece'])
def pair(request, tmp_path_factory):
  """A model with latents, and the loop of its export."""
  home = tmp_path_factory.mktemp('latents')
  own = exported.save(home / 'bundle', request.param)
  onnx_export.write(home / 'out', own)
  return bundle.load(own), onnx_export.Host(home / 'out').loop


@pytest.fixture(scope='module')
def rows(pair):
  """Pieces of several lengths, padded."""
  name = 'dials' if pair[0].model.config.latent.dials else 'piece'
  found = exported.rows(name, 4, 40).copy()
  for row, length in zip(found, (41, 30, 9, 1), strict=True):
    row[length:] = 0
  return found


def test_the_graph_tells_the_latents_that_the_model_tells(pair, rows):
  composer, loop = pair
  encoder = Encoder(
    model=composer.model, params=composer.params, tokenizer=composer.tokenizer
  )
  wanted = encoder.posterior([row[row[:, 0] > 0] for row in rows])
  found = loop.encode(rows)
  np.testing.assert_array_equal(found['used'] > 0, wanted.used)
  near = {'rtol': 1e-4, 'atol': 1e-4}
  for name in ('mean', 'log_variance'):
    told = getattr(wanted, name)
    np.testing.assert_allclose(found[name], told.slots, **near)
    if composer.model.config.latent.piece:
      np.testing.assert_allclose(found[f'piece_{name}'], told.piece, **near)
  # They are of the music: no two rows have the same.
  assert len(np.unique(found['mean'].sum((1, 2)).round(4))) == len(rows)


def test_the_loop_writes_of_latents_what_the_decoder_writes(pair, rows):
  composer, loop = pair
  latent = composer.model.config.latent
  opening = np.array(loop.told['opening'], np.int32)
  seen = []
  for told in (None, loop.encode(rows[:1])):
    own = loop.latents(told, strength=0.5, seed=3)
    empty = np.zeros((1, 0), np.float32)
    slots = Latents(slots=own['slots'], piece=own.get('piece', empty))
    (wanted,) = decode(
      composer.model,
      composer.params,
      composer.tokenizer.grammar,
      Guided([opening], latents=slots),
      steps=20,
      sampler=Sampler(temperature=0),
    )
    found = loop.write(steps=20, latents=own)
    np.testing.assert_array_equal(found, wanted.ids)
    seen.append(found.tolist())
  assert seen[0] != seen[1]
  np.testing.assert_array_equal(loop.write(steps=20), seen[0])
  assert loop.latents()['slots'].shape == (1, latent.slots, latent.slot)


def test_noise_is_as_wide_as_the_distributions(pair, rows):
  _, loop = pair
  told = loop.encode(rows[:1])
  still = loop.latents(told)['slots']
  np.testing.assert_array_equal(still, told['mean'])
  draws = [
    (loop.latents(told, strength=0.5, seed=n)['slots'] - still)
    / np.exp(0.5 * told['log_variance'])
    for n in range(200)
  ]
  assert np.std(draws) == pytest.approx(0.5, rel=0.05)


def test_dials_turn_as_the_library_turns_them(pair, rows):
  composer, loop = pair
  if composer.dials is None:
    assert loop.told['latent']['dials'] == {}
    return
  told = loop.encode(rows)
  piece = np.zeros((len(rows), 0), np.float32)
  for by in ({'density': 1.5}, {'register': -2.0, 'syncopation': 0.7}):
    wanted = composer.dials.turn(Latents(slots=told['mean'], piece=piece), **by)
    found = loop.latents(told, **by)['slots']
    np.testing.assert_allclose(found, wanted.slots, rtol=1e-6, atol=1e-6)
    assert (found != told['mean']).any()


def test_dials_of_frames_are_refused_by_name():
  model = exported.composer('piece').model
  latent = dataclasses.replace(model.config.latent, dials='density')
  config = dataclasses.replace(model.config, latent=latent)
  with pytest.raises(BundleError, match='dials of frames') as caught:
    onnx_encoder.check(dataclasses.replace(model, config=config))
  assert caught.value.code == 'export'
