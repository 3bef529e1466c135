"""A listening test handed out as a page: one process, no other machine needed.

By default only this machine is answered; with another `host` others are, too.
The page loads nothing from elsewhere. What it may ask:

| | |
|---|---|
| `GET /`, `/listen.js`, `/player.js`, `/house.css`, `/listen.css` | the page |
| `GET /clips/NAME.wav` | an excerpt, or a range of its bytes |
| `GET /api/test` | what the page may know of the test |
| `POST /api/listeners` `{"consent": true}` | `{"code": CODE}` |
| `GET /api/listeners/CODE` | where that listener stands |
| `POST /api/listeners/CODE/answers` `{trial, value, seconds}` | the same |

Errors are JSON, `{"error": {"code", "message"}}`.
"""

import functools
import http
import http.server
import importlib.resources
import json
import logging
import pathlib
import re
import socket
import urllib.parse
from typing import Any

from aurl_jax.core import files
from aurl_jax.core.errors import ConfigError
from aurl_jax.listening import design
from aurl_jax.listening.answers import AnswerError, Answers

LOCAL = '127.0.0.1'
_PAGE = {
  '/': ('listen.html', 'text/html; charset=utf-8'),
  '/listen.js': ('listen.js', 'text/javascript; charset=utf-8'),
  '/player.js': ('player.js', 'text/javascript; charset=utf-8'),
  '/house.css': ('house.css', 'text/css; charset=utf-8'),
  '/listen.css': ('listen.css', 'text/css; charset=utf-8'),
}
_HEADERS = {
  'Content-Security-Policy': "default-src 'none'; script-src 'self'; "
  "style-src 'self'; media-src 'self'; connect-src 'self'; img-src data:; "
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
}
_LARGEST = 4096
"""Bytes of a body."""
_LONGEST = 1e9
"""Seconds."""
_STATUS = {
  'no_listener': http.HTTPStatus.NOT_FOUND,
  'full': http.HTTPStatus.FORBIDDEN,
  'turn': http.HTTPStatus.CONFLICT,
  'answered': http.HTTPStatus.CONFLICT,
  'database': http.HTTPStatus.SERVICE_UNAVAILABLE,
}
_LISTENER = re.compile(r'/api/listeners/([0-9a-z]{1,40})(/answers)?')
_CLIP = re.compile(rf'/{design.CLIPS}/([0-9a-f]{{12}})\.wav')
_DIGITS = re.compile(r'[0-9]{1,9}')
_RANGE = re.compile(r'bytes=([0-9]{0,18})-([0-9]{0,18})')

_log = logging.getLogger(__name__)


class _Refused(Exception):
  """A request that gets no answer but why."""

  def __init__(self, status: http.HTTPStatus, code: str, message: str) -> None:
    super().__init__(message)
    self.status, self.code = status, code


class Server(http.server.ThreadingHTTPServer):
  """Hands a test out; `server_address` tells where.

  Attributes:
    answers: What is kept.
    local: Whether only this machine is answered.
  """

  daemon_threads = True
  # The operating system's queue: a class that opens the page at once.
  request_queue_size = 128

  def __init__(self, folder: files.StrPath, host: str, port: int) -> None:
    self.answers = Answers.open_in(folder)
    self.clips = pathlib.Path(folder).expanduser() / design.CLIPS
    self.local = host in (LOCAL, 'localhost', '::1')
    if ':' in host:
      self.address_family = socket.AF_INET6
    super().__init__((host, port), _Handler)


def serve(folder: files.StrPath, *, host: str = LOCAL, port: int = 0) -> Server:
  """Returns the server of a test, listening but not serving yet.

  Args:
    folder: The test's folder.
    host: Where to listen; `0.0.0.0` answers other machines, too.
    port: 0 takes a free one.

  Raises:
    DataError, AnswerError: As `Answers.open_in`.
    ConfigError: The address cannot be had (code `port`).
  """
  try:
    return Server(folder, host, port)
  except (OSError, OverflowError) as error:
    raise ConfigError(
      f'cannot listen on {host}:{port}: {error}; choose another --port, or 0 '
      'for any that is free, and a --host of this machine',
      code='port',
    ) from error


@functools.cache
def _static(name: str) -> bytes:
  home = importlib.resources.files('aurl_jax.listening')
  return home.joinpath(name).read_bytes()


