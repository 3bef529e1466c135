"""Several instruments and drums: songs, quartets, lead sheets, piano, drums.

    python -m aurl_jax.main --config=multi_short --workdir=runs/multi_short
    python -m aurl_jax.main --config=multi --workdir=runs/multi \
      --config.train.begin_from=runs/multi_short

Reads five folders of AURL_DATA whose licences are CC0, CC BY or the public
domain: `openscore_lieder`, `openscore_quartets`, `openewld`, `giantmidi` and
`groove`. Their frozen splits hold together: nothing that one evaluates is
like what another trains on. No set has drums and other instruments at once,
so neither has the model; which instruments play is a control.
"""

import os

import ml_collections

from aurl_jax.configs import base

SETS = (
  'openscore_lieder',
  'openscore_quartets',
  'openewld',
  'giantmidi',
  'groove',
)


def get_config(variant: str = 'prod') -> ml_collections.ConfigDict:
  """Returns the page."""
  config = base.get_config(variant)
  config.data.update(
    source=os.pathsep.join(base.shared(name) for name in SETS),
    splits='all',
    controls='bars',
  )
  # The piano of `giantmidi` was transcribed from sound: its ticks are none.
  config.data.preprocess.beats = 'auto'
  config.tokenizer.update(infill=True, controls=True)
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
    positions='barwise',
    lead=4,
  )
  config.optimizer.update(
    name='muon', b1=0.95, learning_rate=4e-3, final_fraction=0.02
  )
  config.train.update(batch_size=1, ema=0.998)
  if variant == 'prod':
    config.train.update(
      steps=800,
      log_every=20,
      evaluate_every=800,
      evaluate_batches=16,
      checkpoint_every=100,
    )
  config.generate.update(bars=16, temperature=0.95)
  return config
