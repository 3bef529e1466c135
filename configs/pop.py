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
  config.data.controls = 'piece'
  config.tokenizer.update(infill=True, controls=True)
  # The context of what is filled in is learnt, too: few rows teach little.
  config.objective.update(
    causal=0.5, bars=0.2, tracks=0.15, given=0.15, context_loss=True
  )
  config.augment.update(transpose=6)
  config.model.update(
    width=192,
    layers=6,
    heads=4,
    head_width=192,
    context=2048,
    dropout=0.0,
    metrical=96,
    shared_pitch=True,
  )
  config.optimizer.update(learning_rate=1e-3, final_fraction=0.02)
  config.train.update(batch_size=1, ema=0.998)
  if variant == 'prod':
    config.train.update(
      steps=2400,
      log_every=20,
      evaluate_every=400,
      evaluate_batches=16,
      checkpoint_every=100,
    )
  config.generate.update(bars=16, temperature=0.95)
  return config
