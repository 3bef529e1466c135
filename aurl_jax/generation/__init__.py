"""From a model to music: sampling, decoding, pieces, files."""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'DecodeError': 'aurl_jax.generation.errors',
    'Piece': 'aurl_jax.generation.piece',
    'Request': 'aurl_jax.generation.request',
    'RequestError': 'aurl_jax.generation.errors',
    'Sampler': 'aurl_jax.generation.sampling',
    'Wish': 'aurl_jax.generation.wish',
    'constraints': 'aurl_jax.generation.constraints',
    'decode': 'aurl_jax.generation.decode',
    'export': 'aurl_jax.generation.export',
    'opening': 'aurl_jax.generation.opening',
  },
)
