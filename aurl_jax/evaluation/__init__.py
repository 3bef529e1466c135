"""Evaluation: figures on notes and arrays; it knows no model."""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'Frames': 'aurl_jax.evaluation.targets',
    'NoteCounts': 'aurl_jax.evaluation.targets',
  },
)
