"""The memory report of a run: told, kept, and refused if it cannot do."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import jax

from aurl_jax.core import files
from aurl_jax.core.errors import ConfigError
from aurl_jax.experiment import progress
from aurl_jax.experiment.sections import RunConfig
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.parallel import memory

_log = logging.getLogger(__name__)


def watch(
  run: RunConfig, folder: Workdir, *, quiet: bool = False
) -> Callable[[Any, Any, Mapping[str, Any]], None]:
  """Returns what is told of each compiled step before it runs.

  It keeps the report of the program that needs most in `memory.json`. Where
  that is more than there is it warns on a CPU, whose devices share what other
  programs may give back, and refuses elsewhere.
  """
  largest = 0

  def seen(program: Any, state: Any, batch: Mapping[str, Any]) -> None:
    nonlocal largest
    found = memory.report(program, state, batch)
    if found.total <= largest:
      return
    largest = found.total
    if jax.process_index() == 0:
      text = json.dumps(found.as_dict(), indent=2)
      files.write_atomic(folder.memory, f'{text}\n')
      progress.say(str(found), quiet=quiet)
    if found.fits:
      return
    if found.platform != 'cpu':
      raise ConfigError(warning(found, run), code='memory')
    if jax.process_index() == 0:
      _log.warning('%s', warning(found, run))

  return seen


def check(
  state: Mapping[str, Any], run: RunConfig, devices: int, limit: int
) -> None:
  """Refuses a run whose state alone is too large, before anything compiles.

  Parameters, what the optimizer keeps and gradients live on the devices at
  once, whatever the batch; what else a step needs the compiler tells later.

  Args:
    state: Of `state.abstract`, with shardings.
    run: The config.
    devices: How many there are.
    limit: Bytes that one device has; 0 if it does not tell.

  Raises:
    ConfigError: It cannot fit (code `memory`); says what helps.
  """
  found = memory.state_parts(state)
  found['gradients'] = memory.local_bytes(state['params'])
  need = sum(found.values())
  if not limit or need <= limit:
    return
  split = run.mesh.fsdp * run.mesh.tensor
  remedies = [
    f'mesh.fsdp={devices}' if split < devices else '',
    f'model.layers={run.model.layers // 2}' if run.model.layers > 1 else '',
    'a smaller model.width',
    'more devices',
  ]
  parts = ', '.join(f'{name} {memory.size(n)}' for name, n in found.items())
  raise ConfigError(
    f'model: each device needs {memory.size(need)} before any batch ({parts}) '
    f'and has {memory.size(limit)}; what helps: '
    f'{", ".join(filter(None, remedies))}',
    code='memory',
  )


def warning(found: memory.Report, run: RunConfig) -> str:
  """Returns what to do about a step that needs more than there is."""
  rows = run.train.batch_size // run.train.accumulate
  model, optimizer = run.model, run.mesh.fsdp * run.mesh.tensor
  remedies = [
    f'train.accumulate={2 * run.train.accumulate}' if rows > 1 else '',
    'model.remat=full' if model.remat != 'full' else '',
    'model.dtype=bfloat16' if model.dtype == 'float32' else '',
    f'mesh.fsdp={found.devices}' if optimizer < found.devices else '',
    f'model.context={model.context // 2}',
  ]
  return (
    f'a step needs {memory.size(found.total)} on each device, which has '
    f'{memory.size(found.limit)}: it may fail, or slow the machine down. '
    f'What helps, best first: {", ".join(filter(None, remedies))}, a smaller '
    'train.batch_size or model'
  )
