"""What a training step needs of each device's memory, told by the compiler.

The state lies on the devices all the time. What else a step needs at its
worst moment the compiler knows, which plans every buffer: gradients, the
activations that the backward pass reads, and room to work in. It is a plan,
not a measurement: the libraries that the process has loaded, the batch
after this one and copies that a checkpoint makes come on top.
"""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

_CGROUP = pathlib.Path('/sys/fs/cgroup/memory.max')
_NAMES = {'params': 'parameters', 'opt': 'optimiser'}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
  """Bytes on each device.

  Attributes:
    parts: What -> bytes on one device: the parts of the state by name,
      `batch`, `gradients` and `activations`. Gradients live only where
      activations are given back already, so that the two together are what
      the compiler plans, and either of them may need more by itself.
    limit: Bytes that one device has; 0 if it does not tell.
    devices: How many there are, over all processes.
    platform: Such as `cpu`.
    shape: Rows and steps of the batch, over all devices.
  """

  parts: Mapping[str, int]
  limit: int
  devices: int
  platform: str
  shape: tuple[int, ...]

  @property
  def total(self) -> int:
    """Bytes on one device, in all."""
    return sum(self.parts.values())

  @property
  def fits(self) -> bool:
    """Whether a device has so much."""
    return not self.limit or self.total <= self.limit

  def as_dict(self) -> dict[str, Any]:
    """Returns the report as JSON holds it."""
    return {
      'platform': self.platform,
      'devices': self.devices,
      'batch': list(self.shape),
      'bytes_per_device': dict(self.parts),
      'total_per_device': self.total,
      'total': self.total * self.devices,
      'limit_per_device': self.limit or None,
    }

  def __str__(self) -> str:
    """Returns the report as one line for people."""
    parts = ', '.join(f'{name} {size(n)}' for name, n in self.parts.items())
    of = f' of {size(self.limit)}' if self.limit else ''
    each = f'each of {self.devices} devices' if self.devices > 1 else 'one'
    shape = ' × '.join(map(str, self.shape))
    return f'memory: {size(self.total)}{of} on {each}, batch {shape}: {parts}'


def report(
  program: Any, state: Mapping[str, Any], batch: Mapping[str, Any]
) -> Report:
  """Returns what a compiled step needs.

  Args:
    program: The `jax.stages.Compiled` of `step(state, batch)`.
    state: With `params`; arrays or their descriptions, with shardings.
    batch: Likewise, with `ids`.
  """
  parts = state_parts(state)
  parts['batch'] = local_bytes(batch)
  plan = program.memory_analysis()
  gradients = local_bytes(state['params'])
  rest = 0
  if plan is not None:
    # An output that takes the place of an argument is counted there.
    fresh = plan.output_size_in_bytes - plan.alias_size_in_bytes
    rest = plan.temp_size_in_bytes + max(0, fresh)
  parts['gradients'] = gradients
  parts['activations'] = max(0, rest - gradients)
  devices = batch['ids'].sharding.device_set
  return Report(
    parts=parts,
    limit=limit(),
    devices=len(devices),
    platform=next(iter(devices)).platform,
    shape=tuple(batch['ids'].shape[:2]),
  )


def state_parts(state: Mapping[str, Any]) -> dict[str, int]:
  """Returns the bytes on one device of each part of a state, large first.

  What takes less than a kilobyte (counters, keys) is left out.
  """
  sizes = {_NAMES.get(k, k): local_bytes(part) for k, part in state.items()}
  return {k: n for k, n in sizes.items() if n >= 1024}


def local_bytes(tree: Any) -> int:
  """Returns the bytes of a tree that lie on one device."""
  return sum(map(_leaf_bytes, jax.tree.leaves(tree)))


def _leaf_bytes(leaf: Any) -> int:
  sharding = getattr(leaf, 'sharding', None)
  shape = leaf.shape if sharding is None else sharding.shard_shape(leaf.shape)
  return int(np.prod(shape)) * leaf.dtype.itemsize


def limit() -> int:
  """Returns the bytes that one device of this process has; 0 if unknown.

  On a CPU the devices share the memory of the host, or what the process's
  control group leaves of it.
  """
  device = jax.local_devices()[0]
  stats = device.memory_stats() or {}
  if device.platform != 'cpu':
    return int(stats.get('bytes_limit', 0))
  whole = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
  if _CGROUP.is_file() and (text := _CGROUP.read_text().strip()).isdigit():
    whole = min(whole, int(text))
  return whole // jax.local_device_count()


def size(count: int) -> str:
  """Returns bytes as people read them, in powers of ten.

  Example:
    >>> size(950), size(21_815_828), size(24_000_000_000)
    ('950 B', '21.8 MB', '24.0 GB')
  """
  if count < 1000:
    return f'{count} B'
  power = min(4, (len(str(count)) - 1) // 3)
  return f'{count / 1000**power:.1f} {"kMGT"[power - 1]}B'
