"""Symbolic music generation in JAX: from a folder of MIDI to music.

Importing the package costs nothing; each name loads its part on first use.

  import aurl_jax

  composer = aurl_jax.load('BUNDLE')  # made by `aurl bundle RUN`
  for piece in composer.generate(aurl_jax.Request(seed=1)):
    piece.midi()
"""

from aurl_jax.core import lazy

__version__ = '0.1.0'

_ROOMS = (
  'core',
  'data',
  'deploy',
  'experiment',
  'generation',
  'models',
  'music',
  'parallel',
  'tokens',
  'training',
)

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'Notes': 'aurl_jax.music.notes',
    'Piece': 'aurl_jax.generation.piece',
    'Request': 'aurl_jax.generation.request',
    'load': 'aurl_jax.deploy.bundle',
  }
  | {room: f'{__name__}.{room}' for room in _ROOMS},
)
