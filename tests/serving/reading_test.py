"""Bodies that are not what they should be, or far too much of it."""

import json
import pathlib
import resource
import socket
import struct

import pytest

pytest.importorskip('fastapi', reason='needs the extra: aurl-jax[serve]')
pytest.importorskip('uvicorn', reason='needs the extra: aurl-jax[serve]')

from aurl_jax.serving import reading, schema
from aurl_jax.serving.engine import Engine
from tests.serving import stage

KIND = 'application/json'


@pytest.fixture(scope='module')
def client():
  # A model that nothing gets as far as: no program is compiled.
  engine = Engine(stage.composer(), stage.PLAN)
  with stage.serving(engine) as client:
    yield client
  engine.close(0)


def track(events: bytes) -> bytes:
  return b'MTrk' + struct.pack('>I', len(events)) + events


def file_of(*tracks: bytes, division=480) -> bytes:
  head = struct.pack('>HHH', 1, len(tracks), division)
  return b'MThd' + struct.pack('>I', 6) + head + b''.join(map(track, tracks))


END = b'\x00\xff\x2f\x00'
NOTE = b'\x00\x90\x3c\x40' + b'\x60\x80\x3c\x40'
FAR = b'\xff\xff\xff\x7f'


@pytest.mark.parametrize(
  'text',
  [
    b'',
    b'null',
    b'[]',
    b'"x"',
    b'1',
    b'{',
    b'{"bars": 1',
    b'{"bars": NaN}',
    b'{"temperature": NaN}',
    b'{"temperature": Infinity}',
    b'{"temperature": -Infinity}',
    b'{"temperature": 1e999}',
    b'{"bars": "4"}',
    b'{"bars": 4.5}',
    b'{"bars": true}',
    b'{"bars": [4]}',
    b'{"n": 0}',
    b'{"n": -1}',
    b'{"n": 100001}',
    b'{"n": 65}',
    b'{"seed": -1}',
    b'{"seed": 9223372036854775808}',
    b'{"seed": ' + b'9' * 5000 + b'}',
    b'{"top_k": 2147483648}',
    b'{"top_p": 0}',
    b'{"top_p": 1.5}',
    b'{"min_p": -0.1}',
    b'{"temperature": -1}',
    b'{"temperature": 101}',
    b'{"guidance": 21}',
    b'{"meter": [3]}',
    b'{"meter": [0, 0]}',
    b'{"meter": [3, 4, 5]}',
    b'{"tempo": 0}',
    b'{"controls": {"density": "high"}}',
    b'{"controls": {"nothing": 1}}',
    b'{"controls": {"density": 99999999999}}',
    b'{"wish": {"key": "X sharp"}}',
    b'{"wish": {"weight": NaN}}',
    b'{"wish": {"tempo": [1, NaN]}}',
    b'{"wish": [[[]]]}',
    b'{"arrange": {"instruments": ["../../etc/passwd"]}}',
    b'{"form": "A"}',
    b'{"minutes": 1e308}',
    b'{"deadline": 0}',
    b'{"deadline": NaN}',
    b'{"unknown": 1}',
    b'{"__class__": "os.system"}',
    b'{"model": "/etc/passwd"}',
    b'{"melody": "/etc/passwd"}',
    b'{"melody": "file:///etc/passwd"}',
    b'{"melody": "http://127.0.0.1:1/x.mid"}',
    b'{"melody": ""}',
    b'{"form": "\\ud800"}',
    b'{"wish": {"chords": "\\udfff\\ud800"}}',
    b'{"form": "\xff\xfe"}',
    b'[' * 100_000 + b']' * 100_000,
    b'{"a":' * 100_000 + b'1' + b'}' * 100_000,
    b'{"wish": ' + b'[' * 5000 + b']' * 5000 + b'}',
    b'\x00' * 100,
    b'\xef\xbb\xbf{"bars": "x"}',
  ],
)
def test_what_is_no_request_is_refused(client, text):
  answer = client.post('/v1/generate', text, content_type=KIND)
  assert answer.status == 422, answer.body
  told = answer.json['error']
  assert told['code']
  assert told['message'].isprintable()
  assert len(answer.body) < 4000, 'what was sent does not come back'


def test_what_is_wrong_is_told_by_its_place(client):
  answer = client.post('/v1/generate', {'bars': 'x', 'controls': {'key': 1.5}})
  assert 'bars' in answer.json['error']['message']
  assert 'controls.key' in answer.json['error']['message']


def test_10000_parts_are_not_read(client):
  body, kind = stage.parts(*((f'f{i}', None, b'1') for i in range(10_000)))
  answer = client.post('/v1/generate', body, content_type=kind)
  assert (answer.status, answer.code) == (422, 'multipart')
  files, kind = stage.parts(*(('prompt', 'a', b'1') for _ in range(10_000)))
  answer = client.post('/v1/continue', files, content_type=kind)
  assert (answer.status, answer.code) == (422, 'multipart')


@pytest.mark.parametrize(
  'name',
  [
    '../../../etc/passwd',
    'a\x00.mid',
    'x' * 5000,
    '\u202egnp.mid',
    'CON',
    '<script>alert(1)</script>.mid',
    '=cmd|calc',
  ],
)
def test_names_of_files_are_not_looked_at(client, tmp_path, name):
  data, kind = stage.parts(
    ('request', None, b'{"bars": "no"}'), ('prompt', name, stage.tune())
  )
  answer = client.post('/v1/continue', data, content_type=kind)
  assert answer.status == 422
  told = answer.json['error']['message']
  assert 'bars' in told or (len(name) > 1000 and 'multipart' in told)
  assert name not in answer.body.decode()


