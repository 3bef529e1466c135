"""A server of a small untrained model, and a client of plain sockets."""

import base64
import contextlib
import functools
import http.client
import json
import socket
import threading
from typing import Any, NamedTuple

from aurl_jax.deploy.composer import Composer
from aurl_jax.generation.request import Request
from aurl_jax.music.notes import Notes
from aurl_jax.serving import http as http_lib
from aurl_jax.serving import server as server_lib
from aurl_jax.serving.engine import Engine
from aurl_jax.serving.plan import Plan
from aurl_jax.serving.settings import Settings
from tests.generation import writers

TOKEN = 'a-token-of-the-tests'
TUNE = Notes.build(
  4, {'onset': [0, 4, 8, 12], 'duration': [4] * 4, 'pitch': [60, 64, 67, 72]}
)
PLAN = Plan(slots=16, room=512, waiting=64, each=64)
"""One room for all: fewer programs to compile."""


@functools.cache
def composer(name='remi') -> Composer:
  model, params = writers.model_of(name)
  return Composer(
    model=model,
    params=params,
    tokenizer=writers.TOKENIZERS[name],
    defaults={'temperature': 0.9, 'top_p': 0.98},
  )


def tune() -> bytes:
  from aurl_jax.music import midi

  return midi.write(TUNE)


def base64_of(data: bytes) -> str:
  return base64.b64encode(data).decode()


class Answer(NamedTuple):
  status: int
  headers: http.client.HTTPMessage
  body: bytes

  @property
  def json(self) -> Any:
    return json.loads(self.body)

  @property
  def code(self) -> str:
    return self.json['error']['code']


class Client(NamedTuple):
  port: int
  engine: Engine
  server: server_lib.Server

  def ask(self, method, path, body=None, *, token=TOKEN, **headers) -> Answer:
    if isinstance(body, dict | list):
      body = json.dumps(body)
      headers.setdefault('content_type', 'application/json')
    told = {key.replace('_', '-'): value for key, value in headers.items()}
    if token:
      told['authorization'] = f'Bearer {token}'
    connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
    with contextlib.closing(connection):
      connection.request(method, path, body, told)
      answer = connection.getresponse()
      return Answer(answer.status, answer.headers, answer.read())

  def post(self, path, body=None, **headers) -> Answer:
    return self.ask('POST', path, body, **headers)

  def socket(self) -> socket.socket:
    return socket.create_connection(('127.0.0.1', self.port), timeout=60)

  def head(self, path, length=None, **more) -> bytes:
    """The head of a POST, as it goes over the wire."""
    told = {
      'host': f'127.0.0.1:{self.port}',
      'authorization': f'Bearer {TOKEN}',
      'content-type': 'application/json',
      **{key.replace('_', '-'): value for key, value in more.items()},
    }
    if length is not None:
      told['content-length'] = str(length)
    lines = [f'POST {path} HTTP/1.1', *(f'{k}: {v}' for k, v in told.items())]
    return '\r\n'.join([*lines, '', '']).encode('latin-1')


@contextlib.contextmanager
def serving(engine: Engine, ready=lambda: True, **settings):
  """A server in a thread, at a free port."""
  asked = Settings(**{'tokens': (TOKEN,), **settings})
  sockets = server_lib.listen(server_lib.Address(port=0))
  app = http_lib.app(engine, asked, ready)
  server = server_lib.Server(server_lib.config(app), engine, 30.0)
  thread = threading.Thread(target=server.run, args=([sockets],))
  thread.start()
  try:
    yield Client(sockets.getsockname()[1], engine, server)
  finally:
    server.should_exit = True
    thread.join(30)
    sockets.close()
    assert not thread.is_alive()


@contextlib.contextmanager
def engine_of(plan=PLAN, **changes):
  """An engine whose usual programs are compiled."""
  made = Engine(changes.get('composer') or composer(), plan)
  try:
    made.warm([made.composer.request(bars=1)], (8, 32))
    yield made
  finally:
    made.close(10)


def parts(*fields, boundary='frontier'):
  """A multipart body: (name, file name or None, bytes)."""
  body = b''
  for name, file, data in fields:
    told = f'; filename="{file}"' if file is not None else ''
    body += (
      f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"{told}'
      '\r\n\r\n'
    ).encode('utf-8', 'surrogateescape')
    body += data + b'\r\n'
  kind = f'multipart/form-data; boundary={boundary}'
  return body + f'--{boundary}--\r\n'.encode(), kind


def request(**changes) -> Request:
  return composer().request(**changes)
