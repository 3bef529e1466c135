"""Bodies, from bytes to values: JSON, or multipart with MIDI files."""

import asyncio
from typing import TypeVar

import pydantic
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from aurl_jax.serving import schema
from aurl_jax.serving.errors import ServeError
from aurl_jax.serving.settings import Settings

_MOST_TOLD = 10
"""Faults of a body that are told."""
_PART = 'request'
"""The part of a multipart body that holds JSON."""

Kind = TypeVar('Kind', bound=schema.Body)


class BadBody(ServeError):
  """A body that is not what a route takes."""

  status = 422


async def read(
  request: Request, kind: type[Kind], settings: Settings
) -> tuple[Kind, dict[str, bytes]]:
  """Returns what was sent, and the MIDI files that came beside it.

  Args:
    request: Of Starlette.
    kind: What the body must be.
    settings: How many parts it may have.

  Returns:
    The body, in which fields that came as files hold a placeholder; and these
    files by the names of their fields.

  Raises:
    BadBody: It is something else.
  """
  if request.headers.get('content-type', '').startswith('application/json'):
    return parsed(await request.body(), kind), {}
  text, found = await _parts(request, settings)
  return _joined(text, found, kind), found


def parsed(text: bytes, kind: type[Kind]) -> Kind:
  """Returns the value of JSON.

  Raises:
    BadBody: It is no JSON, or not of the kind.
  """
  try:
    return kind.model_validate_json(text)
  except pydantic.ValidationError as error:
    raise BadBody(_told(error), code='body') from error


def _told(error: pydantic.ValidationError) -> str:
  """Returns what is wrong, without what was sent."""
  faults = error.errors(
    include_url=False, include_context=False, include_input=False
  )
  told = [
    '.'.join(_name(part) for part in fault['loc']) + f': {fault["msg"]}'
    for fault in faults[:_MOST_TOLD]
  ]
  more = len(faults) - len(told)
  return '; '.join(told) + (f'; and {more} more' if more else '')


def _name(part: int | str) -> str:
  """Returns a part of a place, whose name may be what was sent."""
  text = str(part)
  return text if text.isidentifier() and len(text) < 40 else ascii(text)[:40]


async def _parts(
  request: Request, settings: Settings
) -> tuple[bytes, dict[str, bytes]]:
  """Returns the JSON of a multipart body, and its files.

  Names of files are not looked at.
  """
  try:
    form = await request.form(
      max_files=settings.fields,
      max_fields=settings.fields,
      max_part_size=settings.body,
    )
  except HTTPException as error:
    raise BadBody(f'multipart: {error.detail}', code='multipart') from error
  try:
    text, found = b'{}', {}
    for name, value in form.multi_items():
      if name == _PART and isinstance(value, str):
        text = value.encode('utf-8', 'surrogatepass')
      elif name in schema.MUSIC and isinstance(value, UploadFile):
        found[name] = await value.read()
      else:
        raise BadBody(
          f'multipart: a part {ascii(name)[:40]} is not known; send JSON as '
          f'{_PART!r}, and MIDI files as one of {", ".join(schema.MUSIC)}',
          code='multipart',
        )
    return text, found
  finally:
    await form.close()


def _joined(text: bytes, found: dict[str, bytes], kind: type[Kind]) -> Kind:
  """Returns the value of JSON whose music came as files."""
  missing = [name for name in found if name not in kind.model_fields]
  if missing:
    raise BadBody(
      f'multipart: this route takes no {missing[0]}', code='multipart'
    )
  held = ','.join(f'"{name}":""' for name in found)
  text = text.strip()
  if not (text.startswith(b'{') and text.endswith(b'}')):
    raise BadBody(f'multipart: {_PART} must be a JSON object', code='multipart')
  inner = text[1:-1].strip()
  comma = b',' if inner and held else b''
  return parsed(b'{' + inner + comma + held.encode() + b'}', kind)


async def gone(request: Request) -> None:
  """Returns when whoever asked has gone; the body must have been read."""
  while (await request.receive())['type'] != 'http.disconnect':
    await asyncio.sleep(0)
