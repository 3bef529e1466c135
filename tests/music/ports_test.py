"""Ports through a backend of our own: no MIDI is needed, nor rtmidi."""

import sys
import types

import mido
import pytest

from aurl_jax.core.errors import MidiError
from aurl_jax.music import ports


class Output:
  def __init__(self, name, virtual):
    self.name, self.virtual, self.sent, self.closed = name, virtual, [], False

  def send(self, message):
    self.sent.append(message)

  def close(self):
    self.closed = True


def backend(monkeypatch, names, error=None):
  """Puts a module of mido in place that has such ports."""

  def get_devices(**_):
    if error:
      raise error
    return [{'name': n, 'is_input': False, 'is_output': True} for n in names]

  module = types.ModuleType('mido.backends.rtmidi')
  module.get_devices = get_devices
  module.Output = lambda name, virtual=False, **_: Output(name, virtual)
  monkeypatch.setitem(sys.modules, 'mido.backends.rtmidi', module)


def test_a_port_is_found_by_a_part_of_its_name(monkeypatch):
  backend(monkeypatch, ['Midi Through 14:0', 'FLUID Synth (1) 128:0'])
  assert ports.names() == ['Midi Through 14:0', 'FLUID Synth (1) 128:0']
  port = ports.open_port('fluid')
  assert (port.name, port.virtual) == ('FLUID Synth (1) 128:0', False)
  assert ports.open_port('').name == 'Midi Through 14:0'
  made = ports.open_port('mine', virtual=True)
  assert (made.name, made.virtual) == ('mine', True)
  assert isinstance(port, ports.Port)
  message = mido.Message('note_on', note=60)
  port.send(message)
  port.close()
  assert port.sent == [message]
  assert port.closed


@pytest.mark.parametrize(
  ('names', 'asked', 'match'),
  [
    (['Midi Through 14:0'], 'piano', r"no port 'piano'.* Midi Through 14:0"),
    (['Synth A', 'Synth B'], 'synth', 'several .*Synth A, Synth B'),
    ([], '', 'there is no MIDI port; .* none'),
  ],
)
def test_ports_that_are_not_there_are_refused(monkeypatch, names, asked, match):
  backend(monkeypatch, names)
  with pytest.raises(MidiError, match=match) as caught:
    ports.open_port(asked)
  assert caught.value.code == 'port'


def test_a_machine_without_midi_is_named(monkeypatch):
  backend(monkeypatch, [], RuntimeError('no sequencer'))
  with pytest.raises(MidiError, match=r'no sequencer.*--dry') as caught:
    ports.names()
  assert caught.value.code == 'port'


def test_what_is_missing_is_told_how_to_install(monkeypatch):
  # None makes the import fail.
  monkeypatch.setitem(sys.modules, 'mido.backends.rtmidi', None)
  for call in (ports.names, lambda: ports.open_port('x', virtual=True)):
    with pytest.raises(MidiError, match=r'aurl_jax\[live\]') as caught:
      call()
    assert caught.value.code == 'no_rtmidi'
