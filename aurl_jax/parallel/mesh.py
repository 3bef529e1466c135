"""The mesh of devices: axes `data`, `fsdp` and `tensor`.

The batch is split over `data` and `fsdp`, parameters over `fsdp` and
`tensor`. Axis types are Auto: the compiler places what the rules leave open.
"""

import contextlib
import dataclasses
import logging
import os
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh

from aurl_jax.core.errors import ConfigError

AXES = ('data', 'fsdp', 'tensor')
AUTO = 'auto'

_FORCED = 'xla_force_host_platform_device_count'
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshConfig:
  """How devices, and processes, share the work.

  Attributes:
    data: Devices that hold whole copies and split the batch; -1 takes all
      that `fsdp` and `tensor` leave.
    fsdp: Devices that split the batch and the parameters.
    tensor: Devices that split heads and hidden units.
    host_devices: Devices that the CPU poses as; 0 leaves jax's default. One
      a core trains fastest.
    coordinator: `host:port` of process 0, or `auto` on a cluster that jax
      knows; empty means a single process.
    processes: Number of processes, with a `host:port`.
    process: Index of this process, with a `host:port`.
  """

  data: int = -1
  fsdp: int = 1
  tensor: int = 1
  host_devices: int = 0
  coordinator: str = ''
  processes: int = 1
  process: int = 0

  def __post_init__(self) -> None:
    if self.data < 1 and self.data != -1:
      raise _error('data', 'must be positive, or -1 for all that remain')
    for name in ('fsdp', 'tensor', 'processes'):
      if getattr(self, name) < 1:
        raise _error(name, 'must be at least 1')
    if self.host_devices < 0:
      raise _error('host_devices', 'must be 0 (default) or more')
    if not 0 <= self.process < self.processes:
      raise _error('process', f'must lie in 0..{self.processes - 1}')
    address = self.coordinator.rpartition(':')
    named = self.coordinator in ('', AUTO)
    if not (named or (address[0] and address[2].isdigit())):
      raise _error('coordinator', f'{self.coordinator!r} is no host:port')
    if self.processes > 1 and self.coordinator in ('', AUTO):
      raise _error(
        'processes', 'needs mesh.coordinator, the host:port of process 0'
      )


def make_mesh(config: MeshConfig) -> Mesh:
  """Returns the mesh of a config.

  A single process may use fewer devices than there are: the first ones.

  Raises:
    ConfigError: There are too few devices, or they do not divide.
  """
  devices = jax.devices()
  inner = config.fsdp * config.tensor
  if config.data == -1 and len(devices) % inner:
    raise _error(
      'data',
      f'-1 takes all {len(devices)} devices, which mesh.fsdp × mesh.tensor '
      f'= {inner} does not divide; change those or give data a number',
    )
  data = len(devices) // inner if config.data == -1 else config.data
  need = data * inner
  if need > len(devices) or (need < len(devices) and jax.process_count() > 1):
    raise _error(
      'data',
      f'× fsdp × tensor = {need} devices, but there are {len(devices)}; '
      'shrink the mesh, or set mesh.host_devices on a CPU',
    )
  shape = (data, config.fsdp, config.tensor)
  types = (AxisType.Auto,) * len(AXES)
  return jax.make_mesh(shape, AXES, types, devices=devices[:need])


def use(mesh: Mesh) -> contextlib.AbstractContextManager[object]:
  """Returns the context in which computations run on the mesh."""
  return jax.set_mesh(mesh)


def alone() -> Mesh:
  """Returns the mesh of this process's first device.

  For work that one of several processes does by itself: on the mesh of all
  of them its arrays would lie where it cannot reach.
  """
  types = (AxisType.Auto,) * len(AXES)
  return jax.make_mesh((1, 1, 1), AXES, types, devices=jax.local_devices()[:1])


def rows(mesh: Mesh) -> int:
  """Returns how many parts the mesh splits a batch into."""
  return int(mesh.shape['data'] * mesh.shape['fsdp'])


def describe(mesh: Mesh) -> str:
  """Returns the mesh in words, such as `data 2 × fsdp 1 × tensor 1 on cpu`."""
  axes = ' × '.join(f'{name} {size}' for name, size in mesh.shape.items())
  platforms = sorted({device.platform for device in np.ravel(mesh.devices)})
  return f'{axes} on {", ".join(platforms)}'


def host_devices(count: int) -> None:
  """Lets the CPU pose as so many devices; 0 leaves jax's default.

  Raises:
    ConfigError: Devices are in use already, with another count.
  """
  if not count or _FORCED in os.environ.get('XLA_FLAGS', ''):
    return
  try:
    jax.config.update('jax_num_cpu_devices', count)
  except RuntimeError as error:
    if len(jax.devices('cpu')) != count:
      raise _error(
        'host_devices',
        f'{count} comes too late, jax runs with {len(jax.devices("cpu"))} '
        'CPU devices already; set it before the first computation',
      ) from error


def initialise_distributed(config: MeshConfig, timeout: int = 120) -> None:
  """Joins the other processes; does nothing for a single process.

  Args:
    config: With `coordinator`, `processes` and `process`.
    timeout: Seconds to wait for the others.

  Raises:
    ConfigError: No cluster was found, or jax is running already.
  """
  if not config.coordinator:
    return
  given: dict[str, Any] = {}
  if config.coordinator != AUTO:
    given = {
      'coordinator_address': config.coordinator,
      'num_processes': config.processes,
      'process_id': config.process,
    }
  try:
    jax.distributed.initialize(**given, initialization_timeout=timeout)
  except (RuntimeError, ValueError) as error:
    raise _error(
      'coordinator',
      f'{config.coordinator!r}: process {config.process} of '
      f'{config.processes} could not join ({error}); start every process '
      'with the same address and its own mesh.process, before any use of jax',
    ) from error
  # Gloo gives processes 30 s to connect, at the first thing that they do
  # together; now they are at one place, later one may prepare data.
  multihost_utils.sync_global_devices('aurl_jax: joined')
  _log.info('process %d of %d', jax.process_index(), jax.process_count())


def _error(name: str, cause: str) -> ConfigError:
  return ConfigError(f'mesh.{name}: {cause}', code='mesh_config')
