"""Several instruments in rows of 512 steps: what the page `multi` begins with.

python -m aurl_jax.main --config=multi_short --workdir=runs/multi_short
"""

import ml_collections

from aurl_jax.configs import multi, pop_short


def get_config(variant: str = 'prod') -> ml_collections.ConfigDict:
  """Returns the page."""
  config = pop_short.shortened(multi.get_config(variant), variant, steps=3000)
  if variant == 'prod':
    config.train.checkpoint_every = 100
  return config
