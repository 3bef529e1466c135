"""What this machine has, what is missing, and the remedy."""

import importlib.metadata
import pathlib
import platform
import shutil
import sys
from collections.abc import Callable
from typing import Any

import jax

from aurl_jax.parallel import host

PACKAGES = (
  'jax',
  'flax',
  'optax',
  'orbax-checkpoint',
  'grain',
  'array-record',
  'tensorflow-datasets',
  'note-seq',
  'symusic',
  'music21',
  'safetensors',
)
"""Packages that the library needs."""

_LEAST_DISK_GB = 2
"""The quickstart's caches and checkpoints take about half of this."""


def examine() -> list[dict[str, str]]:
  """Returns one row a check: `check`, `status`, `found`, `remedy`.

  `status` is `ok`, `note` (optional, absent) or `missing` (needed).
  """
  parts: list[Callable[[], list[dict[str, str]]]] = [
    _python,
    _packages,
    _devices,
    _data,
    _programs,
    _disk,
  ]
  return [row for part in parts for row in part()]


def _row(
  check: str, found: Any, remedy: str = '', *, need: bool = True
) -> dict:
  status = 'ok' if not remedy else ('missing' if need else 'note')
  return {
    'check': check,
    'status': status,
    'found': str(found),
    'remedy': remedy,
  }


def _python() -> list[dict[str, str]]:
  good = (3, 11) <= sys.version_info[:2] <= (3, 13)
  remedy = '' if good else 'use Python 3.11, 3.12 or 3.13'
  return [_row('python', platform.python_version(), remedy)]


def _packages() -> list[dict[str, str]]:
  rows = []
  for name in PACKAGES:
    try:
      rows.append(_row(name, importlib.metadata.version(name)))
    except importlib.metadata.PackageNotFoundError:
      rows.append(_row(name, 'absent', f'pip install {name}'))
  return rows


def _devices() -> list[dict[str, str]]:
  devices = jax.devices()
  found = f'{len(devices)} × {devices[0].device_kind} ({devices[0].platform})'
  if devices[0].platform == 'cpu' and shutil.which('nvidia-smi'):
    remedy = 'a GPU is here but unused: pip install "aurl_jax[cuda]"'
    return [_row('devices', found, remedy, need=False)]
  return [_row('devices', f'{found}, {host.cores()} cores')]


def _data() -> list[dict[str, str]]:
  import music21

  chorales = pathlib.Path(music21.__file__).parent / 'corpus' / 'bach'
  count = len(list(chorales.glob('*.mxl')))
  remedy = '' if count else 'reinstall music21 with its corpus'
  return [_row('embedded chorales', f'{count} files', remedy)]


def _programs() -> list[dict[str, str]]:
  found = shutil.which('fluidsynth')
  remedy = '' if found else 'install fluidsynth to hear pieces from here'
  return [_row('fluidsynth', found or 'absent', remedy, need=False)]


def _disk() -> list[dict[str, str]]:
  free = shutil.disk_usage(pathlib.Path.cwd()).free / 1e9
  remedy = '' if free > _LEAST_DISK_GB else f'free {_LEAST_DISK_GB} GB'
  return [_row('free disk', f'{free:.0f} GB', remedy)]
