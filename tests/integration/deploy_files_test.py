"""The files that put a server on other machines, without those machines."""

import argparse
import asyncio
import importlib.util
import json
import shlex
import sys
import types

import pytest

pytest.importorskip('fastapi', reason='needs the extra: aurl-jax[serve]')
pytest.importorskip('uvicorn', reason='needs the extra: aurl-jax[serve]')

from aurl_jax.cli import serve as verb
from aurl_jax.serving import server
from tests.deploy import bundle_test
from tests.serving import stage


class Deployment:
  """What Ray is told."""

  def __init__(self, build, options):
    self.build, self.options, self.bound = build, options, False

  def bind(self):
    self.bound = True
    return self


@pytest.fixture
def ray(monkeypatch):
  """In the place of Ray: takes what it is given."""
  module, serve = types.ModuleType('ray'), types.ModuleType('ray.serve')
  serve.ingress = lambda build: lambda: build
  serve.deployment = lambda build, **options: Deployment(build, options)
  module.serve = serve
  monkeypatch.setitem(sys.modules, 'ray', module)
  monkeypatch.setitem(sys.modules, 'ray.serve', serve)


@pytest.fixture
def deployed(ray, repository):
  path = repository / 'examples' / 'deploy' / 'ray_serve.py'
  spec = importlib.util.spec_from_file_location('ray_serve', path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


async def ask(app, path, **headers):
  """Status and body of a GET, by ASGI alone."""
  told = {'host': 'music.example', **headers}
  scope = {
    'type': 'http',
    'asgi': {'version': '3.0'},
    'http_version': '1.1',
    'method': 'GET',
    'scheme': 'http',
    'path': path,
    'raw_path': path.encode(),
    'query_string': b'',
    'root_path': '',
    'headers': [(k.encode(), v.encode()) for k, v in told.items()],
    'client': ('127.0.0.1', 1),
    'server': ('127.0.0.1', 8000),
  }
  sent = []

  async def receive():
    return {'type': 'http.request', 'body': b'', 'more_body': False}

  async def send(message):
    sent.append(message)

  await app(scope, receive, send)
  return sent[0]['status'], b''.join(m.get('body', b'') for m in sent)


def test_a_replica_answers(deployed, tmp_path, monkeypatch):
  assert deployed.app.bound
  assert deployed.app.options['num_replicas'] == 2
  monkeypatch.setenv('AURL_MODEL', str(bundle_test.save(tmp_path / 'model')))
  monkeypatch.delenv('AURL_TOKEN', raising=False)
  with pytest.raises(KeyError, match='AURL_TOKEN'):
    deployed.app.build()
  monkeypatch.setenv('AURL_TOKEN', stage.TOKEN)
  monkeypatch.setenv('AURL_HOSTS', 'music.example,')
  # Nothing is compiled for this test.
  monkeypatch.setattr(server.Readiness, '_run', lambda *_: None)
  app = deployed.app.build()
  assert asyncio.run(ask(app, '/healthz'))[0] == 200
  assert asyncio.run(ask(app, '/v1/model'))[0] == 401
  assert asyncio.run(ask(app, '/healthz', host='other.example'))[0] == 421
  status, body = asyncio.run(
    ask(app, '/v1/model', authorization=f'Bearer {stage.TOKEN}')
  )
  assert status == 200
  assert json.loads(body)['tokenizer'] == 'VoiceGrid'


def lines(text):
  """Instructions of a Dockerfile: (name, rest)."""
  joined = text.replace('\\\n', ' ').splitlines()
  return [
    tuple(line.split(None, 1))
    for line in joined
    if line.strip() and not line.startswith('#')
  ]


def test_the_image_is_made_of_what_there_is(repository):
  home = repository / 'examples' / 'deploy'
  found = lines((home / 'Dockerfile').read_text())
  known = {'FROM', 'RUN', 'WORKDIR', 'COPY', 'USER', 'ENV', 'VOLUME', 'EXPOSE'}
  known |= {'HEALTHCHECK', 'STOPSIGNAL', 'ENTRYPOINT', 'CMD'}
  assert {name for name, _ in found} == known
  sources = [
    source
    for name, rest in found
    if name == 'COPY'
    for source in shlex.split(rest)[:-1]
  ]
  ignored = (home / 'Dockerfile.dockerignore').read_text().split()
  for source in sources:
    assert (repository / source).exists(), source
    assert f'!{source}' in ignored
  told = dict(found)
  assert told['USER'] == 'aurl'
  assert told['STOPSIGNAL'] == 'SIGTERM'
  entry = json.loads(told['ENTRYPOINT'])
  assert entry == ['aurl', 'serve']
  parser = argparse.ArgumentParser()
  verb.add_arguments(parser)
  args = parser.parse_args(json.loads(told['CMD']))
  assert (args.model, args.host, args.port) == ('pop', '0.0.0.0', 8000)
  assert told['EXPOSE'] == str(args.port)
  # A name or a token of ours stands nowhere in it.
  assert 'AURL_TOKEN=' not in (home / 'Dockerfile').read_text()
