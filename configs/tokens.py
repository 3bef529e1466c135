r"""Tokenizations compared: POP909 as the files say it, one small model for all.

    tools/ablation.py tokens --minutes 4 --out runs/tokens \
      --vary 'compound:model.lead=4' \
      --vary 'remi:tokenizer.name=aurl_jax.tokens.remi:Remi'


and likewise `aurl_jax.tokens.performance:Performance`, or `@FILE` for options
and merges that lie in a file (`tools/bpe_ratio.py --save`). Twelve cells a
beat, nothing filled in or told; what that gave is in `docs/results.md`. Bits a
note may be compared between tokenizations of equal grids and velocity bins
alone.
"""

import ml_collections

from aurl_jax.configs import base, pop_short


def get_config(variant: str = 'prod') -> ml_collections.ConfigDict:
  """Returns the page."""
  config = pop_short.get_config(variant)
  config.data.controls = 'none'
  config.data.preprocess.beats = 'keep'
  config.tokenizer = base.section(name='aurl_jax.tokens.compound:Compound')
  config.objective.update(causal=1.0, bars=0.0, tracks=0.0, given=0.0)
  config.model.update(positions='rope', lead=0, metrical=96)
  return config
