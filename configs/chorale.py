"""Four-part chorales: the JSB set in its canonical splits, one step a 16th.

    python -m aurl_jax.main --config=chorale --workdir=runs/chorale

Reads the folder `jsb_chorales` of AURL_DATA (229 chorales to train on, 76 to
judge by). Nothing of the embedded corpus may be used: it holds most of the
pieces that judge. Context 640 holds the longest chorale whole. 1 h 34 min on
one core, 1 GB. Nats a voice-16th on the 76 chorales, as frames and, in
brackets, with strikes and holds told apart:

  0.345 (0.348)   this model, seed 0, 8,000 steps
  0.370 (0.376)   the same run after 3,200 steps, 40 minutes
        (0.715)   a count table of last pitch, voice and place in the beat

The shipped model `chorale` is this run's.
"""

import ml_collections

from aurl_jax.configs import base


def get_config(variant: str = 'prod') -> ml_collections.ConfigDict:
  """Returns the page."""
  config = base.get_config(variant)
  config.data.update(source=base.shared('jsb_chorales'), splits='jsb_chorales')
  config.tokenizer = base.section(name='aurl_jax.tokens.grid:VoiceGrid')
  config.augment.update(transpose=6)
  config.model.update(
    width=192,
    layers=6,
    heads=6,
    head_width=256,
    context=640,
    dropout=0.3,
    metrical=32,
    shared_pitch=True,
  )
  config.optimizer.update(
    learning_rate=2e-3, weight_decay=0.1, final_fraction=0.02
  )
  # Few rows a step: at equal compute more steps learn more (docs/results.md).
  config.train.update(batch_size=2, ema=0.999)
  if variant == 'prod':
    config.train.update(
      steps=8000, log_every=50, evaluate_every=400, checkpoint_every=200
    )
  config.generate.update(bars=12, steps_per_bar=16, temperature=0.95)
  config.logging.update(baseline=True)
  return config
