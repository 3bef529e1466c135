"""Broken files through the routes: read, or refused, never a fault of ours."""

import random
import time

import pytest

pytest.importorskip('fastapi', reason='needs the extra: aurl-jax[serve]')
pytest.importorskip('uvicorn', reason='needs the extra: aurl-jax[serve]')

from tests.serving import stage


@pytest.fixture(scope='module')
def client():
  with stage.engine_of() as engine, stage.serving(engine) as client:
    yield client


def files_of(shared_data):
  folder = shared_data.parent / 'broken_midi'
  if not folder.is_dir():
    pytest.skip(f'no broken files at {folder}')
  return sorted(p for p in folder.iterdir() if p.suffix not in ('.csv', '.md'))


def sent(client, path, data):
  """Status of a file that is sent, and seconds that it took."""
  begun = time.monotonic()
  field = 'music' if path == 'analyze' else 'prompt'
  told = b'{"studies": ["chords"]}' if path == 'analyze' else b'{"bars": 1}'
  body, kind = stage.parts(('request', None, told), (field, 'x', data))
  answer = client.post(f'/v1/{path}', body, content_type=kind)
  if answer.status == 200:
    assert answer.json
  else:
    assert answer.code
  return answer.status, time.monotonic() - begun


def test_broken_files_are_read_or_refused(client, shared_data):
  found = []
  for path in files_of(shared_data)[::6]:
    status, _ = sent(client, 'continue', path.read_bytes())
    assert status == 200 or 400 <= status < 500, path
    found.append(status)
  assert {200, 422} <= set(found)


@pytest.mark.slow
@pytest.mark.parametrize('route', ['continue', 'analyze'])
def test_every_broken_file_is_read_or_refused(client, shared_data, route):
  slow = []
  for path in files_of(shared_data):
    status, seconds = sent(client, route, path.read_bytes())
    assert status == 200 or 400 <= status < 500, path
    slow.append((seconds, path.name))
  slow.sort()
  assert slow[len(slow) * 99 // 100][0] < 20, slow[-5:]


@pytest.mark.slow
def test_mutated_files_are_read_or_refused(client, shared_data):
  files = [p for p in files_of(shared_data) if p.stat().st_size < 20_000]
  draw = random.Random(1)
  for _ in range(2000):
    data = bytearray(draw.choice(files).read_bytes())
    for _ in range(draw.randint(1, 8)):
      at = draw.randrange(len(data) or 1)
      data[at : at + draw.randint(0, 3)] = draw.randbytes(draw.randint(0, 3))
    status, _ = sent(client, 'continue', bytes(data))
    assert status == 200 or 400 <= status < 500, bytes(data)
