"""Two bars of chorale through latents, one a beat: the first VAE.

    python -m aurl_jax.main --config=vae_chorale --workdir=runs/vae_chorale

Reads the folder `jsb_chorales` of AURL_DATA, cut into excerpts of two bars. 15
minutes on half a core. Of 128 excerpts of the valid split, 92.0 % of the ids
come back when the model writes by itself from their latents, 10.1 % from those
of another excerpt (`tools/reconstruct.py`).
"""

import ml_collections

from aurl_jax.configs import base


def get_config(variant: str = 'prod') -> ml_collections.ConfigDict:
  """Returns the page."""
  config = base.get_config(variant)
  config.data.update(
    source=base.shared('jsb_chorales'),
    splits='jsb_chorales',
    excerpt=2,
    batching='pad',
  )
  config.tokenizer = base.section(name='aurl_jax.tokens.grid:VoiceGrid')
  config.augment.update(transpose=6)
  config.model.update(
    mode='vae',
    width=160,
    layers=3,
    heads=4,
    head_width=192,
    context=34,
    dropout=0.1,
    metrical=32,
    shared_pitch=True,
  )
  config.model.latent.update(slot=16, slots=8, reach=4, layers=2, drop=0.4)
  config.elbo.update(beta=0.3, free_bits=0.1, patience=2)
  config.optimizer.update(learning_rate=2e-3, final_fraction=0.02)
  config.train.update(batch_size=32, ema=0.998)
  if variant == 'prod':
    config.train.update(
      steps=1500, log_every=50, evaluate_every=500, checkpoint_every=500
    )
  config.generate.update(steps=34)
  return config
