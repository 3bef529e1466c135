"""Data: from files to batches, through records and a token cache."""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'TokenCache': 'aurl_jax.data.cache',
    'batches': 'aurl_jax.data.pipeline',
    'batches_per_epoch': 'aurl_jax.data.pipeline',
    'chorales': 'aurl_jax.data.sources',
    'folder': 'aurl_jax.data.sources',
    'prepare': 'aurl_jax.data.prepare',
    'records': 'aurl_jax.data.sources',
  },
)
