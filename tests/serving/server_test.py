"""Servers under load, and at their end; one in a process of its own."""

import gc
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

pytest.importorskip('fastapi', reason='needs the extra: aurl-jax[serve]')
pytest.importorskip('uvicorn', reason='needs the extra: aurl-jax[serve]')

from aurl_jax.core.errors import ConfigError
from aurl_jax.serving import server
from aurl_jax.serving.engine import Engine
from aurl_jax.serving.plan import Plan
from tests.serving import stage

ALONE = pathlib.Path(__file__).with_name('alone.py')


@pytest.fixture(scope='module')
def engine():
  plan = Plan(slots=8, room=512, waiting=24, each=24)
  with stage.engine_of(plan) as engine:
    yield engine


@pytest.fixture(scope='module')
def client(engine):
  with stage.serving(engine) as client:
    yield client


def busy(engine):
  return sum(len(line.held) for line in engine._lines.values())


def until(true, seconds=60.0):
  """Waits until something is true; not for ever."""
  begun = time.monotonic()
  while not true():
    assert time.monotonic() - begun < seconds
    time.sleep(0.002)


@pytest.mark.parametrize('stream', [False, True])
def test_those_who_leave_free_their_slots(client, engine, stream, caplog):
  body = json.dumps({'bars': 0, 'steps': 128, 'stream': stream}).encode()
  wires = [client.socket() for _ in range(20)]
  for wire in wires:
    wire.sendall(client.head('/v1/generate', len(body)) + body)
  until(lambda: busy(engine) or engine.idle)
  for wire in wires:
    wire.close()
  until(lambda: engine.idle and not busy(engine))
  assert client.post('/v1/generate', {'bars': 1}).status == 200
  # An error that nobody waits for any more is no fault.
  gc.collect()
  told = [r.getMessage() for r in caplog.records if r.levelname == 'ERROR']
  assert told == []


@pytest.mark.parametrize(
  ('seconds', 'count'), [(2, 24), pytest.param(60, 80, marks=pytest.mark.slow)]
)
def test_overload_is_told_and_passes(client, seconds, count):
  # Each asks for 6 of 24 pieces that may wait: 6 and 20 times too many.
  found, lock = [], threading.Lock()
  stop = time.monotonic() + seconds

  def ask():
    while time.monotonic() < stop:
      answer = client.post('/v1/generate', {'bars': 1, 'n': 6})
      with lock:
        found.append(answer)

  threads = [threading.Thread(target=ask) for _ in range(count)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  refused = [answer for answer in found if answer.status != 200]
  assert refused
  assert len(refused) < len(found)
  for answer in refused:
    assert (answer.status, answer.code) == (429, 'overloaded')
    assert int(answer.headers['retry-after']) >= 1
  assert client.post('/v1/generate', {'bars': 1}).status == 200


@pytest.mark.slow
@pytest.mark.parametrize('stream', [False, True])
def test_fifty_who_leave_free_fifty_slots(stream):
  plan = Plan(slots=50, room=512, waiting=50, each=50)
  body = json.dumps({'bars': 0, 'steps': 128, 'stream': stream}).encode()
  with stage.engine_of(plan) as engine, stage.serving(engine) as client:
    wires = [client.socket() for _ in range(50)]
    for wire in wires:
      wire.sendall(client.head('/v1/generate', len(body)) + body)
    until(lambda: busy(engine))
    for wire in wires:
      wire.close()
    # All 50 places are there again, when all have been read and are gone.
    until(
      lambda: client.post('/v1/generate', {'bars': 1, 'n': 50}).status == 200
    )
    assert engine.idle
    assert not busy(engine)


def test_a_deadline_is_told(client):
  answer = client.post('/v1/generate', {'n': 20, 'bars': 0, 'deadline': 0.001})
  assert (answer.status, answer.code) == (503, 'expired')


def test_a_job_can_be_taken_back(client, engine):
  answer = client.post('/v1/generate', {'bars': 0, 'n': 10, 'job': True})
  assert client.ask('DELETE', answer.headers['location']).status == 204
  until(lambda: engine.idle)


def test_what_drains_says_so(engine):
  with stage.serving(engine, ready=lambda: False) as client:
    told = client.ask('GET', '/readyz', token='')
    assert (told.status, told.json['status']) == (503, 'compiling')


def test_an_address_that_is_taken_is_told(client):
  with pytest.raises(ConfigError, match='cannot listen'):
    server.listen(server.Address(port=client.port))
  with pytest.raises(ConfigError, match='cannot listen'):
    server.listen(server.Address('192.0.2.1', 0))


def test_it_listens_to_this_machine_alone():
  assert server.Address().host == '127.0.0.1'
  with server.listen(server.Address(port=0)) as sockets:
    assert sockets.getsockname()[0] == '127.0.0.1'
  assert socket.gethostbyname('localhost') == '127.0.0.1'


def test_sigterm_lets_it_finish_what_it_has_taken(repository):
  process = subprocess.Popen(
    [sys.executable, str(ALONE)],
    cwd=repository,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
  )
  try:
    port = int(process.stdout.readline())
    client = stage.Client(port, None, None)
    found = []

    def ask():
      found.append(client.post('/v1/generate', {'bars': 0, 'n': 8}))

    thread = threading.Thread(target=ask)
    thread.start()
    line = 'aurl_requests_now 1\n'
    until(lambda: line in client.ask('GET', '/metrics').body.decode(), 60)
    process.send_signal(signal.SIGTERM)
    until(lambda: client.ask('GET', '/readyz', token='').status == 503)
    refused = client.post('/v1/generate', {'bars': 1})
    assert (refused.status, refused.code) == (503, 'draining')
    assert refused.headers['retry-after']
    thread.join(120)
    assert [answer.status for answer in found] == [200]
    assert len(found[0].json['pieces']) == 8
    assert process.wait(30) == 0
  finally:
    process.kill()
    process.communicate()


def test_freed_memory_is_given_back_now_and_then(monkeypatch):
  given = threading.Event()
  monkeypatch.setattr(server, '_TICKS', 1)
  monkeypatch.setattr(server.host, 'give_back', given.set)
  engine = Engine(stage.composer(), stage.PLAN)
  try:
    with stage.serving(engine):
      assert given.wait(30)
  finally:
    engine.close(1)
