"""Two bars of pop for piano, a critic beside the latents.

    aurl train --config=vae_gan_pop --from=runs/vae_pop --workdir=runs/gan

Goes on with a trained `vae_pop`, whose sections `model` and `tokenizer` it
takes over. The critic learns alone until it tells held-out excerpts from what
is made of them in more than 70 % of cases; `valid/gan/...` in the records says
how it goes. The control is the same command with `--set gan.weight=0`.

Of reconstructions a critic has half right, and the gate stays shut; `--set
gan.drawn=0.75` shows it draws, too. What that is worth: docs/results.md.
"""

import ml_collections

from aurl_jax.configs import vae_pop


def get_config(variant: str = 'prod') -> ml_collections.ConfigDict:
  """Returns the page."""
  config = vae_pop.get_config(variant)
  config.model.mode = 'vae_gan'
  config.optimizer.update(
    name='adamw',
    learning_rate=1e-4,
    b1=0.5,
    b2=0.9,
    warmup_steps=20,
    schedule='constant',
    weight_decay=0.0,
  )
  if variant == 'prod':
    config.train.update(steps=5000, evaluate_every=100)
  config.train.checkpoint_every = config.train.evaluate_every
  config.gan.warmup = min(200, config.train.steps // 4)
  return config