@pytest.mark.parametrize(
  ('body', 'kind'),
  [
    (b'', 'multipart/form-data'),
    (b'nothing', 'multipart/form-data; boundary=x'),
    (b'--x\r\n' * 1000, 'multipart/form-data; boundary=x'),
    (
      b'--x\r\ncontent-disposition: form-data\r\n\r\n1',
      'multipart/form-data; boundary=x',
    ),
    (b'--x\r\n' + b'a: b\r\n' * 5000, 'multipart/form-data; boundary=x'),
    (b'', f'multipart/form-data; boundary={"x" * 5000}'),
  ],
)
def test_multipart_that_is_none_is_refused(client, body, kind):
  answer = client.post('/v1/continue', body, content_type=kind)
  assert 400 <= answer.status < 500, answer.body


def test_a_part_of_another_name_or_place_is_refused(client):
  for name in ('file', 'prompt\n', 'request2', 'melody'):
    body, kind = stage.parts((name, 'a.mid', stage.tune()))
    answer = client.post('/v1/continue', body, content_type=kind)
    assert 400 <= answer.status < 500
  # A field cannot be told twice, once as text and once as a file.
  body, kind = stage.parts(
    ('request', None, b'{"prompt": "x", "bars": 1}'),
    ('request', None, b'[]'),
    ('prompt', 'a.mid', stage.tune()),
  )
  assert client.post('/v1/continue', body, content_type=kind).status == 422


BOMBS = {
  'ticks': file_of(FAR * 1 + b'\x90\x3c\x40' + (FAR + b'\x80\x3c\x40') + END),
  'far': file_of((FAR + b'\xb0\x00\x00') * 7 + NOTE + END, division=1),
  'tempo far away': file_of(NOTE + FAR + b'\xff\x51\x03\x01\x00\x00' + END),
  'meter': file_of(b'\x00\xff\x58\x04\x01\x06\x18\x08' + NOTE * 2000 + END),
  'notes': file_of(NOTE * 60_000 + END),
  'at once': file_of(b'\x00\x90\x3c\x40' * 150_000 + END),
  'tracks': file_of(*[END] * 60_000),
  'short tracks': file_of(*[NOTE + END] * 300),
  'metas': file_of((b'\x00\xff\x05\x04aaaa') * 100_000 + NOTE + END),
  'text': file_of(b'\x00\xff\x01' + b'\x83\xe7\xff\x7f' + b'a' * 500_000 + END),
  'not MIDI': b'PK\x03\x04' + b'\0' * 1000,
  'gzip': b'\x1f\x8b\x08' + b'\0' * 1000,
  'pickle': b'\x80\x04cposix\nsystem\n(S"touch /tmp/planted"\ntR.',
  'xml': b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
  'ff': b'\xff' * 300_000,
}


@pytest.mark.parametrize('name', BOMBS)
def test_bombs_are_refused_at_once(client, name):
  before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  body = {'prompt': stage.base64_of(BOMBS[name]), 'bars': 1}
  answer = client.post('/v1/continue', body)
  assert answer.status in (413, 422), answer.body
  grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
  assert grown < 100 << 10, 'KiB'
  assert not pathlib.Path('/tmp/planted').exists()


def test_nothing_opens_a_file_or_a_connection(client, monkeypatch, tmp_path):
  secret = tmp_path / 'secret.mid'
  secret.write_bytes(stage.tune())
  opened = []
  real = socket.socket.connect

  def connect(self, address):
    if address[1] != client.port:
      opened.append(address)
    return real(self, address)

  monkeypatch.setattr(socket.socket, 'connect', connect)
  monkeypatch.setattr(
    pathlib.Path,
    'read_bytes',
    lambda self: opened.append(self) or b'',
  )
  for field in ('prompt', 'melody', 'accompaniment', 'bass'):
    for told in (str(secret), secret.as_uri(), 'http://192.0.2.1/x', '~/x'):
      path = 'continue' if field == 'prompt' else 'generate'
      answer = client.post(f'/v1/{path}', {field: told, 'bars': 1})
      assert answer.status == 422
  for told in (str(secret), '../x', 'http://192.0.2.1/x'):
    body = {'music': told}
    assert client.post('/v1/analyze', body).status == 422
    assert client.ask('GET', f'/v1/jobs/{told}').status in (404, 405)
  assert opened == []


def test_values_are_read_as_they_were_meant():
  body = reading.parsed(
    json.dumps(
      {
        'bars': 4,
        'wish': {'key': 'D minor', 'density': [3, None], 'meter': [3, 4]},
        'controls': {'register': 3, 'bars': [{'density': 2}]},
        'arrange': {'instruments': ['violin'], 'human': 1},
        'stream': True,
      }
    ).encode(),
    schema.GenerateBody,
  )
  from aurl_jax.serving.settings import Settings

  told = schema.changes(body, Settings(tokens=('x' * 16,)))
  assert set(told) == {'bars', 'wish', 'controls', 'arrange'}
  assert told['wish'][0].density == (3, None)
  assert told['wish'][0].meter == (3, 4)
  assert told['controls'].piece.register == 3
  assert told['controls'].bars[0].density == 2
  assert told['arrange'].human == 1
