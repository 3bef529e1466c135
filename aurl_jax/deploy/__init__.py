"""A trained model as one folder that anyone loads."""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'Composer': 'aurl_jax.deploy.composer',
    'Live': 'aurl_jax.deploy.live',
    'bundle': 'aurl_jax.deploy.bundle',
    'load': 'aurl_jax.deploy.bundle',
    'save': 'aurl_jax.deploy.bundle',
  },
)
