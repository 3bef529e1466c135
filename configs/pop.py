"""Pop for piano: POP909, one step a note, three minutes in one context.

    python -m aurl_jax.main --config=pop_short --workdir=runs/pop_short
    python -m aurl_jax.main --config=pop --workdir=runs/pop \
      --config.train.begin_from=runs/pop_short

Reads the folder `pop909` of AURL_DATA. A bar has about 20 steps, so that a
context of 2,048 holds about 100 bars: most songs whole. Rows of 512 steps come
first, since what a bar is made of is learnt from them in a quarter of the time.

Bar lines are put where the downbeats are; each bar tells its controls. 37 and
17 minutes on one busy core, 2.3 GB. Bits a note on the 62 songs of the valid
split, velocities and bar lines counted, no controls told: 7.33; with controls
told and counted 7.57. The shipped model `pop` is this run's.
"""

import ml_collections

from aurl_jax.configs import base


def get_config(variant: str = 'prod') -> ml_collections.ConfigDict:
  """Returns the page."""
  config = base.get_config(variant)
  config.data.update(
    source=base.shared('pop909'), splits='pop909', controls='bars'
  )
  # Most files say 1/4, and their beats are not those of their ticks.
  config.data.preprocess.beats = 'align'
  # 16ths: the songs stand on them to within 5 ms on average.
  config.tokenizer.update(cells_per_beat=4, infill=True, controls=True)
  # The context of what is filled in is learnt, too: few rows teach little.
  config.objective.update(
    causal=0.4, bars=0.3, tracks=0.15, given=0.15, context_loss=True
  )
  config.augment.update(transpose=6)
  config.model.update(
    width=160,
    layers=5,
    heads=4,
    kv_heads=2,
    head_width=160,
    context=2048,
    dropout=0.0,
    metrical=32,
    shared_pitch=True,
    # What is filled in stands where it will be put back.
    positions='barwise',
    lead=4,
  )
  config.optimizer.update(
    name='muon', b1=0.95, learning_rate=4e-3, final_fraction=0.02
  )
  config.train.update(batch_size=1, ema=0.998)
  if variant == 'prod':
    config.train.update(
      steps=600,
      log_every=20,
      evaluate_every=600,
      evaluate_batches=16,
      checkpoint_every=100,
    )
  # Of the songs none has more than 10.
  config.generate.update(bars=16, temperature=0.95, crowd=12)
  return config
