"""Experiment trackers behind extras: Weights & Biases and trackio.

Both keep their files in the run's folder and send nothing anywhere, unless
the environment says so (`WANDB_MODE=online`, `TRACKIO_SPACE_ID`).
"""

import importlib
import os
import pathlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from aurl_jax.core import files
from aurl_jax.core.errors import ConfigError
from aurl_jax.core.writers import numbers, plain

PROJECT = 'aurl_jax'
"""What runs are filed under."""


class WandbWriter:
  """Records for Weights & Biases, offline by default.

  `wandb sync RUN/wandb/offline-run-*` uploads them later.
  """

  def __init__(self, folder: files.StrPath, config: Mapping[str, Any]) -> None:
    """Starts a run named after its folder.

    Raises:
      ConfigError: wandb is not installed (code `missing_extra`).
    """
    wandb = _load('wandb')
    path = pathlib.Path(folder).resolve()
    path.mkdir(parents=True, exist_ok=True)
    self._run = wandb.init(
      project=PROJECT,
      name=path.name,
      dir=str(path),
      config=dict(config),
      mode=os.environ.get('WANDB_MODE', 'offline'),
      settings=wandb.Settings(silent=True),
    )

  def write(self, record: Mapping[str, Any]) -> None:
    """Logs the numbers of a record at its step."""
    self._run.log(numbers(record), step=int(plain(record['step'])))

  def close(self) -> None:
    """Completes the run."""
    self._run.finish()


class TrackioWriter:
  """Records for trackio, in a database inside the run's folder.

  `TRACKIO_DIR=RUN/trackio trackio show` shows them.
  """

  def __init__(self, folder: files.StrPath, config: Mapping[str, Any]) -> None:
    """Starts a run named after its folder, or goes on with it.

    Raises:
      ConfigError: trackio is not installed (code `missing_extra`).
    """
    path = pathlib.Path(folder).resolve()
    # It reads this when it is imported, and counts its users by default.
    os.environ.setdefault('TRACKIO_DIR', str(path / 'trackio'))
    os.environ.setdefault('HF_HUB_DISABLE_TELEMETRY', '1')
    trackio = _load('trackio')
    self._run = trackio.init(
      project=PROJECT,
      name=path.name,
      config=dict(config),
      resume='allow',
      embed=False,
      auto_log_gpu=False,
      auto_log_cpu=False,
    )

  def write(self, record: Mapping[str, Any]) -> None:
    """Logs the numbers of a record at its step."""
    self._run.log(numbers(record), step=int(plain(record['step'])))

  def close(self) -> None:
    """Completes the run."""
    self._run.finish()


def _load(name: str) -> ModuleType:
  try:
    return importlib.import_module(name)
  except ImportError as error:
    raise ConfigError(
      f'logging.{name} needs the package {name}, which cannot be imported '
      f'({error}); pip install "aurl_jax[{name}]", or set logging.{name} to '
      'False',
      code='missing_extra',
    ) from error
