"""A server under many mixed requests: does each have the answer that is due?

  python tools/bench/soak.py chorale --requests 50000
  python tools/bench/soak.py pop --requests 2000 --connections 32

Starts `aurl serve` and asks it over so many connections: new bars, bars that go
on from others, as they are written (SSE), as jobs, bars written anew, what
studies hear, requests that are wrong, clients that leave without their answer,
and what tells of health. What is asked is drawn from `--distinct` requests, so
that most of them come again. Every piece is held against that of the library
(`Composer.generate`, one request at a time, in this process beforehand), byte
by byte; every wrong request must get its own status. Prints one JSON line:

  {"bench", "requests", "seconds", "by_status", "faults", "refused", "left",
   "pieces", "equal", "wrong", "rss_mb", "rss_grown_mb_per_10000"}

`faults` are answers of 500 and above, and connections that broke; `refused` are
those of 429, asked again a little later; `left` are clients that left. `wrong`
are answers of another status than is due, up to five as they were. The memory
is what the server has grown by since a tenth of the requests, per 10,000.
"""

import argparse
import asyncio
import base64
import collections
import contextlib
import json
import os
import random
import sys
import time
from typing import Any, NamedTuple

import serve as serve_bench

JSON = 'application/json'
AGAIN_SECONDS = 0.2
NO_CONTENT = 204


class Asked(NamedTuple):
  """A request, and the answer that is due.

  Attributes:
    kind: Of what it is.
    method: Of HTTP.
    path: With the query.
    body: As it goes over the wire.
    status: That is due.
    midi: Pieces that are due, in base64; None for no pieces.
  """

  kind: str
  method: str
  path: str
  body: bytes = b''
  status: int = 200
  midi: tuple[str, ...] | None = None


