"""Playing to a port of our own, by a clock that skips what is waited for."""

import mido
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.deploy.ahead import Rehearsal
from aurl_jax.deploy.player import Player
from aurl_jax.music import time, transform
from aurl_jax.music.notes import Notes, Track
from aurl_jax.music.window import window
from tests.tokens import pieces

BAR = 16
"""Ticks of a bar of 4/4 at four ticks a beat: two seconds."""


class Recorder:
  """A port that keeps (second, message)."""

  def __init__(self, clock, fails_at=None, error=None):
    self.clock, self.heard = clock, []
    self.fails_at, self.error = fails_at, error

  def send(self, message):
    if len(self.heard) == self.fails_at:
      self.fails_at = None
      raise self.error
    self.heard.append((self.clock.now(), message))

  def close(self):
    pass


class Slow:
  """Bars of a piece, and how long each takes by a stopwatch of its own."""

  def __init__(self, notes, costs, parts=1, error=None):
    self.notes, self.costs, self.parts, self.error = notes, costs, parts, error
    self.time = 0.0

  def windows(self):
    for number, cost in enumerate(self.costs):
      for part in range(self.parts):
        self.time += cost / self.parts
        low, high = part / self.parts, (part + 1) / self.parts
        yield window(
          self.notes,
          int((number + low) * BAR),
          int((number + high) * BAR),
          number,
          first=part == 0,
          last=part == self.parts - 1,
        )
    if self.error:
      raise self.error


def played(notes, costs, *, late='repeat', parts=1, ahead=2, **more):
  """Returns recorder, player and report of a piece."""
  slow = Slow(notes, costs, parts, more.pop('breaks', None))
  source = Rehearsal(slow.windows(), ahead, lambda: slow.time)
  port = Recorder(source.clock, **more)
  player = Player(source, port, late=late, patience=20.0)
  return port, player


def rebuilt(heard):
  """Notes of what a port heard: (program, pitch, velocity, start, length)."""
  programs, down, found = {}, {}, []
  for second, message in heard:
    if message.type == 'program_change':
      programs[message.channel] = message.program
    elif message.type == 'note_on':
      assert (message.channel, message.note) not in down
      down[message.channel, message.note] = second, message.velocity
    elif message.type == 'note_off':
      start, loud = down.pop((message.channel, message.note))
      program = programs[message.channel]
      lasts = round(second - start, 5)
      found.append((program, message.note, loud, round(start, 5), lasts))
  assert down == {}
  return sorted(found)


def written(notes, later=0.0):
  """The same of a piece, its start so many seconds later."""
  found = []
  for row in range(len(notes)):
    ends = int(notes.onset[row]), int(notes.onset[row] + notes.duration[row])
    start, end = (float(time.ticks_to_seconds(notes, tick)) for tick in ends)
    who = int(notes.program[row]), int(notes.pitch[row])
    when = round(start + later, 5), round(end - start, 5)
    found.append((*who, int(notes.velocity[row]), *when))
  return sorted(found)


def melody(bars, **tables):
  """Quarter notes, of which the last of each bar sounds into the next."""
  count = 4 * bars
  lengths = np.where(np.arange(count) % 4 == 3, 6, 4)
  lengths[-1] = 4
  columns = {
    'onset': 4 * np.arange(count),
    'duration': lengths,
    'pitch': 40 + np.arange(count),
    'velocity': 60 + np.arange(count) % 9,
    'track': np.arange(count) % 2,
  }
  tracks = [Track(program=0), Track(program=33)]
  return Notes.build(4, columns, tracks=tracks, **tables)


def left(heard):
  """Keys that a port is left with, whatever else it was told."""
  down = set()
  for _, message in heard:
    if message.type == 'note_on':
      down.add((message.channel, message.note))
    elif message.type == 'note_off':
      down.discard((message.channel, message.note))
  return down


def hear_all_notes_off(heard):
  """Looks for the end: all notes off on every channel that was used."""
  used = {m.channel for _, m in heard if m.type == 'note_on'}
  off = {
    m.channel
    for _, m in heard
    if m.type == 'control_change' and m.control == 123
  }
  assert used <= off


@pytest.mark.parametrize('parts', [1, 4])
def test_what_is_heard_are_the_notes_in_their_time(parts):
  notes = melody(5, tempos=[(0, 500_000), (20, 400_000), (48, 700_000)])
  port, player = played(notes, [0.4, 0.1, 0.1, 0.1, 0.1], parts=parts)
  report = player.play()
  start = 0.4 / parts
  assert rebuilt(port.heard) == written(notes, start)
  assert report.first_note == pytest.approx(start)
  assert (report.ended, report.bars, report.notes) == ('done', 5, 20)
  assert (report.misses, report.repeated, report.held) == (0, 0, 0.0)
  assert report.late == pytest.approx(0.0)
  assert report.music == pytest.approx(float(time.duration_seconds(notes)))
  assert report.computing == pytest.approx(0.8)
  hear_all_notes_off(port.heard)
  assert written(player.take.notes()) == written(notes)


def test_headroom_is_how_long_before_its_time_a_bar_was_ready():
  # Ready at 1, 2, 3 and, since two bars wait from 3 on, 2 + 3 and 5 + 1.
  port, player = played(melody(5), [1.0, 1.0, 1.0, 2.0, 1.0])
  report = player.play()
  # Bar n is due at 1 + 2 n.
  due = [3.0, 5.0, 7.0, 9.0]
  ready = [2.0, 3.0, 5.0, 6.0]
  assert report.headroom == pytest.approx(np.subtract(due, ready))
  facts = report.facts()
  assert facts['least_headroom'] == pytest.approx(1.0)
  assert facts['median_headroom'] == pytest.approx(2.0)
  assert facts['speed'] == pytest.approx(10 / 6, abs=1e-3)
  assert rebuilt(port.heard) == written(melody(5), 1.0)


