import struct

import pytest

from aurl_jax.cli.__main__ import main
from aurl_jax.core.errors import ConfigError
from aurl_jax.experiment import serve


def test_tokens_come_from_a_file_the_environment_or_nowhere(
  tmp_path, monkeypatch
):
  path = tmp_path / 'tokens'
  path.write_text('one-token-of-sixteen\nanother-of-sixteen\n')
  told = ('one-token-of-sixteen', 'another-of-sixteen')
  monkeypatch.setenv(serve.TOKEN_VARIABLE, 'from-the-environment')
  assert serve.tokens_of(str(path)) == (told, '')
  assert serve.tokens_of('') == (('from-the-environment',), '')
  monkeypatch.delenv(serve.TOKEN_VARIABLE)
  (one,), made = serve.tokens_of('')
  assert one == made
  assert len(made) >= 24
  assert serve.tokens_of('')[1] != made
  with pytest.raises(ConfigError, match='cannot be read'):
    serve.tokens_of(str(tmp_path / 'none'))


def test_flags_are_those_of_a_stand(monkeypatch):
  found = []
  monkeypatch.setattr(
    serve, 'run', lambda model, stand, quiet: found.append((model, stand))
  )
  words = (
    '--port 0 --host-name a --host-name b --origin https://c --slots 4 '
    '--sound-font s.sf2'
  )
  assert main(['serve', 'pop', *words.split()]) == 0
  ((model, stand),) = found
  assert model == 'pop'
  assert stand == serve.Stand(
    port=0,
    host_names=('a', 'b'),
    origins=('https://c',),
    sound_font='s.sf2',
    slots=4,
  )
  assert stand.host == '127.0.0.1'


def test_packages_that_are_missing_are_named(monkeypatch, capsys):
  monkeypatch.setattr(serve, '_EXTRA', ('json', 'no_such_package'))
  assert main(['serve', 'pop']) == 2
  told = capsys.readouterr().err
  assert 'no_such_package' in told
  assert 'aurl-jax[serve]' in told


def test_a_sound_font_comes_from_a_flag_or_the_environment(
  tmp_path, monkeypatch
):
  pytest.importorskip('fastapi', reason='needs the extra: aurl-jax[serve]')
  names = ('flag.sf2', 'environment.sf2')
  for name in names:
    (tmp_path / name).write_bytes(b'RIFF' + struct.pack('<I', 4) + b'sfbk')
  flag, environment = (str(tmp_path / name) for name in names)
  monkeypatch.delenv('AURL_SOUNDFONT', raising=False)
  assert serve.font_of('') is None
  monkeypatch.setenv('AURL_SOUNDFONT', environment)
  assert serve.font_of('').name == 'environment.sf2'
  assert serve.font_of(flag).name == 'flag.sf2'
  monkeypatch.setenv('AURL_SOUNDFONT', '')
  assert serve.font_of('') is None


def test_a_file_that_is_no_sound_font_ends_the_start(
  tmp_path, monkeypatch, capsys
):
  pytest.importorskip('fastapi', reason='needs the extra: aurl-jax[serve]')
  (tmp_path / 'tune.sf2').write_bytes(b'MThd' + bytes(100))
  words = ['serve', 'pop', '--port', '0']
  assert main([*words, '--sound-font', str(tmp_path / 'tune.sf2')]) == 2
  told = capsys.readouterr().err
  assert f'{tmp_path / "tune.sf2"} is no sound font' in told
  monkeypatch.setenv('AURL_SOUNDFONT', str(tmp_path / 'none.sf2'))
  assert main(words) == 2
  assert f'{tmp_path / "none.sf2"} cannot be read' in capsys.readouterr().err
