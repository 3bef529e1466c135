"""Music for many who ask at once: an engine, and HTTP in front of it."""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'Engine': 'aurl_jax.serving.engine',
    'Plan': 'aurl_jax.serving.plan',
    'Settings': 'aurl_jax.serving.settings',
  },
)
