"""Several instruments in rows of 512 steps: what the page `multi` begins with.

python -m aurl_jax.main --config=multi_short --workdir=runs/multi_short
"""

import ml_collections

from aurl_jax.configs import multi


def get_config(variant: str = 'prod') -> ml_collections.ConfigDict:
  """Returns the page."""
  config = multi.get_config(variant)
  config.model.context = 512
  config.optimizer.update(learning_rate=1e-2, final_fraction=0.2)
  config.train.batch_size = 4
  if variant == 'prod':
    config.train.update(
      steps=3000,
      log_every=50,
      evaluate_every=3000,
      evaluate_batches=12,
      checkpoint_every=100,
    )
  config.logging.page = False
  return config
