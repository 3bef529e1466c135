"""Several instruments and drums: songs, quartets, lead sheets, piano, drums.

    python -m aurl_jax.main --config=multi_short --workdir=runs/multi_short
    python -m aurl_jax.main --config=multi --workdir=runs/multi \
      --config.train.begin_from=runs/multi_short

Reads five folders of AURL_DATA whose licences are CC0, CC BY or the public
domain: `openscore_lieder`, `openscore_quartets`, `openewld`, `giantmidi` and
`groove`. Their frozen splits hold together: nothing that one evaluates is
like what another trains on. Built and trained as `pop`. No set has drums and
other instruments at once, so neither has the model; which instruments play is
a control.
"""

import os

import ml_collections

from aurl_jax.configs import base, pop

SETS = (
  'openscore_lieder',
  'openscore_quartets',
  'openewld',
  'giantmidi',
  'groove',
)


def get_config(variant: str = 'prod') -> ml_collections.ConfigDict:
  """Returns the page."""
  config = pop.get_config(variant)
  config.data.update(
    source=os.pathsep.join(base.shared(name) for name in SETS), splits='all'
  )
  # The piano of `giantmidi` was transcribed from sound: its ticks are none.
  config.data.preprocess.beats = 'auto'
  # Scores have triplets, and drummers swing.
  config.tokenizer.cells_per_beat = 12
  # Most scores go on without returning, and cooler it would repeat itself more.
  config.generate.update(forms='scores', temperature=1.0)
  if variant == 'prod':
    config.train.update(steps=800, evaluate_every=800)
  return config
