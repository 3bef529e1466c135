"""On from a model with latents and dials, on a folder of your own.

    aurl train --data ~/my_midi --from pop_dials --workdir runs/mine

What `aurl train --from` takes for such models if no page is named: excerpts
of two bars, in buckets, as the page `vae_pop` has them. The prior of its
latents is drawn anew afterwards: `aurl prior runs/mine`.
"""

import ml_collections

from aurl_jax.configs import finetune


def get_config(variant: str = 'prod') -> ml_collections.ConfigDict:
  """Returns the page."""
  config = finetune.get_config(variant)
  config.data.update(
    controls='none',
    context=0,
    excerpt=2,
    batching='bucket',
    buckets='40,56,72,96',
    bucket_rows=8,
  )
  config.objective.update(causal=1.0, bars=0.0, tracks=0.0, given=0.0)
  config.elbo.update(beta=0.1, free_bits=0.1)
  config.optimizer.learning_rate = 3e-3
  config.train.batch_size = 32
  if variant == 'prod':
    config.train.steps = 300
  config.generate.update(bars=2, steps=96)
  return config
