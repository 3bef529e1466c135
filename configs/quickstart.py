"""Four-part chorales from nothing: the embedded corpus, in three minutes.

    python -m aurl_jax.main --config=quickstart --workdir=runs/quickstart

Ends by writing four MIDI files, their piano rolls and one page. 2:07 on two
cores from an empty cache: 10 s of data preparation, 500 steps, 1.3 GB.

Nats per voice-16th on its own validation split (66 chorales, seed 0):

  0.792   a count table of last pitch, voice and place in the beat
  0.545   this model
"""

import ml_collections

from aurl_jax.configs import base


def get_config(variant: str = 'prod') -> ml_collections.ConfigDict:
  """Returns the page."""
  config = base.get_config(variant)
  config.tokenizer = base.section(
    name='aurl_jax.tokens.grid:VoiceGrid', infill=False
  )
  config.model.update(
    width=192,
    layers=3,
    heads=4,
    context=256,
    dropout=0.1,
    metrical=32,
    shared_pitch=True,
  )
  config.optimizer.update(learning_rate=3e-3, warmup_steps=30)
  config.train.update(steps=500, batch_size=4, evaluate_every=250)
  config.generate.update(bars=12, steps_per_bar=16, temperature=0.95)
  config.logging.update(baseline=True)
  return config
