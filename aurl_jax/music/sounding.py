"""What sounds at a MIDI port, and the messages that change it.

Each voice has a channel of its own as long as there are channels. What is
struck again while it sounds is let go first, and sounds until the last of its
notes ends; so no key stays down.
"""

from collections import Counter

import mido

from aurl_jax.music.midi_parts import DRUM_CHANNEL
from aurl_jax.music.window import Hit, Voice

_CHANNELS = tuple(channel for channel in range(16) if channel != DRUM_CHANNEL)
_SUSTAIN, _ALL_NOTES_OFF = 64, 123


class Sounding:
  """Turns hits into messages, and knows what they leave sounding.

  Example:
    >>> piano, sounding = Voice(0, False, 0), Sounding()
    >>> [m.type for m in sounding.messages(Hit(0, 0.0, 64, piano, 60))]
    ['program_change', 'note_on']
    >>> [m.type for m in sounding.messages(Hit(4, 0.5, 0, piano, 60))]
    ['note_off']
    >>> sounding.down
    []
  """

  def __init__(self) -> None:
    # Those used last stand last.
    self._homes: dict[Voice, int] = {}
    self._programs: dict[int, int] = {}
    self._notes: Counter[tuple[int, int]] = Counter()

  @property
  def down(self) -> list[tuple[int, int]]:
    """(channel, pitch) of all that sounds, ascending."""
    return sorted(+self._notes)

  def messages(self, hit: Hit) -> list[mido.Message]:
    """Returns what a hit comes to; nothing where what ends does not sound."""
    if not hit.velocity:
      return self._let_go(hit.voice, hit.pitch)
    found = self._seat(hit.voice)
    key = self._homes[hit.voice], hit.pitch
    if self._notes[key]:
      found.append(_off(*key))
    self._notes[key] += 1
    found.append(
      mido.Message(
        'note_on', channel=key[0], note=key[1], velocity=hit.velocity
      )
    )
    return found

  def silence(self) -> list[mido.Message]:
    """Returns what ends all that sounds, and tells each channel so."""
    found = [_off(*key) for key in self.down]
    self._notes.clear()
    return found

  def panic(self) -> list[mido.Message]:
    """Returns `silence`, and `all notes off` for each channel in use."""
    found = self.silence()
    for channel in sorted(self._programs):
      for control in (_SUSTAIN, _ALL_NOTES_OFF):
        found.append(
          mido.Message(
            'control_change', channel=channel, control=control, value=0
          )
        )
    return found

  def _let_go(self, voice: Voice, pitch: int) -> list[mido.Message]:
    """Returns the end of a note, by whomever of its program it is played."""
    others = [v for v in self._homes if v[:2] == voice[:2] and v != voice]
    for player in (voice, *others):
      key = self._homes.get(player, -1), pitch
      if self._notes[key] > 0:
        self._notes[key] -= 1
        return [] if self._notes[key] else [_off(*key)]
    return []

  def _seat(self, voice: Voice) -> list[mido.Message]:
    """Gives a voice a channel; returns what that takes."""
    channel = self._homes.pop(voice, None)
    if channel is None:
      channel = DRUM_CHANNEL if voice.is_drum else self._free(voice)
    found = []
    taken = [v for v, home in self._homes.items() if home == channel]
    if self._programs.get(channel) != voice.program:
      # Of another program, which gives its channel away.
      for other in taken:
        del self._homes[other]
      found += [_off(*key) for key in self.down if key[0] == channel]
      for key in [key for key in self._notes if key[0] == channel]:
        del self._notes[key]
      found.append(
        mido.Message('program_change', channel=channel, program=voice.program)
      )
    self._homes[voice] = channel
    self._programs[channel] = voice.program
    return found

  def _free(self, voice: Voice) -> int:
    """Returns a channel that is free, of its program, or unused longest."""
    used = [home for home in self._homes.values() if home != DRUM_CHANNEL]
    free = [channel for channel in _CHANNELS if channel not in used]
    alike = [c for c in used if self._programs[c] == voice.program]
    return (free or alike or used)[0]


def _off(channel: int, pitch: int) -> mido.Message:
  return mido.Message('note_off', channel=channel, note=pitch, velocity=64)
