"""What stands between the net and the routes; plain ASGI.

Each guard looks at one thing, and answers by itself where that is wrong, so
that nothing behind it sees the request. Bodies are counted as they come:
whatever length a client tells, or none.
"""

import asyncio
import hmac
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from aurl_jax.serving import pages
from aurl_jax.serving.errors import ServeError
from aurl_jax.serving.metrics import Metrics
from aurl_jax.serving.settings import LOOPBACK, Settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEALTH = ('/healthz', '/readyz')
OPEN = frozenset(HEALTH) | pages.PATHS
"""Routes without a token: those of health, and the files of the studio."""
_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
}
_TYPES = ('application/json', 'multipart/form-data')
_LONGEST_PATH = 200

_access = logging.getLogger('aurl_jax.serving.access')


def wrap(app: App, settings: Settings, metrics: Metrics) -> App:
  """Returns an application behind all guards.

  Args:
    app: The routes.
    settings: Who may ask, and how much.
    metrics: Where requests are counted.
  """
  app = Bodies(app, settings)
  app = Tokens(app, settings)
  app = Origins(app, settings)
  app = Hosts(app, settings)
  return Records(app, metrics)


def header(scope: Scope, name: str) -> str | None:
  """Returns a header of a request, the first if there are several."""
  wanted = name.encode()
  for key, value in scope['headers']:
    if key.lower() == wanted:
      return str(value.decode('latin-1'))
  return None


async def refuse(
  send: Send, status: int, code: str, message: str, **headers: str
) -> None:
  """Answers with an error.

  Args:
    send: Of ASGI.
    status: Of HTTP.
    code: Stable, for machines.
    message: What is wrong, and the remedy.
    **headers: More of them, with `_` in place of `-`.
  """
  body = json.dumps({'error': {'code': code, 'message': message}}).encode()
  told = {'content-type': 'application/json', **headers}
  await send(
    {
      'type': 'http.response.start',
      'status': status,
      'headers': [
        (key.replace('_', '-').encode(), value.encode())
        for key, value in told.items()
      ]
      + [(b'content-length', str(len(body)).encode())],
    }
  )
  await send({'type': 'http.response.body', 'body': body})


class Records:
  """Gives each request a number, headers for safety, and a line in the log."""

  def __init__(self, app: App, metrics: Metrics) -> None:
    self._app, self._metrics = app, metrics

  async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
    """Handles a request."""
    if scope['type'] != 'http':
      await self._app(scope, receive, send)
      return
    number, begun = secrets.token_hex(8), time.monotonic()
    scope.setdefault('state', {})['request_id'] = number
    status = 0

    async def tell(message: Message) -> None:
      nonlocal status
      if message['type'] == 'http.response.start':
        status = message['status']
        more = {**_HEADERS, 'x-request-id': number}
        own = {name.lower() for name, _ in message['headers']}
        told = [
          (k.encode(), v.encode())
          for k, v in more.items()
          if k.encode() not in own
        ]
        message = {**message, 'headers': [*message['headers'], *told]}
      await send(message)

    try:
      await self._app(scope, receive, tell)
    finally:
      seconds = time.monotonic() - begun
      self._metrics.count('http', status=str(status))
      self._metrics.time('http', seconds)
      line = {
        'request': number,
        'client': (scope.get('client') or ('',))[0],
        'method': scope['method'][:8],
        'path': scope['path'][:_LONGEST_PATH],
        'status': status,
        'seconds': round(seconds, 4),
      }
      # In ASCII, so that no name can begin a line of its own.
      _access.info('%s', json.dumps(line))


class Hosts:
  """Refuses names that are not the server's: pages may rebind theirs to it."""

  def __init__(self, app: App, settings: Settings) -> None:
    self._app = app
    self._names = {name.lower() for name in (*LOOPBACK, *settings.hosts)}

  async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
    """Handles a request."""
    if scope['type'] == 'http' and not self._known(header(scope, 'host')):
      await refuse(
        send,
        421,
        'host',
        'this server is not called so; start it with --host-name NAME',
      )
      return
    await self._app(scope, receive, send)

  def _known(self, host: str | None) -> bool:
    if not host:
      return False
    name, colon, port = host.rpartition(':')
    if not colon or not port.isdigit():
      name = host
    return name.lower() in self._names


