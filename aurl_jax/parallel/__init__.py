"""Devices: the mesh, and what lies where on it."""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'Ahead': 'aurl_jax.parallel.ahead',
    'MeshConfig': 'aurl_jax.parallel.mesh',
    'alone': 'aurl_jax.parallel.mesh',
    'batch_sharding': 'aurl_jax.parallel.rules',
    'host_devices': 'aurl_jax.parallel.mesh',
    'initialise_distributed': 'aurl_jax.parallel.mesh',
    'make_mesh': 'aurl_jax.parallel.mesh',
    'mesh': 'aurl_jax.parallel.mesh',
    'place_batch': 'aurl_jax.parallel.rules',
    'rules': 'aurl_jax.parallel.rules',
    'shardings': 'aurl_jax.parallel.rules',
    'to_host': 'aurl_jax.parallel.gather',
    'use': 'aurl_jax.parallel.mesh',
  },
)
