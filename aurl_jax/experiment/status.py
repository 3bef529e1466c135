"""`status.json`: whether a run goes on, ended, or died without a word.

Written when a run begins and when it ends, whichever way. A process that was
killed leaves `running` behind, but is not there any more: that is how the
dead are told from the living.
"""

import contextlib
import json
import os
import pathlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import jax

from aurl_jax.core import files
from aurl_jax.core.errors import Interrupted

NAME = 'status.json'
_SILENT = 600.0
"""Seconds without a sign after which a run of another host counts as dead."""


@contextlib.contextmanager
def kept(root: pathlib.Path) -> Iterator[None]:
  """Keeps the status of a run while the body trains.

  It ends as `finished`, `stopped` (a signal came) or `failed`, with the error
  as `reason`.
  """
  if jax.process_index():
    yield
    return
  values = {
    'state': 'running',
    'reason': '',
    'pid': os.getpid(),
    'started_by': _birth(os.getpid()),
    'host': socket.gethostname(),
    'began': round(time.time(), 3),
    'ended': None,
  }
  _write(root, values)
  try:
    yield
    values['state'] = 'finished'
  except BaseException as error:
    stopped = isinstance(error, Interrupted | KeyboardInterrupt)
    values |= {
      'state': 'stopped' if stopped else 'failed',
      'reason': str(error),
    }
    raise
  finally:
    values['ended'] = round(time.time(), 3)
    with contextlib.suppress(OSError, ValueError):
      _write(root, values)


def _write(root: pathlib.Path, values: dict[str, Any]) -> None:
  files.write_atomic(root / NAME, json.dumps(values, indent=1))


def read(root: pathlib.Path, now: float | int | None = None) -> dict[str, Any]:
  """Returns what `kept` wrote, with the state as it is now.

  `state` is `running`, `finished`, `stopped`, `failed`, `dead` (killed) or
  `unknown` (of before there was a status).

  Args:
    root: The run's folder.
    now: Unix time; by default that of the clock.
  """
  try:
    values = json.loads((root / NAME).read_text())
  except (OSError, ValueError):
    return {'state': 'unknown', 'reason': ''}
  if values['state'] == 'running' and not _lives(root, values, now):
    values['state'] = 'dead'
    values['reason'] = 'the process is gone; run the same command to go on'
  return dict(values)


def _lives(
  root: pathlib.Path, values: dict[str, Any], now: float | int | None
) -> bool:
  if values['host'] == socket.gethostname():
    # A number may have been given to another process since.
    birth = _birth(values['pid'])
    return birth is not None and birth == values['started_by']
  signs = [root / NAME, root / 'metrics.jsonl', root / 'logs' / 'run.log']
  last = max(path.stat().st_mtime for path in signs if path.exists())
  return (time.time() if now is None else now) - last < _SILENT


def _birth(pid: int) -> int | None:
  """Returns when a process began, in ticks, or None if there is none.

  Without `/proc`, 0 for any process that is there.
  """
  if not pathlib.Path('/proc/self/stat').exists():
    try:
      os.kill(pid, 0)
    except ProcessLookupError:
      return None
    except PermissionError:
      return 0
    return 0
  try:
    text = pathlib.Path(f'/proc/{pid}/stat').read_bytes()
  except OSError:
    return None
  rest = text[text.rindex(b')') + 2 :].split()
  # A zombie is over, though its number is not free yet.
  return None if rest[0] in (b'Z', b'X') else int(rest[19])
