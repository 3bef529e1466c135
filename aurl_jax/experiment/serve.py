"""A model as a server."""

import importlib.util
import logging
import os
import pathlib
import secrets
import sys
from typing import TYPE_CHECKING, NamedTuple

from aurl_jax.core.errors import ConfigError
from aurl_jax.experiment import generate, progress
from aurl_jax.music import sound
from aurl_jax.parallel import mesh
from aurl_jax.studies import pool

if TYPE_CHECKING:
  from aurl_jax.serving.fonts import Font

TOKEN_VARIABLE = 'AURL_TOKEN'
"""Names the token, so that no list of processes shows it."""

_EXTRA = ('fastapi', 'uvicorn', 'python_multipart')


class Stand(NamedTuple):
  """Where and for whom a model is served.

  Attributes:
    host: An address of this machine.
    port: 0 takes any free one.
    token_file: A token a line; '' takes `AURL_TOKEN`, or makes one.
    host_names: Names by which others call this machine.
    origins: Web origins whose pages may ask.
    sound_font: A file, by which the studio plays; '' takes `AURL_SOUNDFONT`.
    slots: Rows that are written at once.
    waiting: Rows that may wait.
    seconds: That a request may take.
    cores: Of the CPU that are used; 0 takes all.
  """

  host: str = '127.0.0.1'
  port: int = 8000
  token_file: str = ''
  host_names: tuple[str, ...] = ()
  origins: tuple[str, ...] = ()
  sound_font: str = ''
  slots: int = 64
  waiting: int = 512
  seconds: float | int = 120.0
  cores: int = 0


def run(model: str, stand: Stand, *, quiet: bool = False) -> None:
  """Serves until SIGTERM or Ctrl-C.

  Args:
    model: The run's folder, the bundle's folder, or a name.
    stand: Where, and for whom.
    quiet: Whether to keep from the console what is done.

  Raises:
    ConfigError: The extra is not installed (code `extra`), a number is out of
      its range, the address is taken, there is no token in the file, or the
      sound font is none (code `sound_font`).
    BundleError, CheckpointError: There is no such model, or it is damaged.
  """
  _check_extra()
  from aurl_jax.serving import http, server, warming
  from aurl_jax.serving.engine import Engine
  from aurl_jax.serving.plan import Plan
  from aurl_jax.serving.settings import Settings

  tokens, made = tokens_of(stand.token_file)
  settings = Settings(
    tokens=tokens,
    hosts=stand.host_names,
    origins=stand.origins,
    font=font_of(stand.sound_font),
  )
  plan = Plan(
    slots=stand.slots,
    waiting=stand.waiting,
    each=stand.waiting,
    seconds=stand.seconds,
  )
  mesh.host_devices(stand.cores or pool.cores())
  sockets = server.listen(server.Address(stand.host, stand.port))
  _log_requests()
  engine = Engine(generate.load(model), plan)
  ready = server.Readiness(engine, warming.warm, warming.behind)
  home = address(*sockets.getsockname()[:2])
  progress.say(
    f'{model} at {home}/v1/generate, the studio at {home}/studio/; /readyz '
    'tells when its programs are compiled, a minute or more',
    quiet=quiet,
  )
  if made:
    # Past the log, which others may read. What stands behind # no browser
    # sends, and the page takes it from the address.
    told = f'token for this time: {made}\nstudio: {home}/studio/#token={made}'
    print(told, file=sys.stderr, flush=True)
  server.run(http.app(engine, settings, ready), engine, sockets)


def address(host: str, port: int) -> str:
  """Returns where a server is, as browsers write it.

  Example:
    >>> address('::1', 80)
    'http://[::1]:80'
  """
  return f'http://[{host}]:{port}' if ':' in host else f'http://{host}:{port}'


def _check_extra() -> None:
  """Raises ConfigError unless the packages of a server are there."""
  missing = [n for n in _EXTRA if importlib.util.find_spec(n) is None]
  if missing:
    raise ConfigError(
      f"a server needs {', '.join(missing)}: pip install 'aurl-jax[serve]'",
      code='extra',
    )


def tokens_of(path: str) -> tuple[tuple[str, ...], str]:
  """Returns the tokens of a server, and the one that was made for it, or ''.

  Args:
    path: A file with a token a line; '' for none.

  Raises:
    ConfigError: The file cannot be read, or has none.
  """
  if path:
    try:
      lines = pathlib.Path(path).read_text().split()
    except (OSError, UnicodeDecodeError) as error:
      raise ConfigError(
        f'{path} cannot be read: {error}; give a text file with a token a line',
        code='token',
      ) from error
    return tuple(lines), ''
  named = os.environ.get(TOKEN_VARIABLE, '')
  if named:
    return (named,), ''
  made = secrets.token_urlsafe(24)
  return (made,), made


def font_of(path: str) -> 'Font | None':
  """Returns the sound font of a server, or None.

  Args:
    path: A file; '' takes the one that `AURL_SOUNDFONT` names, if it does.

  Raises:
    ConfigError: The file is none (code `sound_font`).
  """
  from aurl_jax.serving import fonts

  named = path or os.environ.get(sound.FONT_VARIABLE, '')
  return fonts.find(named) if named else None


def _log_requests() -> None:
  """Sends a line of JSON a request to standard output."""
  access = logging.getLogger('aurl_jax.serving.access')
  handler = logging.StreamHandler(sys.stdout)
  handler.setFormatter(logging.Formatter('%(message)s'))
  access.addHandler(handler)
  access.setLevel(logging.INFO)
  access.propagate = False
