"""Arrays that lie on the devices of several processes, as arrays of one."""

import functools
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P


def to_host(tree: Any) -> Any:
  """Returns a tree of device arrays as numpy arrays, whole, on each process.

  No process holds all of an array that `fsdp` or `tensor` splits over hosts,
  and only all of them together can gather it: every process must make this
  call, whichever of them uses what it returns. One array is gathered at a
  time, so that the devices need room for the largest one and no more.
  """
  return jax.tree.map(_whole, tree)


def _whole(leaf: Any) -> np.ndarray:
  reachable = not isinstance(leaf, jax.Array) or leaf.is_fully_addressable
  if reachable or leaf.is_fully_replicated:
    return np.asarray(leaf)
  return np.asarray(_gatherer(leaf.sharding.mesh)(leaf))


@functools.lru_cache(maxsize=8)
def _gatherer(mesh: jax.sharding.Mesh) -> Any:
  return jax.jit(lambda leaf: leaf, out_shardings=NamedSharding(mesh, P()))
