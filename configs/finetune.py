"""On from a shipped model, on a folder of your own: a quarter of an hour.

    aurl train --data ~/my_midi --from pop --workdir runs/mine

What `aurl train --from` takes if no page is named. Sizes and tokenizer are
the other model's. Rows of 512 steps are three times cheaper a step than those
of a long context; the model keeps its own. Filling in is kept up beside
writing on, where the model knows it. Judged before the first step, too, so
that the figures at the end tell what came of it.
"""

import ml_collections

from aurl_jax.configs import base


def get_config(variant: str = 'prod') -> ml_collections.ConfigDict:
  """Returns the page."""
  config = base.get_config(variant)
  config.data.update(controls='bars', context=512)
  # Of performances whose ticks mean nothing the beats are followed.
  config.data.preprocess.beats = 'auto'
  config.objective.update(
    causal=0.7, bars=0.15, tracks=0.1, given=0.05, context_loss=True
  )
  config.augment.update(transpose=6)
  config.optimizer.update(
    name='muon',
    b1=0.95,
    learning_rate=2e-3,
    warmup_steps=20,
    final_fraction=0.05,
  )
  config.train.update(batch_size=4, ema=0.99)
  if variant == 'prod':
    config.train.update(
      steps=400, log_every=20, evaluate_every=200, checkpoint_every=100
    )
  config.generate.update(n=4, temperature=0.95)
  return config