class Origins:
  """Refuses pages of other sites, and answers what browsers ask before."""

  def __init__(self, app: App, settings: Settings) -> None:
    self._app, self._origins = app, set(settings.origins)

  async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
    """Handles a request."""
    if scope['type'] != 'http':
      await self._app(scope, receive, send)
      return
    origin, site = header(scope, 'origin'), header(scope, 'sec-fetch-site')
    own = origin == f'{scope["scheme"]}://{header(scope, "host")}'
    allowed = origin in self._origins
    if (origin is not None and not (own or allowed)) or (
      origin is None
      and site in ('cross-site', 'same-site')
      and not _follows_link(scope)
    ):
      await refuse(
        send,
        403,
        'origin',
        'pages of this site may not ask; start the server with --origin URL',
      )
      return
    if origin is None or own:
      await self._app(scope, receive, send)
      return
    if scope['method'] == 'OPTIONS':
      await self._preflight(origin, send)
      return

    async def tell(message: Message) -> None:
      if message['type'] == 'http.response.start':
        told = [*message['headers'], *_cors(origin)]
        message = {**message, 'headers': told}
      await send(message)

    await self._app(scope, receive, tell)

  async def _preflight(self, origin: str, send: Send) -> None:
    told = [
      *_cors(origin),
      (b'access-control-allow-methods', b'GET, POST, DELETE'),
      (b'access-control-allow-headers', b'authorization, content-type'),
      (b'access-control-max-age', b'600'),
    ]
    await send({'type': 'http.response.start', 'status': 204, 'headers': told})
    await send({'type': 'http.response.body', 'body': b''})


def _follows_link(scope: Scope) -> bool:
  """Returns whether somebody has followed a link to the studio.

  Its files are the same for all, and no page may hold them in a frame.
  """
  told = header(scope, 'sec-fetch-mode'), header(scope, 'sec-fetch-dest')
  known = scope['method'] == 'GET' and scope['path'] in pages.PATHS
  return known and told == ('navigate', 'document')


def _cors(origin: str) -> list[tuple[bytes, bytes]]:
  return [
    (b'access-control-allow-origin', origin.encode('latin-1')),
    (b'vary', b'origin'),
  ]


class Tokens:
  """Asks for a token on every route that is not open."""

  def __init__(self, app: App, settings: Settings) -> None:
    self._app = app
    self._tokens = [token.encode() for token in settings.tokens]

  async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
    """Handles a request."""
    if scope['type'] == 'http' and scope['path'] not in OPEN:
      kind, _, told = (header(scope, 'authorization') or '').partition(' ')
      name = self._name(told.strip().encode('latin-1'))
      if kind.lower() != 'bearer' or name is None:
        await refuse(
          send,
          401,
          'token',
          'send the header: Authorization: Bearer TOKEN',
          www_authenticate='Bearer',
        )
        return
      client = (scope.get('client') or ('',))[0]
      scope.setdefault('state', {})['asker'] = f'{name}@{client}'
    await self._app(scope, receive, send)

  def _name(self, told: bytes) -> str | None:
    """Returns the number of a token, in the same time for any."""
    found = None
    for number, token in enumerate(self._tokens):
      if hmac.compare_digest(told, token):
        found = str(number)
    return found


class TooLarge(ServeError):
  """A body has more bytes than it may."""

  status = 413


class TooSlow(ServeError):
  """A body does not come."""

  status = 408


class Bodies:
  """Counts the bytes of bodies, and the seconds in which they come.

  What is seen while a body is read is raised there: TooLarge, TooSlow.
  """

  def __init__(self, app: App, settings: Settings) -> None:
    self._app, self._most = app, settings.body
    self._seconds = settings.body_seconds

  async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
    """Handles a request."""
    if scope['type'] != 'http':
      await self._app(scope, receive, send)
      return
    wrong = self._wrong(scope)
    if wrong is not None:
      await refuse(send, *wrong, connection='close')
      return
    await self._app(scope, self._counted(receive), send)

  def _large(self) -> tuple[int, str, str]:
    return 413, 'body', f'a body has at most {self._most} bytes; send less'

  def _wrong(self, scope: Scope) -> tuple[int, str, str] | None:
    """Returns what is wrong with the headers of a body."""
    length = header(scope, 'content-length')
    if length is not None and (not length.isdigit() or len(length) > 18):
      return 400, 'length', 'content-length must be a number'
    if length is not None and int(length) > self._most:
      return self._large()
    if header(scope, 'content-encoding') not in (None, '', 'identity'):
      return 415, 'encoding', 'bodies are sent as they are, not compressed'
    kind = (header(scope, 'content-type') or '').partition(';')[0].strip()
    if scope['method'] == 'POST' and kind.lower() not in _TYPES:
      return 415, 'type', f'the content-type must be one of {", ".join(_TYPES)}'
    return None

  def _counted(self, receive: Receive) -> Receive:
    """Returns what receives, and counts."""
    count, over = 0, False
    until = time.monotonic() + self._seconds

    async def counted() -> Message:
      nonlocal count, over
      if over:
        return await receive()
      try:
        left = max(0.0, until - time.monotonic())
        message = await asyncio.wait_for(receive(), left)
      except TimeoutError as error:
        raise TooSlow(
          'the body has not come in time; send it at once', code='slow'
        ) from error
      if message['type'] == 'http.request':
        count += len(message.get('body', b''))
        over = not message.get('more_body', False)
      if count > self._most:
        _, code, text = self._large()
        raise TooLarge(text, code=code)
      return message

    return counted
