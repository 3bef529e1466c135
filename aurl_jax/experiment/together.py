"""Work that all processes of a run do, or fail to do, together.

A process that fails alone leaves the others waiting in their next collective
until the coordinator gives up on it, minutes later and with another error.
Here each tells the others how it went, and all end with the same error.
"""

import json
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from aurl_jax.core.errors import AurlError

_BYTES = 4096


def together(work: Callable[[], str]) -> list[str]:
  """Returns what each process's work returned, in their order.

  Args:
    work: Returns a short text; all processes call this at the same place.

  Raises:
    AurlError: The work of another process failed; with its message and code,
      of the first that failed. A process whose own work failed raises what
      its work did.
  """
  if jax.process_count() == 1:
    return [work()]
  try:
    told: dict[str, Any] = {'done': work()}
  except BaseException as error:
    _exchange(_failure(error))
    raise
  heard = _exchange(told)
  for number, other in enumerate(heard):
    if 'error' in other:
      raise AurlError(
        f'process {number} failed: {other["error"]}', code=other['code']
      )
  return [other['done'] for other in heard]


def _failure(error: BaseException) -> dict[str, Any]:
  code = error.code if isinstance(error, AurlError) else type(error).__name__
  return {'error': str(error) or repr(error), 'code': code}


def _exchange(told: dict[str, Any]) -> list[dict[str, Any]]:
  """Returns what each process tells."""
  rows = np.zeros(_BYTES, np.uint8)
  data = json.dumps(told).encode()
  if len(data) > _BYTES and 'error' in told:
    # In JSON a character takes six bytes at most.
    data = json.dumps(told | {'error': told['error'][: _BYTES // 8]}).encode()
  if len(data) > _BYTES:
    raise ValueError(f'a text of {len(data)} bytes is too long to be told')
  rows[: len(data)] = np.frombuffer(data, np.uint8)
  heard = np.asarray(multihost_utils.process_allgather(rows))
  texts = heard.reshape(-1, _BYTES)
  return [json.loads(row.tobytes().rstrip(b'\0')) for row in texts]
