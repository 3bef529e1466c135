"""Pop in rows of 512 steps, about 25 bars: what the page `pop` begins with.

python -m aurl_jax.main --config=pop_short --workdir=runs/pop_short
"""

import ml_collections

from aurl_jax.configs import pop


def get_config(variant: str = 'prod') -> ml_collections.ConfigDict:
  """Returns the page."""
  return shortened(pop.get_config(variant), variant, steps=2300)


def shortened(
  config: ml_collections.ConfigDict, variant: str, steps: int
) -> ml_collections.ConfigDict:
  """Returns a page with rows of 512 steps in place of its long ones."""
  config.model.context = 512
  config.optimizer.update(learning_rate=1e-2, final_fraction=0.2)
  config.train.batch_size = 4
  if variant == 'prod':
    config.train.update(
      steps=steps,
      log_every=50,
      evaluate_every=steps,
      evaluate_batches=12,
      checkpoint_every=200,
    )
  config.logging.page = False
  return config
