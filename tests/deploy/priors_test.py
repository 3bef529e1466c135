"""The priors that a model carries: kept, found damaged, drawn from."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from aurl_jax.core.errors import BundleError, ConfigError
from aurl_jax.deploy import bundle
from aurl_jax.deploy import priors as lib
from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.deploy.priors import Learned, Priors
from aurl_jax.generation.request import Request
from aurl_jax.models.aggregate import AggregatePrior
from aurl_jax.models.config import LatentConfig
from aurl_jax.models.latent import Latents, Posterior
from aurl_jax.models.prior import Prior, PriorConfig
from tests.generation import writers

LATENT = LatentConfig(slot=4, slots=8)
NAMES, CLASSES = ('key', 'meter'), (24, 16)


def posterior(rows=6):
  rng = np.random.default_rng(0)
  draw = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
  mean, log = (
    Latents(slots=draw(rows, 8, 4), piece=draw(rows, 0)) for _ in range(2)
  )
  return Posterior(mean=mean, log_variance=log, used=np.ones((rows, 8), bool))


@pytest.fixture(scope='module')
def priors():
  _, params = writers.model_of('grid', mode='vae', latent=LATENT)
  found = Priors(kinds={}, default='', encoder=lib.fingerprint(params))
  condition = np.tile([3, 1], (6, 1))
  mixture = AggregatePrior.of(
    posterior(), condition=condition, names=NAMES, classes=CLASSES
  )
  for kind in ('autoregressive', 'flow'):
    config = PriorConfig(
      latent=LATENT,
      kind=kind,
      width=8,
      heads=2,
      layers=1,
      components=2,
      couplings=1,
      hidden=4,
      names=NAMES,
      classes=CLASSES,
    )
    params = Prior(config).init(jax.random.key(0))
    found = found.has(kind, Learned(Prior(config), params))
  return found.has('aggregate', mixture)


@pytest.fixture(scope='module')
def composer(priors):
  model, params = writers.model_of('grid', mode='vae', latent=LATENT)
  return Composer(
    model=model,
    params=params,
    tokenizer=writers.TOKENIZERS['grid'],
    priors=priors,
  )


def test_a_file_gives_back_its_priors(priors):
  found = lib.from_bytes(lib.to_bytes(priors), 'it', LATENT)
  assert found.default == 'aggregate'
  assert found.encoder == priors.encoder
  assert list(found.kinds) == ['autoregressive', 'flow', 'aggregate']
  for kind in found.kinds:
    one, other = (p.sample(5, 1, kind=kind) for p in (priors, found))
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_a_damaged_file_is_refused(priors):
  data = lib.to_bytes(priors)
  for place in np.linspace(0, len(data) - 1, 60).astype(int):
    broken = bytearray(data)
    broken[place] ^= 1
    with pytest.raises(BundleError, match='it is damaged') as info:
      lib.from_bytes(bytes(broken), 'it', LATENT)
    assert info.value.code == 'altered'
  for broken in (b'', data[:-4], data + b'0'):
    with pytest.raises(BundleError, match='it is damaged'):
      lib.from_bytes(broken, 'it', LATENT)


def test_priors_of_other_latents_are_refused(priors):
  data = lib.to_bytes(priors)
  other = dataclasses.replace(LATENT, slot=5)
  with pytest.raises(BundleError, match='8 slots of 4 dims') as info:
    lib.from_bytes(data, 'it', other)
  assert info.value.code == 'other_model'


@pytest.mark.parametrize('dtype', ['float32', 'float16'])
def test_a_bundle_brings_them_along(tmp_path, composer, dtype):
  folder = bundle.save(tmp_path / 'it', composer, dtype=dtype)
  digests = json.loads((folder / 'digests.json').read_text())
  assert 'prior.safetensors' in digests
  found = LatentSpace(bundle.load(folder)).prior(4, seed=2, kind='flow')
  own = LatentSpace(composer).prior(4, seed=2, kind='flow')
  jax.tree.map(np.testing.assert_array_equal, own, found)


def test_a_bundle_whose_priors_are_damaged_or_gone_is_refused(
  tmp_path, composer
):
  folder = bundle.save(tmp_path / 'it', composer)
  path = folder / 'prior.safetensors'
  data = path.read_bytes()
  path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
  with pytest.raises(BundleError, match=r'prior\.safetensors is not what was'):
    bundle.load(folder)
  path.unlink()
  with pytest.raises(BundleError, match=r'prior\.safetensors is missing'):
    bundle.load(folder)


def test_priors_of_another_encoder_are_refused(tmp_path, composer):
  priors = dataclasses.replace(composer.priors, encoder='0')
  other = dataclasses.replace(composer, priors=priors)
  folder = bundle.save(tmp_path / 'it', other)
  with pytest.raises(BundleError, match='another encoder') as info:
    bundle.load(folder)
  assert info.value.code == 'other_model'


def test_draws_of_each_kind(composer):
  space = LatentSpace(composer)
  drawn = space.prior(300, seed=1, condition={'key': 2, 'meter': '4/4'})
  assert drawn.slots.shape == (300, 8, 4)
  again = space.prior(300, seed=1, kind='aggregate')
  np.testing.assert_array_equal(drawn.slots, again.slots)
  plain = space.prior(3, seed=5, kind='standard')
  np.testing.assert_array_equal(plain.slots, space.standard(3, 5).slots)
  told = space.prior(3, kind='flow', condition={'key': 4})
  assert (told.slots != space.prior(3, kind='flow').slots).any()


def test_what_the_model_does_not_carry_is_refused(composer):
  space = LatentSpace(composer)
  bare = LatentSpace(dataclasses.replace(composer, priors=None))
  with pytest.raises(ConfigError, match='carries no prior; fit one'):
    bare.prior(1)
  with pytest.raises(ConfigError, match="no prior 'vamp', but autoregr"):
    space.prior(1, kind='vamp')
  with pytest.raises(ConfigError, match='standard normal knows no cond'):
    space.prior(1, kind='standard', condition={'key': 1})
  with pytest.raises(ConfigError, match="knows no condition 'mood'"):
    space.prior(1, condition={'mood': 1})
  with pytest.raises(ConfigError, match=r'none of the 6 pieces'):
    space.prior(1, condition={'key': 9})


def test_what_a_model_writes_is_of_its_prior(composer):
  prompt = composer.tokenizer.bos()[None]
  drawn = composer._guided(Request(n=3, seed=5), prompt).latents
  for row in range(3):
    alone = composer._guided(Request(seed=5 + row), prompt).latents
    np.testing.assert_array_equal(drawn.slots[row : row + 1], alone.slots)
    wanted = composer.priors.sample(1, 5 + row)
    np.testing.assert_array_equal(alone.slots, wanted.slots)
  given = Request(n=3, seed=5, prompt=writers.piece().notes)
  assert composer._guided(given, prompt).latents is None
  bare = dataclasses.replace(composer, priors=None)
  assert bare._guided(Request(), prompt).latents is None
