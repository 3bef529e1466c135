"""The page of a run, asked for as a browser would, and as others would."""

import http.client
import json
import socket
import threading

import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.experiment import web
from aurl_jax.experiment.workdir import Workdir
from tests.experiment import folders


@pytest.fixture
def folder(tmp_path):
  made = folders.make(tmp_path / 'run', state='running')
  (tmp_path / 'run' / 'samples' / 'out').symlink_to(tmp_path)
  (tmp_path / 'secret.html').write_text('secret')
  return made


@pytest.fixture
def ask(folder):
  with web.serve(folder) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]

    def function(path, host=None):
      link = http.client.HTTPConnection('127.0.0.1', port, timeout=20)
      link.putrequest('GET', path, skip_host=True)
      link.putheader('Host', host or f'127.0.0.1:{port}')
      link.endheaders()
      answer = link.getresponse()
      found = answer.status, answer.headers['Content-Type'], answer.read()
      link.close()
      return found

    yield function
    server.shutdown()


def test_the_page_and_its_data_tell_the_run(ask, folder):
  status, kind, content = ask('/')
  page = content.decode()
  assert (status, kind) == (200, 'text/html; charset=utf-8')
  assert 'http://' not in page.replace('http://www.w3.org/2000/svg', '')
  assert 'https://' not in page
  assert 'odd &lt;b&gt;' in page
  status, kind, content = ask('/data.json')
  told = json.loads(content)
  assert (status, kind, told['over']) == (200, 'application/json', False)
  for text in told['parts'].values():
    assert text in page
  assert '<path' in told['parts']['charts']
  assert 'samples/step_20/piece_1.png' in told['parts']['samples']
  with folder.metrics.open('a') as file:
    file.write('{"step": 22, "loss": 0.1}\n{"step": 24, "lo')
  again = json.loads(ask('/data.json')[2])
  assert again['title'].startswith('22/40')


def test_samples_are_handed_out(ask):
  assert ask('/samples/step_20/piece_1.mid') == (200, 'audio/midi', b'MThd')
  assert ask('/samples/step_20/piece_1.png')[1:] == ('image/png', folders.PNG)


@pytest.mark.parametrize(
  'path',
  [
    '/config.json',
    '/samples/../config.json',
    '/samples/%2e%2e/config.json',
    '/samples/step_20',
    '/samples/step_20/nothing.mid',
    '/samples/out/secret.html',
    '//etc/passwd',
    '/samples/%00.mid',
    '/samples/../../secret.html',
  ],
)
def test_nothing_else_is(ask, path):
  assert ask(path)[0] == 404


@pytest.mark.parametrize('host', ['evil.example', 'evil.example:80', ''])
def test_pages_elsewhere_get_no_answer(ask, host):
  assert ask('/', host=host or ' ')[0] == 403


def test_a_port_that_is_taken_is_named(folder):
  with socket.socket() as taken:
    taken.bind((web.HOST, 0))
    taken.listen()
    port = taken.getsockname()[1]
    with pytest.raises(ConfigError, match=f'127.0.0.1:{port}') as caught:
      web.serve(folder, port)
  assert caught.value.code == 'port'
  with pytest.raises(ConfigError, match='holds no run'):
    web.serve(Workdir(folder.root / 'nothing'))
