"""What accelerators take and can do: memory in use, peak of arithmetic."""

from collections.abc import Sequence
from typing import Any

import jax

PEAKS = {
  'NVIDIA A100': 312e12,
  'NVIDIA A10G': 70e12,
  'NVIDIA H100 PCIe': 756e12,
  'NVIDIA H100': 989e12,
  'NVIDIA H200': 989e12,
  'NVIDIA GH200': 989e12,
  'NVIDIA B200': 2250e12,
  'NVIDIA L40S': 362e12,
  'NVIDIA L4': 121e12,
  'Tesla V100': 125e12,
  'Tesla T4': 65e12,
  'TPU v2': 22.5e12,
  'TPU v3': 61.5e12,
  'TPU v4': 275e12,
  'TPU v5 lite': 197e12,
  'TPU v5e': 197e12,
  'TPU v5p': 459e12,
  'TPU v5': 459e12,
  'TPU v6 lite': 918e12,
  'TPU v6e': 918e12,
}
"""Kind of device -> FLOP/s of one, as jax counts devices (of TPU v2 and v3, a
core): dense matrix products in bfloat16, on older GPUs float16, as their
makers' data sheets tell. The longest name that a kind begins with counts."""


def peak_flops(kind: str) -> float | None:
  """Returns FLOP/s of one device of a kind, None if it is not in `PEAKS`.

  Example:
    >>> peak_flops('NVIDIA H100 80GB HBM3'), peak_flops('cpu')
    (989000000000000.0, None)
  """
  fitting = [name for name in PEAKS if kind.startswith(name)]
  return PEAKS[max(fitting, key=len)] if fitting else None


def memory(devices: Sequence[Any] | None = None) -> dict[str, int]:
  """Returns the memory of the fullest device of this process, in bytes.

  Args:
    devices: Which ones; by default all of this process.

  Returns:
    Of `used`, `peak` and `limit` what the device tells; a CPU tells nothing.
  """
  told = [
    stats
    for device in (jax.local_devices() if devices is None else devices)
    if (stats := device.memory_stats())
  ]
  if not told:
    return {}
  fullest = max(told, key=lambda stats: stats.get('bytes_in_use', 0))
  names = {
    'used': 'bytes_in_use',
    'peak': 'peak_bytes_in_use',
    'limit': 'bytes_limit',
  }
  return {
    name: int(fullest[key]) for name, key in names.items() if key in fullest
  }


def platform() -> str:
  """Returns what the devices are, such as `CPU`, `GPU` or `TPU`."""
  return str(jax.local_devices()[0].platform).upper()


def peak_of_all() -> float | None:
  """Returns FLOP/s of all devices of all processes, None if not known."""
  one = peak_flops(jax.devices()[0].device_kind)
  return None if one is None else one * jax.device_count()
