"""Four-part chorales that fill in bars and voices: `chorale` with a mixture.

    python -m aurl_jax.main --config=chorale_fill --workdir=runs/chorale_fill

Reads the folder `jsb_chorales` of AURL_DATA. What is filled in stands behind
its context, so that the context of the model holds a chorale twice.
"""

import ml_collections

from aurl_jax.configs import chorale


def get_config(variant: str = 'prod') -> ml_collections.ConfigDict:
  """Returns the page."""
  config = chorale.get_config(variant)
  config.tokenizer.infill = True
  config.objective.update(causal=0.3, bars=0.4, tracks=0.3)
  config.model.update(
    width=160, layers=5, heads=4, head_width=160, context=1280, lead=0
  )
  config.model.update(positions='barwise', dropout=0.1)
  config.optimizer.update(name='muon', b1=0.95, learning_rate=1e-2)
  if variant == 'prod':
    config.train.update(steps=1500, evaluate_every=500)
  return config
