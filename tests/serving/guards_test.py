"""Attacks on the way to the routes; each over a real socket."""

import gzip
import json
import socket
import threading
import time

import pytest

pytest.importorskip('fastapi', reason='needs the extra: aurl-jax[serve]')
pytest.importorskip('uvicorn', reason='needs the extra: aurl-jax[serve]')

from aurl_jax.serving import guards, http, pages, schema, server
from aurl_jax.serving.engine import Engine
from aurl_jax.serving.settings import Settings
from tests.serving import stage

MOST = 64 << 10


@pytest.fixture(scope='module')
def client():
  # Nothing here is written: no program is compiled.
  engine = Engine(stage.composer(), stage.PLAN)
  kept, server.Impatient.seconds = server.Impatient.seconds, 1.0
  settings = {'body': MOST, 'body_seconds': 1.0, 'hosts': ('music.example',)}
  with stage.serving(
    engine, origins=('https://friend.example',), **settings
  ) as client:
    yield client
  server.Impatient.seconds = kept
  engine.close(0)


def answered(wire: socket.socket) -> tuple[int, bytes]:
  """Status and body of what comes; the connection is closed behind it."""
  found = b''
  while part := wire.recv(1 << 16):
    found += part
    _, _, body = found.partition(b'\r\n\r\n')
    if b'"error"' in body and body.endswith(b'}'):
      break
  assert found, 'closed without an answer'
  return int(found.split()[1]), found.partition(b'\r\n\r\n')[2]


# Lengths of bodies.


def test_an_honest_length_is_refused_before_the_body_comes(client):
  with client.socket() as wire:
    wire.sendall(client.head('/v1/generate', MOST + 1))
    assert answered(wire)[0] == 413


