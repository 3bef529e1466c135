"""An untrained model with dials and a prior, for what turns them."""

import functools

import jax
import numpy as np

from aurl_jax.deploy import priors as priors_lib
from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.dials import Dials
from aurl_jax.deploy.priors import Priors
from aurl_jax.models.aggregate import AggregatePrior
from aurl_jax.models.config import LatentConfig
from aurl_jax.models.latent import Latents, Posterior
from tests.generation import writers

LATENT = LatentConfig(slot=4, slots=8, dials='density,register')
DEVIATIONS = {'density': 0.5, 'register': 3.0}


@functools.cache
def composer():
  """One of two bars of chorale."""
  model, params = writers.model_of('grid', mode='vae', latent=LATENT)
  # Ids that depend on the latents, though nothing has been learnt.
  params = jax.tree.map(lambda x: x, params)
  for block in params['decoder']['layers'].values():
    block['latent']['kernel'] = 40 * block['latent']['kernel']
  rng = np.random.default_rng(0)
  slots = rng.normal(size=(6, 8, 4)).astype(np.float32)
  told = Latents(slots=slots, piece=np.zeros((6, 0), np.float32))
  used = np.ones((6, 8), bool)
  posterior = Posterior(mean=told, log_variance=told, used=used, dials=2)
  prior = AggregatePrior.of(posterior)
  priors = Priors(
    kinds={'aggregate': prior},
    default='aggregate',
    encoder=priors_lib.fingerprint(params),
  )
  return Composer(
    model=model,
    params=params,
    tokenizer=writers.TOKENIZERS['grid'],
    priors=priors,
    dials=Dials(DEVIATIONS, 1),
  )
