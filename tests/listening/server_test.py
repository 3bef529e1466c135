"""The server, asked as the page asks, and as others would."""

import http.client
import json
import socket
import threading

import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.listening import make, server
from aurl_jax.listening.answers import Answers
from tests.listening import songs


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  home = tmp_path_factory.mktemp('listening')
  systems = {
    name: songs.folder(home, name, 3, seed=seed)
    for name, seed in (('ours', 0), ('theirs', 50))
  }
  wish = make.Wish(
    kind='ab', systems=systems, pairs=2, seconds=1, plain=True, checks=1
  )
  make.make(wish, home / 'test')
  (home / 'secret.wav').write_bytes(b'secret')
  return home / 'test'


@pytest.fixture
def ask(folder):
  with server.serve(folder) as served:
    threading.Thread(target=served.serve_forever, daemon=True).start()
    port = served.server_address[1]

    def function(path, body=None, method=None, **headers):
      link = http.client.HTTPConnection('127.0.0.1', port, timeout=20)
      given = {'Host': f'127.0.0.1:{port}'}
      if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        given['Content-Type'] = 'application/json'
      given |= {name.replace('_', '-'): v for name, v in headers.items()}
      link.request(method or ('POST' if body else 'GET'), path, body, given)
      answer = link.getresponse()
      found = answer.status, answer.headers, answer.read()
      link.close()
      return found

    function.port = port
    yield function
    served.shutdown()


def told(answer, status=200):
  assert answer[0] == status, answer
  return json.loads(answer[2])


def test_the_page_loads_nothing_from_elsewhere(ask):
  for path in ('/', '/listen.js', '/player.js', '/house.css', '/listen.css'):
    status, headers, content = ask(path)
    assert status == 200
    text = content.decode()
    assert 'http://' not in text
    assert 'https://' not in text
    policy = headers['Content-Security-Policy']
    assert "default-src 'none'" in policy
    assert 'unsafe' not in policy
    assert headers['X-Content-Type-Options'] == 'nosniff'
    assert 'Python' not in headers['Server']
  # What the policy forbids: scripts and styles inside the page.
  page = ask('/')[2].decode()
  assert '<style' not in page
  assert 'style=' not in page
  assert page.count('<script') == page.count('src="listen.js"') == 1


def test_a_listener_from_consent_to_the_code(ask, folder):
  test = told(ask('/api/test'))
  assert (test['kind'], test['trials']) == ('ab', 3)
  code = told(ask('/api/listeners', {'consent': True}), 201)['code']
  state = told(ask(f'/api/listeners/{code}'))
  while state['trial']:
    for url in state['trial']['clips']:
      status, headers, content = ask(f'/{url}')
      assert (status, headers['Content-Type']) == (200, 'audio/wav')
      assert content[:4] == b'RIFF'
    body = {'trial': state['trial']['id'], 'value': 'first', 'seconds': 2.5}
    state = told(ask(f'/api/listeners/{code}/answers', body))
    assert told(ask(f'/api/listeners/{code}')) == state
  assert len(state['finish']) == 8
  found, known = Answers.open_in(folder).all()
  assert known[code]
  assert len([a for a in found if a.code == code]) == 3


def test_clips_are_sent_in_ranges(ask):
  code = told(ask('/api/listeners', {'consent': True}), 201)['code']
  url = '/' + told(ask(f'/api/listeners/{code}'))['trial']['clips'][0]
  whole = ask(url)[2]
  size = len(whole)
  for wanted, first, last in (
    ('bytes=0-', 0, size - 1),
    ('bytes=10-19', 10, 19),
    ('bytes=-7', size - 7, size - 1),
    (f'bytes={size - 3}-{size + 99}', size - 3, size - 1),
  ):
    status, headers, content = ask(url, Range=wanted)
    assert status == 206
    assert headers['Content-Range'] == f'bytes {first}-{last}/{size}'
    assert content == whole[first : last + 1]
  for wanted in (f'bytes={size}-', 'bytes=9-3'):
    assert ask(url, Range=wanted)[0] == 416
  for wanted in ('bytes=-', 'bytes=1-2,4-5', 'pages=1-2'):
    assert ask(url, Range=wanted)[2] == whole


@pytest.mark.parametrize(
  'path',
  [
    '/test.json',
    '/answers.sqlite',
    '/clips/',
    '/clips/../test.json',
    '/clips/%2e%2e/secret.wav',
    '/clips/../../secret.wav',
    '/clips/000000000000.wav',
    '/clips/%00.wav',
    '//etc/passwd',
    '/api',
    '/api/listeners',
    '/api/listeners/x/answers',
    '/make.py',
  ],
)
def test_nothing_else_is_handed_out(ask, path):
  assert told(ask(path), 404)['error']['code'] == 'path'


