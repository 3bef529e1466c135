"""Messages of a port, judged by what a synthesiser would have sounding."""

import numpy as np

from aurl_jax.music.sounding import Sounding
from aurl_jax.music.window import Hit, Voice

PIANO = Voice(0, False, 0)


class Synthesiser:
  """Knows programs and keys of 16 channels, and what is wrong."""

  def __init__(self):
    self.programs = {}
    self.down = {}

  def hear(self, messages):
    for message in messages:
      if message.type == 'program_change':
        self.programs[message.channel] = message.program
      elif message.type == 'note_on':
        key = message.channel, message.note
        assert key not in self.down, 'struck while it sounds'
        self.down[key] = self.programs[message.channel]
      elif message.type == 'note_off':
        del self.down[message.channel, message.note]


def on(voice, pitch, velocity=64):
  return Hit(0, 0.0, velocity, voice, pitch)


def off(voice, pitch):
  return Hit(0, 0.0, 0, voice, pitch)


def test_random_hits_leave_what_ought_to_sound():
  rng = np.random.default_rng(0)
  # Eight programs of two tracks, and drums: all of 15 channels but none more.
  voices = [Voice(p, False, n) for p in range(7) for n in range(2)]
  voices.append(Voice(0, True, 0))
  sounding, heard, wanted = Sounding(), Synthesiser(), []
  for _ in range(2000):
    if wanted and rng.random() < 0.5:
      gone = wanted.pop(int(rng.integers(len(wanted))))
      heard.hear(sounding.messages(off(*gone)))
    else:
      new = voices[int(rng.integers(len(voices)))], int(rng.integers(40, 60))
      wanted.append(new)
      heard.hear(sounding.messages(on(*new)))
    told = {(v.program, pitch) for v, pitch in wanted}
    assert {(p, key[1]) for key, p in heard.down.items()} == told
    assert len(heard.down) == len(set(wanted))
    assert all(
      (c == 9) == (p == 0 and c == 9) for c, p in heard.programs.items()
    )
  assert sounding.down == sorted(heard.down)
  heard.hear(sounding.panic())
  assert heard.down == {}
  assert sounding.down == []


def test_more_programs_than_channels_let_go_of_what_they_push_out():
  sounding, heard = Sounding(), Synthesiser()
  for program in range(20):
    heard.hear(sounding.messages(on(Voice(program, False, 0), 60)))
  assert len(heard.down) == 15
  assert sorted(heard.down.values()) == list(range(5, 20))
  # The one that was pushed out has nothing to let go.
  assert sounding.messages(off(PIANO, 60)) == []


def test_an_end_finds_its_note_under_another_number():
  sounding = Sounding()
  sounding.messages(on(Voice(0, False, 1), 60))
  (message,) = sounding.messages(off(PIANO, 60))
  assert (message.type, message.note) == ('note_off', 60)
  assert sounding.messages(off(PIANO, 60)) == []


def test_panic_tells_every_channel_in_use():
  sounding = Sounding()
  for voice in (PIANO, Voice(33, False, 0), Voice(0, True, 0)):
    sounding.messages(on(voice, 40))
  messages = sounding.panic()
  told = {
    (m.channel, m.control) for m in messages if m.type == 'control_change'
  }
  assert told == {(c, n) for c in (0, 1, 9) for n in (64, 123)}