def main() -> int:
  """Measures, prints the line and returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  add = parser.add_argument
  add('model', nargs='?', default='chorale')
  add('--requests', type=int, default=50_000)
  add('--connections', type=int, default=64)
  add('--distinct', type=int, default=240, help='requests for pieces')
  add('--slots', type=int, default=64)
  add('--seed', type=int, default=0)
  add('--cores', type=int, default=0, help='devices of the server (all)')
  args = parser.parse_args()
  due = mixed(args)
  server, port = serve_bench.serve(args)
  try:
    serve_bench.await_ready(port, server)
    told = Told(args.requests, server.pid)
    begun = time.monotonic()
    # Ctrl-C tells what has been until then.
    with contextlib.suppress(KeyboardInterrupt):
      asyncio.run(ask_all(args, port, due, told))
    seconds = round(time.monotonic() - begun, 1)
    line = {'bench': f'soak.{args.model}', 'requests': told.done}
    print(json.dumps(line | {'seconds': seconds} | told.line()))
  finally:
    server.terminate()
    server.wait(90)
  clean = not (told.faults or told.wrong) and told.equal == told.pieces
  return 0 if clean else 1


def mixed(args: argparse.Namespace) -> dict[str, list[Asked]]:
  """Returns requests by kind, with the answers that are due."""
  from aurl_jax.experiment import generate
  from aurl_jax.generation.errors import RequestError

  composer = generate.load(args.model)
  prompts = [
    composer.generate(composer.request(bars=2, seed=seed))[0] for seed in (1, 2)
  ]
  found: dict[str, list[Asked]] = collections.defaultdict(list)
  for seed in range(args.distinct):
    kind = _KINDS[seed % len(_KINDS)]
    body: dict[str, Any] = {'seed': seed, 'temperature': 0.8 + 0.1 * (seed % 4)}
    asked = dict(body)
    if kind == 'on':
      piece = prompts[seed % len(prompts)]
      asked |= {'prompt': piece.notes, 'bars': 1}
      body |= {'prompt': coded(piece.midi()), 'bars': 1}
    elif kind == 'anew':
      piece = prompts[seed % len(prompts)]
      asked |= {'prompt': piece.notes, 'rewrite': (1, 2)}
      body |= {'prompt': coded(piece.midi()), 'rewrite': [1, 2]}
    else:
      body['bars'] = asked['bars'] = 1
    if kind in ('stream', 'job'):
      body[kind] = True
    status, midi = 202 if kind == 'job' else 200, None
    try:
      pieces = composer.generate(composer.request(**asked))
      midi = tuple(coded(piece.midi()) for piece in pieces)
    except RequestError:
      # No model can do everything; the server has to say so, too.
      status = 422
    path = '/v1/' + _ROUTES.get(kind, 'generate')
    sent = json.dumps(body).encode()
    found[kind].append(Asked(kind, 'POST', path, sent, status, midi))
  found['left'] = [one._replace(kind='left') for one in found['new']]
  return dict(found) | others(coded(prompts[0].midi()))


_KINDS = (*['new'] * 4, *['on'] * 3, 'stream', 'job', 'anew')
"""Of ten requests for pieces."""
_ROUTES = {'on': 'continue', 'anew': 'infill'}
_SHARES = {
  'new': 40,
  'on': 22,
  'stream': 6,
  'job': 4,
  'anew': 4,
  'heard': 4,
  'bad': 12,
  'left': 3,
  'health': 5,
}
"""Of a hundred requests."""


def others(music: str) -> dict[str, list[Asked]]:
  """Returns requests that are for no pieces."""
  post = lambda path, body, status: Asked(  # noqa: E731
    'bad', 'POST', f'/v1/{path}', body, status
  )
  heard = json.dumps({'music': music, 'studies': ['chords']}).encode()
  bad = [
    post('generate', b'{', 422),
    post('generate', b'{"bars": "four"}', 422),
    post('generate', b'{"bars": -1}', 422),
    post('generate', b'{"nothing": 1}', 422),
    post('generate', b'{"temperature": 1e9}', 422),
    post('generate', b'[' * 5000 + b']' * 5000, 422),
    post('continue', b'{"prompt": "AAAA", "bars": 1}', 422),
    post('continue', b'{"prompt": "TVRoZAAAAAYAAQ==", "bars": 1}', 422),
    post('analyze', b'{"music": ""}', 422),
    post('nowhere', b'{}', 404),
    Asked('bad', 'GET', '/v1/generate', b'', 405),
    Asked('bad', 'GET', '/v1/jobs/none', b'', 404),
  ]
  health = [
    Asked('health', 'GET', path)
    for path in ('/healthz', '/readyz', '/metrics', '/openapi.json')
  ]
  return {
    'heard': [Asked('heard', 'POST', '/v1/analyze', heard)],
    'bad': bad,
    'health': health,
  }


def coded(data: bytes) -> str:
  """Returns a file in base64."""
  return base64.b64encode(data).decode()


class Told:
  """What has been answered."""

  def __init__(self, most: int, pid: int) -> None:
    """Counts up to so many requests to a process."""
    self._most, self._pid, self._begun = most, pid, 0
    self.done = self.faults = self.refused = self.left = 0
    self.pieces = self.equal = self._memory = 0
    self.wrong: list[dict[str, Any]] = []
    self.by_status: dict[str, int] = collections.Counter()

  def next(self) -> bool:
    """Whether one more is asked."""
    self._begun += 1
    if self._begun == max(1, self._most // 10):
      self._memory = serve_bench.rss(self._pid)
    return self._begun <= self._most

  def take(self, asked: Asked, status: int, midi: list[str] | None) -> None:
    """Counts an answer."""
    self.done += 1
    self.by_status[str(status)] += 1
    self.faults += status >= 500
    if status != asked.status:
      self.wrong.append({'kind': asked.kind, 'status': status})
    elif asked.midi is not None:
      self.pieces += 1
      self.equal += tuple(midi or ()) == asked.midi

  def line(self) -> dict[str, Any]:
    """Returns what is printed."""
    now = serve_bench.rss(self._pid)
    rest = max(self._most - self._most // 10, 1)
    return {
      'by_status': dict(sorted(self.by_status.items())),
      'faults': self.faults,
      'refused': self.refused,
      'left': self.left,
      'pieces': self.pieces,
      'equal': self.equal,
      'wrong': len(self.wrong),
      'wrongs': self.wrong[:5],
      'rss_mb': round(now, 1),
      'rss_grown_mb_per_10000': round((now - self._memory) * 1e4 / rest, 2),
    }


async def ask_all(
  args: argparse.Namespace, port: int, due: dict[str, list[Asked]], told: Told
) -> None:
  """Asks over all connections until all is asked."""
  draw = random.Random(args.seed)
  kinds = [kind for kind in _SHARES if due[kind]]
  shares = [_SHARES[kind] for kind in kinds]

  async def one() -> None:
    link = Link(port)
    while told.next():
      asked = draw.choice(due[draw.choices(kinds, shares)[0]])
      begun = time.monotonic()
      try:
        await answered(link, asked, told)
      except (OSError, asyncio.IncompleteReadError) as error:
        told.faults += 1
        seconds = round(time.monotonic() - begun, 1)
        wrong = {'kind': asked.kind, 'seconds': seconds, 'broken': str(error)}
        told.wrong.append(wrong)
        link.close()
    link.close()

  await asyncio.gather(*(one() for _ in range(args.connections)))


class Link:
  """A connection that is made anew when it is gone."""

  def __init__(self, port: int) -> None:
    """Connects when something is asked."""
    self.port = port
    self._pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

  async def send(self, asked: Asked) -> asyncio.StreamReader:
    """Sends a request; returns where its answer comes."""
    if self._pair is None:
      self._pair = await asyncio.open_connection('127.0.0.1', self.port)
    reader, writer = self._pair
    lines = [
      f'{asked.method} {asked.path} HTTP/1.1',
      f'host: 127.0.0.1:{self.port}',
      f'authorization: Bearer {serve_bench.TOKEN}',
      f'content-type: {JSON}',
      f'content-length: {len(asked.body)}',
    ]
    writer.write('\r\n'.join([*lines, '', '']).encode() + asked.body)
    await writer.drain()
    return reader

  async def ask(self, asked: Asked) -> tuple[int, bytes]:
    """Returns status and body of the answer."""
    reader = await self.send(asked)
    lines = (await reader.readuntil(b'\r\n\r\n')).decode('latin-1')
    told = dict(
      line.lower().split(': ', 1) for line in lines.split('\r\n')[1:] if line
    )
    status = int(lines.split()[1])
    if status == NO_CONTENT:
      body = b''
    elif 'content-length' in told:
      body = await reader.readexactly(int(told['content-length']))
    else:
      body = await chunks(reader)
    if told.get('connection') == 'close':
      self.close()
    return status, body

  def close(self) -> None:
    """Leaves."""
    if self._pair is not None:
      self._pair[1].close()
    self._pair = None


async def chunks(reader: asyncio.StreamReader) -> bytes:
  """Returns a body that comes in chunks."""
  found = []
  while size := int((await reader.readline()).strip() or b'0', 16):
    found.append(await reader.readexactly(size))
    await reader.readline()
  await reader.readline()
  return b''.join(found)


async def answered(link: Link, asked: Asked, told: Told) -> None:
  """Asks, waits for what is due, and counts it."""
  if asked.kind == 'left':
    await link.send(asked)
    await asyncio.sleep(0.05)
    link.close()
    told.left += 1
    told.done += 1
    return
  while True:
    status, body = await link.ask(asked)
    if status != 429:
      break
    told.refused += 1
    await asyncio.sleep(AGAIN_SECONDS)
  told.take(asked, status, await pieces(link, asked, status, body))


async def pieces(
  link: Link, asked: Asked, status: int, body: bytes
) -> list[str] | None:
  """Returns the pieces of an answer, in base64."""
  if asked.midi is None or status >= 300:
    return None
  if asked.kind == 'stream':
    events = [event for event in body.decode().split('\n\n') if event]
    last = dict(line.split(': ', 1) for line in events[-1].split('\n'))
    return read(json.loads(last['data']))
  found = json.loads(body)
  if asked.kind == 'job':
    where = f'/v1/jobs/{found["job"]}'
    while not {'pieces', 'error'} & found.keys():
      await asyncio.sleep(AGAIN_SECONDS)
      found = json.loads((await link.ask(Asked('job', 'GET', where)))[1])
    await link.ask(Asked('job', 'DELETE', where))
  return read(found)


def read(found: dict[str, Any]) -> list[str]:
  """Returns the files of pieces."""
  return [piece['midi'] for piece in found.get('pieces', [])]


if __name__ == '__main__':
  os.environ.setdefault('JAX_PLATFORMS', 'cpu')
  sys.exit(main())
