"""Sound fonts: which are taken, and how they are handed out."""

import struct

import pytest

pytest.importorskip('fastapi', reason='needs the extra: aurl-jax[serve]')
pytest.importorskip('uvicorn', reason='needs the extra: aurl-jax[serve]')

from aurl_jax.core.errors import ConfigError
from aurl_jax.serving import fonts
from tests.serving import scribe, soundfonts, stage

WAVES = soundfonts.font({(0, 0): 1000})


@pytest.fixture
def path(tmp_path):
  found = tmp_path / 'deep' / 'waves.sf2'
  found.parent.mkdir()
  found.write_bytes(WAVES)
  return found


@pytest.mark.parametrize(
  ('name', 'data'),
  [
    ('a.sf2', WAVES),
    ('b.sf3', soundfonts.squeezed({(0, 0): 1000}, lambda data: data[:999])),
    ('c.dls', soundfonts.sampled(1000)),
    # What it is tells its content, not its name.
    ('no ending', WAVES),
  ],
)
def test_sound_fonts_are_taken(tmp_path, name, data):
  (tmp_path / name).write_bytes(data)
  font = fonts.find(str(tmp_path / name))
  assert (font.name, font.bytes) == (name, len(data))


@pytest.mark.parametrize(
  ('data', 'why'),
  [
    (None, 'cannot be read: No such file'),
    (b'', 'is no sound font'),
    (b'RIFF', 'is no sound font'),
    (b'MThd' + WAVES[4:], 'is no sound font'),
    (b'RIFF' + struct.pack('<I', 4) + b'WAVE', 'is no sound font'),
    (WAVES[:-2], f'is cut short: {len(WAVES) - 2} bytes of {len(WAVES)}'),
  ],
)
def test_what_is_none_is_told_with_file_cause_and_remedy(tmp_path, data, why):
  path = tmp_path / 'other.sf2'
  if data is not None:
    path.write_bytes(data)
  with pytest.raises(ConfigError) as told:
    fonts.find(str(path))
  assert told.value.code == 'sound_font'
  assert str(told.value).startswith(f'{path} {why}')
  assert 'name a whole file .sf2, .sf3 or .dls by --sound-font' in str(
    told.value
  )


def test_a_folder_is_no_font(tmp_path):
  with pytest.raises(ConfigError, match='cannot be read: Is a directory'):
    fonts.find(str(tmp_path))


def test_a_font_may_not_be_larger_than_is_served(path, monkeypatch):
  monkeypatch.setattr(fonts, 'LARGEST', len(WAVES))
  assert fonts.find(str(path)).bytes == len(WAVES)
  monkeypatch.setattr(fonts, 'LARGEST', len(WAVES) - 1)
  with pytest.raises(ConfigError, match=f'at most {len(WAVES) - 1} are served'):
    fonts.find(str(path))


def test_a_font_is_handed_out_to_whoever_has_the_token(path, monkeypatch):
  monkeypatch.setattr(fonts, '_BLOCK', 1000)
  with stage.serving(scribe.Scribe(), font=fonts.find(str(path))) as client:
    answer = client.ask('GET', '/v1/font')
    assert (answer.status, answer.body) == (200, WAVES)
    assert answer.headers['content-length'] == str(len(WAVES))
    assert answer.headers['content-type'] == 'application/octet-stream'
    assert answer.headers['cache-control'] == 'no-store'
    assert client.ask('GET', '/v1/font', token='').status == 401
    # Neither a field of the address nor a header names another file.
    other = client.ask(
      'GET', '/v1/font?path=/etc/passwd&font=../x', range='bytes=0-1'
    )
    assert (other.status, other.body) == (200, WAVES)
    told = client.ask('GET', '/v1/model').json
    assert told['sound_font'] == {'name': 'waves.sf2', 'bytes': len(WAVES)}
    assert str(path.parent) not in client.ask('GET', '/v1/model').body.decode()


def test_a_font_that_has_changed_is_not_handed_out(path):
  with stage.serving(scribe.Scribe(), font=fonts.find(str(path))) as client:
    for change in (lambda: path.write_bytes(WAVES + b'x'), path.unlink):
      change()
      answer = client.ask('GET', '/v1/font')
      assert (answer.status, answer.code) == (503, 'sound_font')
      message = answer.json['error']['message']
      assert message.startswith('the sound font waves.sf2 is not there as')
      assert str(path.parent) not in message
    path.write_bytes(WAVES)
    assert client.ask('GET', '/v1/font').body == WAVES


def test_a_server_without_a_font_says_so():
  with stage.serving(scribe.Scribe()) as client:
    answer = client.ask('GET', '/v1/font')
    assert (answer.status, answer.code) == (404, 'sound_font')
    assert '--sound-font FILE' in answer.json['error']['message']
    assert client.ask('GET', '/v1/model').json['sound_font'] is None
