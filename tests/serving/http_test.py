"""What the routes answer; the engine is a real one of a small model."""

import base64
import json
import random
import re

import pytest

pytest.importorskip('fastapi', reason='needs the extra: aurl-jax[serve]')
pytest.importorskip('uvicorn', reason='needs the extra: aurl-jax[serve]')

from aurl_jax.music import midi
from tests.serving import stage


@pytest.fixture(scope='module')
def client():
  with stage.engine_of() as engine, stage.serving(engine) as client:
    yield client


def notes_of(answer, at=0):
  assert answer.status == 200, answer.body
  return midi.read(base64.b64decode(answer.json['pieces'][at]['midi'])).notes


def test_music_is_that_of_the_library(client):
  answer = client.post('/v1/generate', {'bars': 2, 'n': 3, 'seed': 4})
  asked = stage.request(bars=2, n=3, seed=4)
  expected = stage.composer().generate(asked)
  found = answer.json['pieces']
  assert [one['seed'] for one in found] == [4, 5, 6]
  for at, piece in enumerate(expected):
    assert notes_of(answer, at) == midi.read(piece.midi()).notes
    assert found[at]['report']['steps'] == len(piece.ids)
  alone = client.post(
    '/v1/generate', {'bars': 2, 'seed': 5}, accept='audio/midi'
  )
  assert alone.headers['content-type'] == 'audio/midi'
  assert alone.body == expected[1].midi()


def test_a_prompt_comes_as_base64_or_as_a_file(client):
  body = {'prompt': stage.base64_of(stage.tune()), 'bars': 1, 'seed': 2}
  answer = client.post('/v1/continue', body)
  expected = stage.composer().generate(
    stage.request(prompt=stage.TUNE, bars=1, seed=2)
  )
  assert notes_of(answer) == midi.read(expected[0].midi()).notes
  data, kind = stage.parts(
    ('request', None, b'{"bars": 1, "seed": 2}'),
    ('prompt', '../../etc/passwd\0.mid', stage.tune()),
  )
  beside = client.post('/v1/continue', data, content_type=kind)
  assert beside.json == answer.json
  other, kind = stage.parts(('prompt', 'a.mid', stage.tune()))
  assert client.post('/v1/continue', other, content_type=kind).status == 200


def test_steps_are_told_as_they_come(client):
  answer = client.post('/v1/generate', {'bars': 2, 'seed': 9, 'stream': True})
  assert answer.headers['content-type'].startswith('text/event-stream')
  events = [
    (one.split('\n')[0][7:], json.loads(one.split('data: ')[1]))
    for one in answer.body.decode().strip().split('\n\n')
  ]
  ids = [
    step for name, told in events if name == 'steps' for step in told['ids']
  ]
  (expected,) = stage.composer().generate(stage.request(bars=2, seed=9))
  assert expected.ids[-len(ids) :].tolist() == ids
  assert len(ids) == len(expected.ids) - 1, 'all but what it begins with'
  assert events[-1][0] == 'pieces'
  plain = client.post('/v1/generate', {'bars': 2, 'seed': 9})
  assert events[-1][1] == plain.json


def test_a_job_is_fetched_later_by_whose_it_is(client):
  answer = client.post('/v1/generate', {'bars': 2, 'seed': 3, 'job': True})
  assert answer.status == 202
  place = answer.headers['location']
  while (told := client.ask('GET', place)).json['status'] == 'going':
    pass
  plain = client.post('/v1/generate', {'bars': 2, 'seed': 3})
  assert told.json['pieces'] == plain.json['pieces']
  assert client.ask('DELETE', place).status == 204
  assert client.ask('GET', place).status == 404
  assert client.ask('DELETE', place).status == 404


def test_a_piece_of_a_form_is_a_job(client):
  refused = client.post('/v1/generate', {'form': 'AABA'})
  assert (refused.status, refused.code) == (422, 'job')


def test_what_the_model_cannot_do_is_told(client):
  tune = stage.base64_of(stage.tune())
  body = {'first': tune, 'last': tune, 'n': 2}
  assert client.post('/v1/interpolate', body).status == 422
  for path, more in (('vary', {'strength': 0.5}), ('turn', {})):
    answer = client.post(f'/v1/{path}', {'music': tune, **more})
    assert (answer.status, path in answer.json) == (422, False)
  infill = client.post('/v1/infill', {'prompt': tune, 'rewrite': [0, 1]})
  assert infill.status == 422
  assert 'rewrite' in infill.json['error']['message']


def test_studies_hear_music(client):
  tune = stage.base64_of(stage.tune())
  answer = client.post('/v1/analyze', {'music': tune, 'studies': ['chords']})
  assert answer.status == 200
  assert set(answer.json['studies']) == {'chords'}
  unknown = client.post('/v1/analyze', {'music': tune, 'studies': ['../x']})
  assert (unknown.status, unknown.code) == (422, 'study.unknown')