def test_a_body_without_a_length_is_counted(client):
  with client.socket() as wire:
    wire.sendall(client.head('/v1/generate', transfer_encoding='chunked'))
    chunk = b'2000\r\n' + b' ' * 0x2000 + b'\r\n'
    try:
      for _ in range(4 * MOST // 0x2000):
        wire.sendall(chunk)
    except (BrokenPipeError, ConnectionResetError):
      pass
    assert answered(wire)[0] == 413


def test_a_lying_length_ends_the_body_there(client):
  # What comes behind the length is no body, and no request either.
  with client.socket() as wire:
    wire.sendall(client.head('/v1/generate', 2) + b'{"bars": "x"}' * 1000)
    status, body = answered(wire)
  assert status in (400, 422), body
  # Less than was told never comes: the server does not wait for ever.
  with client.socket() as wire:
    wire.sendall(client.head('/v1/generate', 1000) + b'{"bars":')
    assert answered(wire)[0] == 408


@pytest.mark.parametrize('length', ['-1', '1e3', '0x10', '9' * 30, '१'])
def test_a_length_that_is_none_is_refused(client, length):
  with client.socket() as wire:
    head = client.head('/v1/generate').decode('latin-1')
    head = (
      head[:-2].encode() + b'content-length: ' + length.encode() + b'\r\n\r\n'
    )
    wire.sendall(head)
    assert answered_any(wire) in (400, 413)


def answered_any(wire) -> int:
  found = wire.recv(1 << 16)
  return int(found.split()[1])


def test_compressed_bodies_are_not_unpacked(client):
  bomb = gzip.compress(b' ' * (64 << 20))
  for encoding in ('gzip', 'deflate', 'br', 'zstd', 'gzip, gzip'):
    answer = client.post(
      '/v1/generate',
      bomb[: MOST // 2],
      content_encoding=encoding,
      content_type='application/json',
    )
    assert (answer.status, answer.code) == (415, 'encoding')


@pytest.mark.parametrize(
  'kind', ['', 'text/plain', 'application/x-www-form-urlencoded', 'audio/midi']
)
def test_other_types_are_refused(client, kind):
  answer = client.post('/v1/generate', b'{}', content_type=kind)
  assert (answer.status, answer.code) == (415, 'type')


# Slow ones.


def test_200_slow_connections_neither_block_nor_stay(client):
  wires = [client.socket() for _ in range(200)]
  try:
    for number, wire in enumerate(wires):
      if number % 2:
        wire.sendall(b'POST /v1/generate HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ')
    assert client.ask('GET', '/healthz').status == 200
    # A byte now and then wins no time.
    gone, begun = 0, time.monotonic()
    while gone < len(wires) and time.monotonic() - begun < 60:
      gone = 0
      for wire in wires:
        try:
          wire.sendall(b'a')
          wire.settimeout(0.001)
          gone += wire.recv(4096) == b''
        except TimeoutError:
          pass
        except OSError:
          gone += 1
      time.sleep(0.1)
    assert gone == len(wires)
  finally:
    for wire in wires:
      wire.close()


def test_a_slow_body_is_given_up(client):
  with client.socket() as wire:
    wire.sendall(client.head('/v1/generate', 1000))
    stop = threading.Event()

    def drip():
      while not stop.wait(0.2):
        try:
          wire.sendall(b' ')
        except OSError:
          return

    thread = threading.Thread(target=drip)
    thread.start()
    assert answered(wire)[0] == 408
    stop.set()
    thread.join()


# Who may ask.


def routes(client):
  """All routes of the application itself, told in OpenAPI or not."""
  api = http.open_app(client.engine, Settings(tokens=('x' * 16,)))
  return [
    (method, route.path.replace('{name}', 'x'))
    for route in api.routes
    for method in sorted(route.methods)
  ] + [('GET', '/nothing'), ('GET', '/studio/../metrics')]


@pytest.mark.parametrize(
  'token', ['', 'wrong', stage.TOKEN + 'x', stage.TOKEN[:-1]]
)
def test_every_route_but_health_asks_for_a_token(client, token):
  found = routes(client)
  told = client.ask('GET', '/openapi.json').json['paths']
  assert {path.replace('{name}', 'x') for path in told} <= {p for _, p in found}
  for method, path in found:
    answer = client.ask(method, path, b'', token=token)
    if path in guards.HEALTH:
      assert answer.status in (200, 503)
    elif path in pages.PATHS:
      # Files of the package, the same for all.
      assert answer.status in (200, 307)
      assert stage.TOKEN.encode() not in answer.body
    elif method == 'HEAD':
      assert answer.status == 401
    else:
      assert (answer.status, answer.code) == (401, 'token'), (method, path)
      assert answer.headers['www-authenticate'] == 'Bearer'


def test_a_token_is_no_part_of_a_path_or_of_basic(client):
  plain = client.ask('GET', f'/metrics?token={stage.TOKEN}', token='')
  assert plain.status == 401
  basic = client.ask(
    'GET', '/metrics', token='', authorization=f'Basic {stage.TOKEN}'
  )
  assert basic.status == 401
  for path in (
    '/healthz/',
    '//healthz',
    '/healthz/../metrics',
    '/HEALTHZ',
    '/studio/../v1/model',
    '/studio/%2e%2e/v1/model',
    '/studio/nothing.js',
    '/studio/studio.js/',
  ):
    assert client.ask('GET', path, token='').status == 401


@pytest.mark.parametrize(
  ('host', 'status'),
  [
    ('evil.example', 421),
    ('127.0.0.1.evil.example', 421),
    ('evil.example:80@127.0.0.1', 421),
    ('', 421),
    ('localhost', 200),
    ('LOCALHOST:1', 200),
    ('[::1]:8000', 200),
    ('music.example', 200),
  ],
)
def test_a_name_that_was_rebound_is_refused(client, host, status):
  assert client.ask('GET', '/healthz', host=host).status == status


def test_pages_of_other_sites_may_not_ask(client):
  for origin in ('https://evil.example', 'null', 'http://127.0.0.1:1'):
    answer = client.ask('GET', '/metrics', origin=origin)
    assert (answer.status, answer.code) == (403, 'origin')
    assert 'access-control-allow-origin' not in answer.headers
  assert (
    client.ask('GET', '/metrics', sec_fetch_site='cross-site').status == 403
  )
  # A link to the studio may be followed; its files may not be taken otherwise.
  link = {'sec_fetch_site': 'cross-site', 'sec_fetch_mode': 'navigate'}
  for path, dest, status in (
    ('/studio/', 'document', 200),
    ('/', 'document', 307),
    ('/studio/', 'iframe', 403),
    ('/studio/studio.js', 'script', 403),
    ('/metrics', 'document', 403),
  ):
    answer = client.ask('GET', path, sec_fetch_dest=dest, **link)
    assert answer.status == status, (path, dest)
  own = f'http://127.0.0.1:{client.port}'
  assert client.ask('GET', '/metrics', origin=own).status == 200
  friend = client.ask('GET', '/metrics', origin='https://friend.example')
  assert friend.status == 200
  told = friend.headers['access-control-allow-origin']
  assert told == 'https://friend.example'
  before = client.ask(
    'OPTIONS', '/v1/generate', token='', origin='https://friend.example'
  )
  assert before.status == 204
  assert 'authorization' in before.headers['access-control-allow-headers']


# What is logged.


def test_a_path_cannot_begin_a_line_of_the_log(client, caplog):
  caplog.set_level('INFO', 'aurl_jax.serving.access')
  path = '/v1/%0d%0a{"request": "forged"}%1b[31m' + 'x' * 1000
  with client.socket() as wire:
    head = f'GET {path.replace(" ", "%20")} HTTP/1.1\r\nhost: localhost\r\n\r\n'
    wire.sendall(head.encode())
    assert answered_any(wire) == 401
  deadline = time.monotonic() + 5
  while not caplog.records and time.monotonic() < deadline:
    time.sleep(0.01)
  (line,) = [record.getMessage() for record in caplog.records][-1:]
  assert '\n' not in line
  assert '\x1b' not in line
  assert line.isascii()
  assert len(line) < 500
  assert json.loads(line)['status'] == 401
  assert stage.TOKEN not in line


def test_no_field_names_a_path_or_an_address():
  def strings(model, seen=()):
    if model in seen:
      return
    for name, field in model.model_fields.items():
      yield name, field
      for part in getattr(field.annotation, '__args__', ()):
        if isinstance(part, type) and issubclass(part, schema.Body):
          yield from strings(part, (*seen, model))

  names = {name for kind in schema.EXAMPLES for name, _ in strings(kind)}
  assert 'prompt' in names
  assert not {n for n in names if any(w in n for w in ('path', 'url', 'file'))}