def test_a_bar_that_is_late_is_bridged_by_the_last_one():
  notes = melody(4)
  # The third bar is due at 5 and ready at 7.5: the second is heard twice more.
  port, player = played(notes, [1.0, 1.0, 5.5, 0.5])
  report = player.play()
  assert (report.ended, report.bars) == ('done', 4)
  assert (report.misses, report.repeated, report.held) == (1, 2, 0.0)
  assert report.headroom == pytest.approx([1.0, -2.5, 1.0 + 2.0])
  onsets = [round(t, 5) for t, m in port.heard if m.type == 'note_on']
  # The beat goes on: a quarter every half second.
  assert onsets == [1 + 0.5 * n for n in range(24)]
  pitches = [m.note for _, m in port.heard if m.type == 'note_on']
  second = list(range(44, 48))
  assert pitches == [*range(40, 48), *second, *second, *range(48, 56)]
  found = rebuilt(port.heard)
  # What sounds over the bar line is cut where the bar begins anew, twice.
  tied = [note for note in found if note[1] == 47]
  assert [note[4] for note in sorted(tied, key=lambda n: n[3])] == [
    0.5,
    0.5,
    0.75,
  ]
  hear_all_notes_off(port.heard)
  assert len(player.take.notes()) == 24
  assert player.take.notes().end == 6 * BAR


def test_a_bar_that_is_late_is_waited_for():
  notes = melody(4)
  port, player = played(notes, [1.0, 1.0, 5.5, 0.5], late='hold')
  report = player.play()
  assert (report.misses, report.repeated) == (1, 0)
  assert report.held == pytest.approx(2.5)
  found, plain = rebuilt(port.heard), written(notes, 1.0)
  for heard, told in zip(found, plain, strict=True):
    pause = 2.5 if told[3] >= 5.0 else 0.0
    # What sounds at the bar line sounds on.
    longer = 2.5 if told[3] < 5.0 < told[3] + told[4] else 0.0
    assert heard[:3] == told[:3]
    assert heard[3] == pytest.approx(told[3] + pause)
    assert heard[4] == pytest.approx(told[4] + longer)


def test_a_part_of_the_first_bar_that_is_late_is_waited_for():
  # Parts of half a second each, ready after 1, 2, 3 and 4.
  port, player = played(melody(1), [4.0], parts=4)
  report = player.play()
  assert (report.misses, report.repeated) == (3, 0)
  assert report.held == pytest.approx(1.5)
  onsets = [t for t, m in port.heard if m.type == 'note_on']
  assert onsets == pytest.approx([1.0, 2.0, 3.0, 4.0])


@pytest.mark.parametrize('late', ['repeat', 'hold'])
@pytest.mark.parametrize('costs', [[100.0], [1.0, 100.0]])
def test_nobody_waits_for_ever(late, costs):
  port, player = played(melody(2), costs, late=late)
  report = player.play()
  assert report.ended == 'starved'
  assert report.bars == len(costs) - 1
  assert player._clock.now() <= 1.0 + 2.0 + 20.0 + 2.0
  rebuilt(port.heard)
  hear_all_notes_off(port.heard)


@pytest.mark.parametrize('at', [0, 1, 5, 12])
def test_ctrl_c_ends_with_all_notes_off(at):
  more = {'fails_at': at, 'error': KeyboardInterrupt()}
  port, player = played(melody(4), [0.1] * 4, **more)
  report = player.play()
  assert report.ended == 'interrupted'
  assert left(port.heard) == set()
  hear_all_notes_off(port.heard)
  struck = sum(m.type == 'note_on' for _, m in port.heard)
  assert report.notes == struck < 16
  # What could not be sent may be in it.
  assert struck <= len(player.take.notes()) <= struck + 1


def test_errors_end_with_all_notes_off():
  port, player = played(melody(4), [0.1] * 2, breaks=ValueError('broken'))
  with pytest.raises(ValueError, match='broken'):
    player.play()
  assert any(m.type == 'note_on' for _, m in port.heard)
  rebuilt(port.heard)
  hear_all_notes_off(port.heard)
  more = {'fails_at': 6, 'error': OSError('unplugged')}
  port, player = played(melody(4), [0.1] * 4, **more)
  with pytest.raises(OSError, match='unplugged'):
    player.play()
  assert left(port.heard) == set()


def test_what_was_played_can_be_of_many_voices():
  notes = transform.resample(pieces.chorale(3, bars=4), 4)
  port, player = played(notes, [0.1] * 5)
  player.play()
  assert rebuilt(port.heard) == written(notes, 0.1)
  channels = {m.channel for _, m in port.heard if m.type == 'note_on'}
  assert len(channels) == 4


def test_settings_out_of_range_are_refused():
  for more in ({'late': 'never'}, {'patience': 0.0}):
    slow = Slow(melody(1), [1.0])
    source = Rehearsal(slow.windows())
    with pytest.raises(ConfigError, match=next(iter(more))):
      Player(source, Recorder(source.clock), **more)


def test_messages_are_of_mido():
  port, player = played(melody(1), [0.1])
  player.play()
  assert all(isinstance(message, mido.Message) for _, message in port.heard)
