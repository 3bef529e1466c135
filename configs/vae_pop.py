"""Two bars of pop for piano through latents, one a beat.

    python -m aurl_jax.main --config=vae_pop --workdir=runs/vae_pop
    aurl train --config=vae_pop --from=runs/vae_pop --workdir=runs/vae_pop2 \
      --set train.steps=2000 --set optimizer.learning_rate=5e-3 \
      --set model.latent.drop=0.3

Reads the folder `pop909` of AURL_DATA, its bar lines put where the downbeats
are, cut into excerpts of two bars.
"""

import ml_collections

from aurl_jax.configs import base


def get_config(variant: str = 'prod') -> ml_collections.ConfigDict:
  """Returns the page."""
  config = base.get_config(variant)
  config.data.update(
    source=base.shared('pop909'), splits='pop909', excerpt=2, batching='bucket'
  )
  # Two bars take 44 steps (the median), and 99.5 % of them 90 or less.
  config.data.update(buckets='40,56,72,96', bucket_rows=8)
  config.data.preprocess.beats = 'align'
  config.tokenizer.cells_per_beat = 4
  config.augment.update(transpose=6)
  config.model.update(
    mode='vae',
    width=160,
    layers=3,
    heads=4,
    head_width=160,
    context=96,
    dropout=0.0,
    metrical=32,
    shared_pitch=True,
  )
  config.model.latent.update(slot=32, slots=8, reach=4, layers=2, drop=0.4)
  config.model.latent.dials = 'density,polyphony,register,syncopation'
  config.elbo.update(beta=0.1, free_bits=0.1, patience=2)
  config.optimizer.update(
    name='muon', b1=0.95, learning_rate=1e-2, final_fraction=0.02
  )
  config.train.update(batch_size=32, ema=0.998)
  if variant == 'prod':
    config.train.update(
      steps=1500,
      log_every=50,
      evaluate_every=300,
      evaluate_batches=16,
      checkpoint_every=100,
    )
  config.generate.update(steps=96, bars=2)
  return config
