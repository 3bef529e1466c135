"""The studio: files of a page, handed out to whoever may call the server.

They hold nothing of anyone and need no token; what they ask for does. The
page loads nothing from elsewhere, and its policy would not let it.
"""

import importlib.resources
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import fastapi
from fastapi.responses import RedirectResponse, Response

HOME = '/studio/'
_HEADERS = {
  'content-security-policy': "default-src 'none'; script-src 'self'; "
  "style-src 'self'; connect-src 'self'; img-src 'self' data:; "
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
  "require-trusted-types-for 'script'; trusted-types 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}
_SCRIPT, _STYLE = 'text/javascript; charset=utf-8', 'text/css; charset=utf-8'
_TEXT = 'text/plain; charset=utf-8'


class File(NamedTuple):
  """A file of the package.

  Attributes:
    package: In which it lies.
    name: Of it, there.
    kind: Its type of media.
  """

  package: str
  name: str
  kind: str

  def read(self) -> bytes:
    """Returns its bytes."""
    home = importlib.resources.files(self.package)
    return home.joinpath(self.name).read_bytes()


def _own(name: str, kind: str = _SCRIPT) -> File:
  return File('aurl_jax.serving', f'studio/{name}', kind)


FILES = {
  '': _own('index.html', 'text/html; charset=utf-8'),
  'studio.css': _own('studio.css', _STYLE),
  **{
    f'{name}.js': _own(f'{name}.js')
    for name in (
      'ask',
      'font',
      'history',
      'midi',
      'pad',
      'pieces',
      'roll',
      'sound',
      'studio',
      'tones',
      'wants',
    )
  },
  # Of others, with its licence: loaded where the server has a sound font.
  'spessasynth.js': _own('spessasynth.js'),
  'spessasynth.LICENSE': _own('spessasynth.LICENSE', _TEXT),
  # What other pages have, too.
  'house.css': File('aurl_jax.listening', 'house.css', _STYLE),
  'player.js': File('aurl_jax.listening', 'player.js', _SCRIPT),
  'tone.js': File('aurl_jax.generation', 'tone.js', _SCRIPT),
}
"""What is handed out below `HOME`, by its name there."""
PATHS = frozenset({'/', HOME.rstrip('/'), *(HOME + name for name in FILES)})
"""All paths of the studio; nothing else is."""


def add(api: fastapi.FastAPI) -> None:
  """Adds the studio's routes to an application."""

  async def home() -> Response:
    return RedirectResponse(HOME, 307)

  for path in ('/', HOME.rstrip('/')):
    api.add_api_route(path, home, methods=['GET'], include_in_schema=False)
  for name, file in FILES.items():
    api.add_api_route(
      HOME + name, _sends(file), methods=['GET'], include_in_schema=False
    )


def _sends(file: File) -> Callable[[], Awaitable[Response]]:
  content = file.read()

  async def send() -> Response:
    return Response(content, media_type=file.kind, headers=_HEADERS)

  return send
