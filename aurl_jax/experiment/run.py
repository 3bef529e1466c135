"""One entry for `aurl_jax.main`: a mode, a config, a folder."""

import pathlib
from collections.abc import Mapping
from typing import Any

from aurl_jax.experiment import evaluate, generate, train
from aurl_jax.experiment.workdir import Workdir


def run(
  mode: str,
  config: Mapping[str, Any] | None,
  workdir: pathlib.Path,
  allow: tuple[str, ...] = (),
) -> dict[str, Any]:
  """Trains, evaluates or generates, and prints what came of it.

  Args:
    mode: `train`, `evaluate` or `generate`.
    config: Plain sections; None takes those of the run in the folder.
    workdir: The run's folder.
    allow: Modules outside `aurl_jax` that the config may name.

  Returns:
    The figures, as printed.
  """
  folder = Workdir(workdir)
  modes = {
    'train': train.run,
    'evaluate': evaluate.run,
    'generate': generate.run,
  }
  result = modes[mode](config, folder, allow)
  for name, value in result.items():
    shown = f'{value:.4f}' if isinstance(value, float) else value
    print(f'{name}: {shown}')
  return result
