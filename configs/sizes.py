"""Pages of the named sizes, and what gives another page one of them.

    python -m aurl_jax.main --config=sizes:small --workdir=runs/small

    config = base.get_config(variant)
    sizes.apply(config, 'small')

With the vocabulary of `compound` they have about 2M, 12M, 100M and 350M
parameters (`tests/experiment/sizes_test.py` counts). All read 2,048 steps,
three minutes of pop. Heads are 40, 64, 64 and 128 wide: GPUs like multiples
of 64.
"""

import ml_collections

from aurl_jax.configs import base

SIZES: dict[str, dict[str, int]] = {
  'tiny': {'width': 160, 'layers': 5, 'heads': 4, 'head_width': 128},
  'small': {'width': 384, 'layers': 6, 'heads': 6, 'head_width': 128},
  'base': {'width': 768, 'layers': 14, 'heads': 12, 'head_width': 256},
  'large': {'width': 1024, 'layers': 28, 'heads': 8, 'head_width': 256},
}
"""Name -> keys of the model section that make the size."""
CONTEXT = 2048
"""Steps that all sizes read."""


def get_config(variant: str = 'small') -> ml_collections.ConfigDict:
  """Returns the base page with a model of the size `variant`."""
  config = base.get_config()
  apply(config, variant)
  return config


def apply(config: ml_collections.ConfigDict, size: str) -> None:
  """Gives the model section of a page a named size.

  Args:
    config: A page, as of `base.get_config`.
    size: A key of `SIZES`.

  Raises:
    LookupError: There is no such size.
  """
  if size not in SIZES:
    raise LookupError(
      f'no size {size!r} of the model; choose one of ' + ', '.join(SIZES)
    )
  config.model.update(context=CONTEXT, hidden=0, **SIZES[size])
