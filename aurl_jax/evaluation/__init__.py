"""How good music and models are: plain functions on `Notes` and arrays.

Nothing here knows a model: whoever has one hands in sums of likelihood, or
pieces.
"""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'Frames': 'aurl_jax.evaluation.targets',
    'NoteCounts': 'aurl_jax.evaluation.targets',
    'bootstrap': 'aurl_jax.evaluation.bootstrap',
    'likelihood': 'aurl_jax.evaluation.likelihood',
    'musical': 'aurl_jax.evaluation.musical',
    'originality': 'aurl_jax.evaluation.originality',
    'overlap': 'aurl_jax.evaluation.overlap',
  },
)