class _Handler(http.server.BaseHTTPRequestHandler):
  """Answers what the page asks."""

  server: Server
  protocol_version = 'HTTP/1.1'
  server_version, sys_version = 'aurl', ''
  timeout = 60
  """Seconds that a request may be still."""

  def do_GET(self) -> None:
    """Answers one question."""
    self._guarded(self._get)

  def do_POST(self) -> None:
    """Takes a listener, or an answer."""
    self._guarded(self._post)

  def _guarded(self, answer: Any) -> None:
    try:
      self._check_host()
      answer(urllib.parse.unquote(urllib.parse.urlsplit(self.path).path))
    except _Refused as error:
      self._refuse(error.status, error.code, str(error))
    except AnswerError as error:
      status = _STATUS.get(error.code, http.HTTPStatus.BAD_REQUEST)
      if error.code == 'database':
        _log.error('%s', error)
      self._refuse(status, error.code, str(error))
    except (ConnectionError, TimeoutError):
      self.close_connection = True

  def _check_host(self) -> None:
    # Another name for this address is a page elsewhere that wants to read.
    name = urllib.parse.urlsplit('//' + self.headers.get('Host', '')).hostname
    if self.server.local and name not in (LOCAL, 'localhost', '::1'):
      raise _Refused(http.HTTPStatus.FORBIDDEN, 'host', 'not this machine')

  def _get(self, path: str) -> None:
    listener = _LISTENER.fullmatch(path)
    clip = _CLIP.fullmatch(path)
    if path in _PAGE:
      name, kind = _PAGE[path]
      self._send(_static(name), kind)
    elif path == '/api/test':
      self._json(self.server.answers.test.told())
    elif listener and not listener[2]:
      self._json(self.server.answers.state(listener[1]))
    elif clip and clip[1] in self.server.answers.test.clips:
      self._clip(clip[1])
    else:
      raise _Refused(http.HTTPStatus.NOT_FOUND, 'path', 'there is nothing here')

  def _post(self, path: str) -> None:
    listener = _LISTENER.fullmatch(path)
    if path == '/api/listeners':
      if self._body().get('consent') is not True:
        raise _Refused(
          http.HTTPStatus.BAD_REQUEST, 'consent', 'nobody takes part unasked'
        )
      code = self.server.answers.begin()
      self._json({'code': code}, http.HTTPStatus.CREATED)
    elif listener and listener[2]:
      self._json(self.server.answers.keep(listener[1], *self._answer()))
    else:
      raise _Refused(http.HTTPStatus.NOT_FOUND, 'path', 'there is nothing here')

  def _answer(self) -> tuple[str, str, float]:
    body = self._body()
    trial, value = body.get('trial'), body.get('value')
    seconds = body.get('seconds')
    if (
      isinstance(trial, str)
      and isinstance(value, str)
      and isinstance(seconds, int | float)
      and not isinstance(seconds, bool)
      and abs(seconds) < _LONGEST
    ):
      return trial, value, float(seconds)
    raise _Refused(
      http.HTTPStatus.BAD_REQUEST,
      'body',
      'an answer has a trial, a value and seconds',
    )

  def _body(self) -> dict[str, Any]:
    """Returns the JSON object that was sent, by our own page."""
    length = self.headers.get('Content-Length', '')
    if not _DIGITS.fullmatch(length) or int(length) > _LARGEST:
      raise _Refused(
        http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        'body',
        f'send at most {_LARGEST} bytes, and say how many',
      )
    sent = self.rfile.read(int(length))
    origin = self.headers.get('Origin')
    host = self.headers.get('Host')
    kind = self.headers.get_content_type()
    # A form on a page elsewhere can send no JSON, and tells its own origin.
    if kind != 'application/json' or (
      origin is not None and urllib.parse.urlsplit(origin).netloc != host
    ):
      raise _Refused(http.HTTPStatus.FORBIDDEN, 'origin', 'not from this page')
    try:
      found = json.loads(sent)
    except (ValueError, RecursionError):
      found = None
    if not isinstance(found, dict):
      raise _Refused(http.HTTPStatus.BAD_REQUEST, 'body', 'send a JSON object')
    return found

  def _clip(self, name: str) -> None:
    """Sends a clip, or the range of it that players ask for."""
    try:
      content = (self.server.clips / f'{name}.wav').read_bytes()
    except OSError as error:
      _log.error('clip %s cannot be read: %s', name, error)
      raise _Refused(
        http.HTTPStatus.NOT_FOUND, 'path', 'the clip is missing'
      ) from error
    wanted = _RANGE.fullmatch(self.headers.get('Range', ''))
    more = {'Accept-Ranges': 'bytes', 'Cache-Control': 'private, max-age=3600'}
    if not wanted or not (wanted[1] or wanted[2]):
      self._send(content, 'audio/wav', more=more)
      return
    first, last = _span(wanted[1], wanted[2], len(content))
    if first > last:
      more['Content-Range'] = f'bytes */{len(content)}'
      status = http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
      self._send(b'', 'audio/wav', status, more=more)
      return
    more['Content-Range'] = f'bytes {first}-{last}/{len(content)}'
    part = content[first : last + 1]
    self._send(part, 'audio/wav', http.HTTPStatus.PARTIAL_CONTENT, more=more)

  def _json(
    self, found: Any, status: http.HTTPStatus = http.HTTPStatus.OK
  ) -> None:
    self._send(json.dumps(found).encode(), 'application/json', status)

  def _refuse(self, status: http.HTTPStatus, code: str, message: str) -> None:
    # What was sent and not read would be taken for the next request.
    self.close_connection |= self.command == 'POST'
    self._json({'error': {'code': code, 'message': message}}, status)

  def _send(
    self,
    content: bytes,
    kind: str,
    status: http.HTTPStatus = http.HTTPStatus.OK,
    *,
    more: dict[str, str] | None = None,
  ) -> None:
    told = {'Cache-Control': 'no-store'} | _HEADERS | (more or {})
    self.send_response(status)
    self.send_header('Content-Type', kind)
    self.send_header('Content-Length', str(len(content)))
    if self.close_connection:
      told['Connection'] = 'close'
    for name, value in told.items():
      self.send_header(name, value)
    self.end_headers()
    self.wfile.write(content)

  def log_message(self, format: str, *args: Any) -> None:
    """Says nothing: addresses of listeners are not kept anywhere."""


def _span(first: str, last: str, size: int) -> tuple[int, int]:
  """Returns the first and last byte of a range; first > last is none."""
  if not first:
    return max(0, size - int(last)), size - 1
  return int(first), min(size - 1, int(last) if last else size - 1)
