"""The smallest real run: a two-layer model over REMI tokens.

    python -m aurl_jax.main --config=tiny --workdir=runs/tiny

Under 30 s on two cores with the corpus in the cache; a checkpoint every five
steps. The tests use it; it is no model to listen to.
"""

import ml_collections

from aurl_jax.configs import base


def get_config(variant: str = 'prod') -> ml_collections.ConfigDict:
  """Returns the page."""
  config = base.get_config(variant)
  # REMI and plain attention compile in half the time of the defaults.
  config.tokenizer.name = 'aurl_jax.tokens.remi:Remi'
  config.model.update(
    width=32, layers=2, heads=2, context=128, dropout=0.1, attention='naive'
  )
  config.train.update(
    steps=20,
    batch_size=8,
    log_every=1,
    evaluate_every=10,
    evaluate_batches=2,
    checkpoint_every=5,
  )
  config.optimizer.update(warmup_steps=5)
  config.generate.update(n=2)
  config.logging.update(tensorboard=variant == 'prod')
  return config
