"""What is sent back: pieces, steps and errors, as JSON's own types."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from aurl_jax.core import writers
from aurl_jax.core.errors import AurlError
from aurl_jax.generation.errors import DecodeError
from aurl_jax.generation.piece import Piece
from aurl_jax.serving.errors import ServeError
from aurl_jax.serving.ticket import Steps, Ticket

UNPROCESSABLE, BROKEN = 422, 500


def status(error: AurlError) -> int:
  """Returns the status of HTTP that an error has."""
  if isinstance(error, ServeError):
    return error.status
  return BROKEN if isinstance(error, DecodeError) else UNPROCESSABLE


def error(told: AurlError) -> dict[str, Any]:
  """Returns an error as it is sent."""
  return {'error': {'code': told.code, 'message': str(told)}}


def pieces(found: Sequence[Piece]) -> dict[str, Any]:
  """Returns pieces as they are sent."""
  return {'pieces': [piece(one) for one in found]}


def piece(one: Piece) -> dict[str, Any]:
  """Returns a piece as it is sent: MIDI in base64, and its report."""
  return {
    'midi': base64.b64encode(one.midi()).decode(),
    'seed': one.seed,
    'report': plain(one.report),
  }


def steps(told: Steps) -> dict[str, Any]:
  """Returns steps as they are sent."""
  return {'row': told.row, 'attempt': told.attempt, 'ids': told.ids.tolist()}


def job(name: str, ticket: Ticket) -> dict[str, Any]:
  """Returns how a job stands, with its pieces if it is done."""
  told: dict[str, Any] = {'job': name, 'status': 'going'}
  if not ticket.over:
    return told
  wrong = ticket.future.exception()
  if wrong is None:
    return told | {'status': 'done'} | pieces(ticket.result())
  assert isinstance(wrong, AurlError)
  return told | {'status': 'failed'} | error(wrong)


def event(name: str, told: Mapping[str, Any]) -> bytes:
  r"""Returns a server-sent event.

  Example:
    >>> event('steps', {'row': 0})
    b'event: steps\ndata: {"row": 0}\n\n'
  """
  return f'event: {name}\ndata: {json.dumps(told)}\n\n'.encode()


def plain(value: Any) -> Any:
  """Returns a value as JSON holds it, all the way down.

  Example:
    >>> plain({'a': (1, float('nan'))})
    {'a': [1, None]}
  """
  if isinstance(value, Mapping):
    return {str(key): plain(part) for key, part in value.items()}
  if hasattr(value, 'tolist'):
    value = value.tolist()
  if isinstance(value, list | tuple):
    return [plain(part) for part in value]
  found = writers.plain(value)
  return found if isinstance(found, int | float | str | None) else str(found)
