"""From a model to music: sampling, decoding, pieces, files."""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'Album': 'aurl_jax.generation.album',
    'Arrange': 'aurl_jax.generation.remake',
    'Between': 'aurl_jax.generation.remake',
    'DecodeError': 'aurl_jax.generation.errors',
    'Like': 'aurl_jax.generation.remake',
    'Piece': 'aurl_jax.generation.piece',
    'Request': 'aurl_jax.generation.request',
    'RequestError': 'aurl_jax.generation.errors',
    'Sampler': 'aurl_jax.generation.sampling',
    'Vary': 'aurl_jax.generation.remake',
    'Wish': 'aurl_jax.generation.wish',
    'constraints': 'aurl_jax.generation.constraints',
    'decode': 'aurl_jax.generation.decode',
    'export': 'aurl_jax.generation.export',
    'opening': 'aurl_jax.generation.opening',
  },
)
