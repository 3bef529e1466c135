"""The dashboard of a run as a page of this machine.

The server listens on 127.0.0.1 alone, answers only to that name, only reads,
and hands out nothing but the page, its figures and what lies in `samples/`.
"""

import functools
import http
import http.server
import json
import pathlib
import urllib.parse
from typing import Any

from aurl_jax.core.errors import ConfigError
from aurl_jax.experiment import curves, markup, snapshot, watch
from aurl_jax.experiment.card import duration
from aurl_jax.experiment.snapshot import Snapshot
from aurl_jax.experiment.workdir import Workdir

HOST = '127.0.0.1'
_TYPES = {
  '.mid': 'audio/midi',
  '.png': 'image/png',
  '.html': 'text/html; charset=utf-8',
}
_ROLLS = 4
"""Samples that are shown with their rolls."""
_PARTS = ('head', 'facts', 'warnings', 'charts', 'samples')
_SCRIPT = """\
const shown = {};
async function look() {
  let next = 2000;
  try {
    const found = await (await fetch('data.json', {cache: 'no-store'})).json();
    for (const [name, text] of Object.entries(found.parts)) {
      if (shown[name] === text) continue;
      shown[name] = text;
      document.getElementById(name).innerHTML = text;
    }
    document.title = found.title;
    if (found.over) next = 20000;
  } catch (error) {
    document.getElementById('lost').hidden = false;
    setTimeout(look, 5000);
    return;
  }
  document.getElementById('lost').hidden = true;
  setTimeout(look, next);
}
look();"""


def serve(folder: Workdir, port: int = 0) -> http.server.ThreadingHTTPServer:
  """Returns the server of a run's page, listening but not serving yet.

  Args:
    folder: The run's folder.
    port: Where to listen; 0 takes a free one, see `server_address`.

  Raises:
    ConfigError: There is no run in the folder, or the port is taken.
  """
  folder.read_config()
  handler = functools.partial(_Handler, folder)
  try:
    return http.server.ThreadingHTTPServer((HOST, port), handler)
  except (OSError, OverflowError) as error:
    raise ConfigError(
      f'cannot listen on {HOST}:{port}: {error}; choose another --port, or 0 '
      'for any that is free',
      code='port',
    ) from error


def page(seen: Snapshot) -> str:
  """Returns the page with what there is to see now."""
  told = parts(seen)
  body = '<p id="lost" class="soft" hidden>the server is gone</p>' + ''.join(
    f'<div id="{name}">{told[name]}</div>' for name in _PARTS
  )
  return markup.page(_title(seen), body, _SCRIPT)


def data(seen: Snapshot) -> dict[str, Any]:
  """Returns what the page asks for every other second, as JSON."""
  over = seen.state in watch.OVER
  return {'title': _title(seen), 'over': over, 'parts': parts(seen)}


def _title(seen: Snapshot) -> str:
  return f'{seen.step:,}/{seen.steps:,} {seen.name}'


def parts(seen: Snapshot) -> dict[str, str]:
  """Returns the parts of the page as markup, by their names."""
  drawn = [
    (chart, curves.lines(seen.records, chart)) for chart in curves.CHARTS
  ]
  return {
    'head': _head(seen),
    'facts': markup.tiles(watch.facts(seen)),
    'warnings': _warnings(seen),
    'charts': markup.plots(
      markup.chart(c, lines) for c, lines in drawn if lines
    ),
    'samples': _samples(seen),
  }


def _head(seen: Snapshot) -> str:
  left = seen.seconds_left
  more = '' if left is None else f', {duration(left)} left'
  reason = seen.status.get('reason') or ''
  return (
    f'<h1>{markup.text(seen.name)}<span class="badge {seen.state}">'
    f'{seen.state}</span></h1><p>step {seen.step:,} of {seen.steps:,}{more}</p>'
    f'<progress value="{seen.step}" max="{seen.steps}"></progress>'
    f'<p class="soft">{markup.text(reason)}</p>'
  )


def _warnings(seen: Snapshot) -> str:
  items = ''.join(
    f'<li>{entry.time:%H:%M:%S} {markup.text(entry.message)}</li>'
    for entry in seen.warnings
  )
  return f'<ul class="warnings">{items}</ul>' if items else ''


def _samples(seen: Snapshot) -> str:
  if not seen.samples:
    return ''
  rolls, more = [], []
  for place, path in enumerate(seen.samples):
    url = urllib.parse.quote(path)
    name = markup.text(path.removeprefix('samples/').removesuffix('.mid'))
    link = f'<a class="file" href="{url}" download>{name}.mid</a>'
    if place >= _ROLLS:
      more.append(link)
      continue
    listen = urllib.parse.quote(str(pathlib.PurePosixPath(path).parent))
    rolls.append(
      f'<figure><div class="roll"><img src="{url[:-4]}.png" alt="Piano roll of '
      f'{name}"></div><div class="tools">{link}<a class="file" '
      f'href="{listen}/index.html">listen</a></div></figure>'
    )
  rest = (
    f'<details><summary>{len(more)} more</summary>{" ".join(more)}</details>'
  )
  return (
    f'<h2>Samples</h2><div class="samples">{"".join(rolls)}</div>'
    + rest * bool(more)
  )


class _Handler(http.server.BaseHTTPRequestHandler):
  """Answers what the page asks."""

  def __init__(self, folder: Workdir, *given: Any) -> None:
    self._folder = folder
    super().__init__(*given)

  def do_GET(self) -> None:
    """Answers one request."""
    # Another name for this address is a page elsewhere that wants to read.
    name = self.headers.get('Host', '').rpartition(':')[0]
    if name not in (HOST, 'localhost'):
      self.send_error(http.HTTPStatus.FORBIDDEN)
      return
    path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
    if path == '/':
      seen = snapshot.read(self._folder)
      self._send('.html', page(seen).encode())
    elif path == '/data.json':
      told = json.dumps(data(snapshot.read(self._folder)))
      self._send('', told.encode(), 'application/json')
    else:
      self._file(path)

  def _file(self, path: str) -> None:
    """Sends a file of `samples/`; there is nothing else to have."""
    home = self._folder.samples.resolve()
    try:
      wanted = (self._folder.root / path.lstrip('/')).resolve()
      if wanted.suffix in _TYPES and wanted.is_relative_to(home):
        self._send(wanted.suffix, wanted.read_bytes())
        return
    except (OSError, ValueError):
      # ValueError: a zero byte in the name.
      self.log_message('no %r', path)
    self.send_error(http.HTTPStatus.NOT_FOUND)

  def _send(self, suffix: str, content: bytes, kind: str = '') -> None:
    self.send_response(http.HTTPStatus.OK)
    self.send_header('Content-Type', kind or _TYPES[suffix])
    self.send_header('Content-Length', str(len(content)))
    self.send_header('Cache-Control', 'no-store')
    self.end_headers()
    self.wfile.write(content)

  def log_message(self, format: str, *args: Any) -> None:
    """Says nothing: the terminal belongs to the user."""
