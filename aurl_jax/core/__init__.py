"""The ground floor: what every room needs and no room of music knows.

Configuration, checkpoints, logs, files, random keys, array types, errors.
"""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    name: f'{__name__}.{name}'
    for name in (
      'averaging',
      'checkpoint',
      'coercion',
      'config',
      'errors',
      'files',
      'hosts',
      'lazy',
      'logline',
      'logs',
      'manifest',
      'random',
      'retention',
      'system',
      'tensorboard',
      'trackers',
      'trees',
      'typing',
      'writers',
    )
  },
)
