"""Playing a bundle: what is refused at once, and a rehearsal that is kept."""

import json

import pytest

from aurl_jax.cli import __main__ as cli
from aurl_jax.core.errors import ConfigError, MidiError
from aurl_jax.deploy import bundle
from aurl_jax.deploy.composer import Composer
from aurl_jax.experiment import play
from aurl_jax.experiment.play import Stage
from aurl_jax.generation.errors import RequestError
from aurl_jax.music import midi, ports
from tests.generation import writers


@pytest.fixture(scope='module')
def model():
  """A small model of a grid, in place of a bundle."""
  model, params = writers.small(writers.TOKENIZERS['grid'])
  tokenizer = writers.TOKENIZERS['grid']
  return Composer(model=model, params=params, tokenizer=tokenizer)


@pytest.fixture
def shipped(model, monkeypatch):
  monkeypatch.setattr(bundle, 'load', lambda _: model)
  monkeypatch.setattr(bundle, 'outline', lambda _: model)


def test_a_rehearsal_tells_how_it_went_and_is_kept(shipped, tmp_path, capsys):
  out = tmp_path / 'played.mid'
  words = ['play', 'mine', '--bars', '3', '--dry', '--seed', '2', '--json']
  assert cli.main([*words, '--out', str(out), '--tempo', '96']) == 0
  told = json.loads(capsys.readouterr().out)
  assert (told['ended'], told['bars'], told['out']) == ('done', 3, str(out))
  assert told['music'] == pytest.approx(3 * 4 * 60 / 96, rel=0.02)
  assert told['speed'] > 0
  notes = midi.read(out).notes
  assert len(notes) == told['notes'] > 0
  assert notes.end <= 3 * 4 * notes.ticks_per_beat


class Port:
  """Interrupts whoever sends too much."""

  def __init__(self):
    self.heard, self.closed = [], False

  def send(self, message):
    self.heard.append(message)
    if len(self.heard) == 5:
      raise KeyboardInterrupt

  def close(self):
    self.closed = True


def test_ctrl_c_leaves_a_silent_port_that_is_closed(shipped, monkeypatch):
  port = Port()
  monkeypatch.setattr(ports, 'open_port', lambda name, virtual: port)
  facts = play.run('mine', {'bars': 0, 'tempo': 300}, Stage(port='x'))
  assert facts['ended'] == 'interrupted'
  down = set()
  for message in port.heard:
    if message.type == 'note_on':
      down.add((message.channel, message.note))
    elif message.type == 'note_off':
      down.discard((message.channel, message.note))
  assert down == set()
  assert port.closed


@pytest.mark.parametrize(
  ('stage', 'error', 'match'),
  [
    (Stage(dry=True), ConfigError, '--bars'),
    (Stage(out='x.wav'), ConfigError, r'\.mid'),
    (Stage(ahead=0), ConfigError, 'at least 1'),
  ],
)
def test_stages_that_cannot_be_are_refused(shipped, stage, error, match):
  with pytest.raises(error, match=match):
    play.run('mine', {}, stage)


def test_what_cannot_be_played_opens_no_port(shipped, monkeypatch):
  def fails(name, virtual):
    raise MidiError(f'no port {name}, {virtual}', code='port')

  monkeypatch.setattr(ports, 'open_port', fails)
  with pytest.raises(RequestError, match='whole pieces'):
    play.run('mine', {'n': 2}, Stage())
  with pytest.raises(MidiError, match='no port x, True'):
    play.run('mine', {}, Stage(port='x', virtual=True))


def test_ports_are_listed(monkeypatch, capsys):
  monkeypatch.setattr(ports, 'names', lambda: ['One', 'Two'])
  assert cli.main(['play', '--list-ports', '--json']) == 0
  assert json.loads(capsys.readouterr().out) == ['One', 'Two']
  assert cli.main(['play']) == 2
  assert 'which model' in capsys.readouterr().err
