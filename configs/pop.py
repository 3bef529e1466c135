"""Pop for piano: POP909, one step a note, three minutes in one context.

    python -m aurl_jax.main --config=pop --workdir=runs/pop

Reads the folder `pop909` of AURL_DATA. A bar has about 20 steps, so that a
context of 2,048 holds about 100 bars: most songs whole.
"""

import ml_collections

from aurl_jax.configs import base


def get_config(variant: str = 'prod') -> ml_collections.ConfigDict:
  """Returns the page."""
  config = base.get_config(variant)
  config.data.update(source=base.shared('pop909'), splits='pop909')
  config.augment.update(transpose=6)
  config.model.update(
    width=256, layers=6, heads=8, head_width=192, context=2048, dropout=0.1
  )
  config.optimizer.update(learning_rate=1.5e-3, final_fraction=0.02)
  config.train.update(batch_size=4, ema=0.995)
  if variant == 'prod':
    config.train.update(steps=2000, evaluate_every=200)
  config.generate.update(bars=16, temperature=0.95)
  return config
