"""A server process: uvicorn, with patience for nobody who sends nothing.

On SIGTERM the engine takes nothing more: `/readyz` and new requests say so,
what has been taken is written to its end, and then the server ends.
"""

import asyncio
import logging
import socket
import threading
import time
from types import FrameType
from typing import Any, NamedTuple

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from aurl_jax.core.errors import ConfigError
from aurl_jax.parallel import host
from aurl_jax.serving import guards
from aurl_jax.serving.engine import Engine

HEAD_SECONDS = 10.0
"""In which the head of a request must have come, from the connection on."""
KEEP_SECONDS = 15
"""For which a silent connection is kept."""
CONNECTIONS = 2048
"""At once; more are answered with 503."""
DRAIN_SECONDS = 60.0
"""For what has been taken, on SIGTERM."""
_HEAD_BYTES = 32 << 10
_TICKS = 200
"""Of a tenth of a second, after which freed memory is given back."""

_log = logging.getLogger(__name__)


class Address(NamedTuple):
  """Where a server listens.

  Attributes:
    host: An address of this machine; loopback by default.
    port: 0 takes any free one.
  """

  host: str = '127.0.0.1'
  port: int = 8000


class Impatient(H11Protocol):
  """Closes a connection whose request does not come in time."""

  seconds = HEAD_SECONDS

  def connection_made(self, transport: Any) -> None:
    """Begins to wait for a request."""
    super().connection_made(transport)
    self._timer: asyncio.TimerHandle | None = None
    self._look()

  def data_received(self, data: bytes) -> None:
    """Takes bytes; those of a head that is not whole win no time."""
    super().data_received(data)
    self._look()

  def connection_lost(self, exc: Exception | None) -> None:
    """Ends the waiting."""
    if self._timer is not None:
      self._timer.cancel()
    super().connection_lost(exc)

  def _look(self) -> None:
    cycle = self.cycle
    if cycle is not None and not cycle.response_complete:
      if self._timer is not None:
        self._timer.cancel()
        self._timer = None
    elif self._timer is None and self.timeout_keep_alive_task is None:
      self._timer = self.loop.call_later(self.seconds, self._late)

  def _late(self) -> None:
    self._timer = None
    cycle = self.cycle
    if cycle is None or cycle.response_complete:
      self.transport.close()


class Server(uvicorn.Server):
  """Serves until it is told to end, and then what it has taken."""

  def __init__(
    self, config: uvicorn.Config, engine: Engine, seconds: float | int
  ) -> None:
    super().__init__(config)
    self._engine, self._seconds = engine, seconds
    self._until: float | None = None

  def handle_exit(self, sig: int, frame: FrameType | None) -> None:
    """Begins to end; a second signal ends at once."""
    del sig, frame
    if self._until is not None:
      self.should_exit = self.force_exit = True
      return
    self._until = time.monotonic() + self._seconds
    self._engine.drain()

  async def on_tick(self, counter: int) -> bool:
    """Looks whether all that was taken is done."""
    late = self._until is not None and time.monotonic() > self._until
    if late or (self._until is not None and self._engine.idle):
      self.should_exit = True
    if counter % _TICKS == 0:
      # What is freed lies about in heaps of many threads, 10 to 20 MB more
      # after 10,000 requests.
      await asyncio.to_thread(host.give_back)
    return bool(await super().on_tick(counter))


def listen(address: Address) -> socket.socket:
  """Returns a socket that listens.

  Raises:
    ConfigError: The address is not one of this machine, or is taken.
  """
  family = socket.AF_INET6 if ':' in address.host else socket.AF_INET
  found = socket.socket(family, socket.SOCK_STREAM)
  found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
  try:
    found.bind(tuple(address))
    found.listen(1024)
  except OSError as error:
    found.close()
    raise ConfigError(
      f'cannot listen at {address.host}, port {address.port}: '
      f'{error.strerror}; take another --port, or an address of this machine',
      code='address',
    ) from error
  return found


def run(
  app: guards.App,
  engine: Engine,
  sockets: socket.socket,
  *,
  seconds: float | int = DRAIN_SECONDS,
) -> None:
  """Serves until SIGTERM or Ctrl-C, and closes the engine.

  Args:
    app: As of `http.app`.
    engine: Behind it.
    sockets: As of `listen`.
    seconds: For what has been taken, at the end.
  """
  try:
    Server(config(app), engine, seconds).run([sockets])
  finally:
    engine.close(0)


def config(app: guards.App) -> uvicorn.Config:
  """Returns how uvicorn serves an application."""
  return uvicorn.Config(
    app,  # type: ignore[arg-type]
    http=Impatient,
    ws='none',
    lifespan='off',
    log_config=None,
    access_log=False,
    proxy_headers=False,
    server_header=False,
    limit_concurrency=CONNECTIONS,
    timeout_keep_alive=KEEP_SECONDS,
    timeout_graceful_shutdown=5,
    h11_max_incomplete_event_size=_HEAD_BYTES,
    backlog=1024,
  )


class Readiness:
  """Warms an engine in a thread of its own, and tells when it is done."""

  def __init__(
    self, engine: Engine, warm: Any, behind: Any = lambda engine: None
  ) -> None:
    """Begins.

    Args:
      engine: What is warmed.
      warm: Called with it.
      behind: Called with it then, when it is ready already.
    """
    self._done = False
    self.error: BaseException | None = None
    self._thread = threading.Thread(
      target=self._run,
      args=(engine, warm, behind),
      name='aurl-warm',
      daemon=True,
    )
    self._thread.start()

  def __call__(self) -> bool:
    """Whether programs are compiled."""
    return self._done

  def wait(self) -> None:
    """Waits until they are, or cannot be."""
    self._thread.join()

  def _run(self, engine: Engine, warm: Any, behind: Any) -> None:
    begun = time.monotonic()
    warm(engine)
    self._done = True
    _log.info('ready after %.0f s', time.monotonic() - begun)
    behind(engine)