def test_an_unknown_listener(ask):
  assert told(ask('/api/listeners/nobody'), 404)['error']['code'] == (
    'no_listener'
  )


@pytest.mark.parametrize(
  ('body', 'status', 'code'),
  [
    ({'consent': 1}, 400, 'consent'),
    ({}, 400, 'consent'),
    ([True], 400, 'body'),
    (b'{"consent": true}', 403, 'origin'),
  ],
)
def test_nobody_takes_part_unasked(ask, folder, body, status, code):
  before = len(Answers.open_in(folder).all()[1])
  found = told(ask('/api/listeners', body), status)
  assert found['error']['code'] == code
  assert len(Answers.open_in(folder).all()[1]) == before


def test_pages_elsewhere_are_refused(ask):
  assert told(ask('/api/test', Host='evil.example'), 403)['error']['code'] == (
    'host'
  )
  found = ask('/api/listeners', {'consent': True}, Origin='http://evil.example')
  assert told(found, 403)['error']['code'] == 'origin'
  own = f'http://127.0.0.1:{ask.port}'
  told(ask('/api/listeners', {'consent': True}, Origin=own), 201)


@pytest.mark.parametrize(
  ('change', 'status', 'code'),
  [
    ({'value': 'third'}, 400, 'value'),
    ({'value': 1}, 400, 'body'),
    ({'trial': 'x'}, 409, 'turn'),
    ({'trial': None}, 400, 'body'),
    ({'seconds': '3'}, 400, 'body'),
    ({'seconds': True}, 400, 'body'),
    ({'seconds': -1}, 400, 'value'),
    ({'seconds': 1e999}, 400, 'body'),
  ],
)
def test_answers_that_are_none(ask, change, status, code):
  mine = told(ask('/api/listeners', {'consent': True}), 201)['code']
  state = told(ask(f'/api/listeners/{mine}'))
  body = {'trial': state['trial']['id'], 'value': 'first', 'seconds': 1}
  found = told(ask(f'/api/listeners/{mine}/answers', body | change), status)
  assert found['error']['code'] == code
  assert told(ask(f'/api/listeners/{mine}')) == state


def test_bodies_are_small_and_tell_their_size(ask):
  large = {'consent': True, 'more': 'x' * 5000}
  assert told(ask('/api/listeners', large), 413)['error']['code'] == 'body'
  for length in ('-1', 'x', '9' * 5000, ''):
    found = ask('/api/listeners', b'{}', Content_Length=length)
    assert told(found, 413)['error']['code'] == 'body'
  deep = b'[' * 4000
  found = ask('/api/listeners', deep, Content_Type='application/json')
  assert told(found, 400)['error']['code'] == 'body'


def test_one_line_of_nonsense_does_not_end_the_server(ask):
  with socket.create_connection(('127.0.0.1', ask.port), timeout=20) as link:
    link.sendall(b'\x00\xff nonsense\r\n\r\n')
    link.recv(100)
  told(ask('/api/test'))


def test_two_requests_share_a_connection(ask):
  link = http.client.HTTPConnection('127.0.0.1', ask.port, timeout=20)
  for path in ('/', '/api/test'):
    link.request('GET', path)
    answer = link.getresponse()
    assert answer.status == 200
    answer.read()
  link.close()


def test_a_missing_clip_is_told(folder, ask):
  code = told(ask('/api/listeners', {'consent': True}), 201)['code']
  url = told(ask(f'/api/listeners/{code}'))['trial']['clips'][0]
  path = folder / url
  moved = path.rename(path.with_suffix('.gone'))
  try:
    assert told(ask(f'/{url}'), 404)['error']['message'] == (
      'the clip is missing'
    )
  finally:
    moved.rename(path)


def test_a_port_that_is_taken(folder):
  with server.serve(folder) as served:
    port = served.server_address[1]
    for wanted, host in ((port, server.LOCAL), (1 << 20, server.LOCAL)):
      with pytest.raises(ConfigError, match='--port') as caught:
        server.serve(folder, host=host, port=wanted)
      assert caught.value.code == 'port'


def test_other_machines_are_answered_where_that_is_asked_for(folder):
  with server.serve(folder, host='0.0.0.0') as served:
    threading.Thread(target=served.serve_forever, daemon=True).start()
    port = served.server_address[1]
    link = http.client.HTTPConnection('127.0.0.1', port, timeout=20)
    link.request('GET', '/api/test', headers={'Host': f'laptop.local:{port}'})
    assert link.getresponse().status == 200
    link.close()
    served.shutdown()