def test_health_readiness_and_metrics(client):
  assert client.ask('GET', '/healthz', token='').json == {'status': 'ok'}
  assert client.ask('GET', '/readyz', token='').status == 200
  text = client.ask('GET', '/metrics').body.decode()
  assert 'aurl_requests_total{outcome="done"}' in text
  for line in text.splitlines():
    assert line.startswith('#') or len(line.rpartition(' ')[2]) > 0
    if not line.startswith('#'):
      float(line.rpartition(' ')[2])


def test_what_a_model_can_is_told_before(client):
  told = client.ask('GET', '/v1/model').json
  assert told['defaults'] == {'temperature': 0.9, 'top_p': 0.98}
  assert told['can']['generate'] == told['can']['continue'] == ''
  tune = stage.base64_of(stage.tune())
  bodies = {
    'infill': {'prompt': tune, 'rewrite': [0, 1]},
    'vary': {'music': tune},
    'interpolate': {'first': tune, 'last': tune},
    'turn': {'music': tune},
  }
  for name, body in bodies.items():
    assert told['can'][name]
    assert client.post(f'/v1/{name}', body).status == 422


def test_every_route_has_an_example_that_is_answered(client):
  told = client.ask('GET', '/openapi.json').json
  can = client.ask('GET', '/v1/model').json['can'] | {'analyze': ''}
  posts = {path for path, found in told['paths'].items() if 'post' in found}
  assert posts == {f'/v1/{name}' for name in can}
  for name, why in can.items():
    content = told['paths'][f'/v1/{name}']['post']['requestBody']['content']
    assert 'multipart/form-data' in content
    body = content['application/json']['examples']['plain']['value']
    answer = client.post(f'/v1/{name}', body)
    assert answer.status == (422 if why else 200), answer.body


def test_what_is_told_of_bodies_is_whole_in_itself(client):
  text = client.ask('GET', '/openapi.json').body.decode()
  told = json.loads(text)
  for found in re.findall(r'"\$ref": ?"#/([^"]+)"', text):
    part = told
    for name in found.split('/'):
      part = part[name]
    assert part


def test_answers_carry_a_number_and_headers_for_safety(client):
  answer = client.ask('GET', '/healthz', token='')
  assert len(answer.headers['x-request-id']) == 16
  assert answer.headers['x-content-type-options'] == 'nosniff'
  assert "default-src 'none'" in answer.headers['content-security-policy']
  missing = client.ask('GET', '/v1/nothing')
  assert (missing.status, missing.code) == (404, 'route')
  assert client.ask('GET', '/v1/generate').status == 405


def files_of(shared_data):
  folder = shared_data.parent / 'broken_midi'
  if not folder.is_dir():
    pytest.skip(f'no broken files at {folder}')
  return sorted(p for p in folder.iterdir() if p.suffix not in ('.csv', '.md'))


def sent(client, path, data):
  """Status of a file that is sent."""
  field = 'music' if path == 'analyze' else 'prompt'
  told = b'{"studies": ["chords"]}' if path == 'analyze' else b'{"bars": 1}'
  body, kind = stage.parts(('request', None, told), (field, 'x', data))
  answer = client.post(f'/v1/{path}', body, content_type=kind)
  if answer.status == 200:
    assert answer.json
  else:
    assert answer.code
  return answer.status


def test_broken_files_are_read_or_refused(client, shared_data):
  found = []
  for path in files_of(shared_data)[::6]:
    status = sent(client, 'continue', path.read_bytes())
    assert status == 200 or 400 <= status < 500, path
    found.append(status)
  assert {200, 422} <= set(found)


@pytest.mark.slow
@pytest.mark.parametrize('route', ['continue', 'analyze'])
def test_every_broken_file_is_read_or_refused(client, shared_data, route):
  for path in files_of(shared_data):
    status = sent(client, route, path.read_bytes())
    assert status == 200 or 400 <= status < 500, path


@pytest.mark.parametrize(
  'count', [25, pytest.param(10_000, marks=pytest.mark.slow)]
)
def test_mutated_files_are_read_or_refused(client, shared_data, count):
  files = [p for p in files_of(shared_data) if p.stat().st_size < 20_000]
  draw = random.Random(1)
  for _ in range(count):
    data = bytearray(draw.choice(files).read_bytes())
    for _ in range(draw.randint(1, 8)):
      at = draw.randrange(len(data) or 1)
      data[at : at + draw.randint(0, 3)] = draw.randbytes(draw.randint(0, 3))
    status = sent(client, 'continue', bytes(data))
    assert status == 200 or 400 <= status < 500, bytes(data)
