"""Pairs the notes of a track block by block, as `midi_split` does at once.

The n-th end of a pitch belongs to its n-th start, once the ends without a
start are left out; so a sort by pitch and sums over it pair a whole block.
"""

from typing import NamedTuple

import numpy as np

from aurl_jax.music.midi_cursor import Block
from aurl_jax.music.midi_split import BEND

SEQ, TICK, KEY, VELOCITY, PROGRAM, END, END_SEQ = range(7)
"""Rows of a note: number of the message that starts it, its tick, channel
and pitch (channel << 7 | pitch), velocity, program in force; tick and number
of the message that ends it."""
_OPEN = np.empty((5, 0), np.int64)


class Change(NamedTuple):
  """Controls and bends, [m] int64 each.

  Attributes:
    seq: Number of the message in its track.
    tick: When.
    part: channel << 7 | program in force.
    number: Of the control, or `BEND`.
    value: As in `Notes`.
  """

  seq: np.ndarray
  tick: np.ndarray
  part: np.ndarray
  number: np.ndarray
  value: np.ndarray


class Pairs:
  """What of a track is still to be paired.

  Attributes:
    open: [5, n] int64, rows `SEQ` to `PROGRAM` of notes without an end so
      far, in the order of their starts.
    seq: Messages so far.
    programs: [16] int64, those in force.
  """

  def __init__(self) -> None:
    self.open, self.seq = _OPEN, 0
    self.programs = np.zeros(16, np.int64)

  def take(self, block: Block) -> tuple[np.ndarray, Change]:
    """Returns the notes that end in a block, [7, n] int64, and its changes."""
    ticks, words = block.ticks, block.words
    first, second = words >> 8 & 0x7F, words & 0x7F
    kind, channel = words >> 20, words >> 16 & 0xF
    seq = np.arange(self.seq, self.seq + len(words))
    self.seq += len(words)
    program = self._in_force(channel, np.where(kind == 0xC, first, -1))
    is_on = (kind == 9) & (second > 0)
    rows = np.stack([seq, ticks, channel << 7 | first, second, program])
    sounds = kind >> 1 == 4
    notes = self._pair(rows[:, sounds], is_on[sounds])
    found = np.flatnonzero((kind == 0xB) | (kind == 0xE))
    is_bend = kind[found] == 0xE
    value = second[found]
    changes = Change(
      seq[found],
      ticks[found],
      (channel << 7 | program)[found],
      np.where(is_bend, BEND, first[found]),
      np.where(is_bend, (first[found] | value << 7) - 8192, value),
    )
    return notes, changes

  def _in_force(self, channel: np.ndarray, named: np.ndarray) -> np.ndarray:
    """Returns the program in force at each message.

    Args:
      channel: [n] of each message.
      named: [n] the program that it names, -1 for none.
    """
    if (named < 0).all():
      return self.programs[channel]
    channel = np.concatenate([np.arange(16), channel])
    named = np.concatenate([self.programs, named])
    order = channel.astype(np.uint8).argsort(kind='stable')
    # What holds before the block stands first in each channel.
    places = np.where(named[order] >= 0, np.arange(len(order)), 0)
    filled = named[order][np.maximum.accumulate(places)]
    self.programs = filled[np.cumsum(np.bincount(channel, minlength=16)) - 1]
    program = np.empty_like(filled)
    program[order] = filled
    return program[16:]

  def _pair(self, rows: np.ndarray, is_on: np.ndarray) -> np.ndarray:
    """Pairs starts and ends; what is not ended stays open."""
    on = np.append(np.ones(self.open.shape[1], np.bool_), is_on)
    rows = np.concatenate([self.open, rows], axis=1)
    order = rows[KEY].astype(np.uint16).argsort(kind='stable')
    key, on = rows[KEY][order], on[order]
    group = np.cumsum(np.append(False, key[1:] != key[:-1]))[: len(key)]
    ends = ~on & ~_void(on, group)
    starts = order[on]
    count = np.bincount(group[ends], minlength=len(key) + 1)
    own = group[on]
    rank = np.arange(len(own)) - np.searchsorted(own, own)
    ended = rank < count[own]
    self.open = rows[:, np.sort(starts[~ended])]
    end = rows[:, order[ends]]
    return np.concatenate([rows[:, starts[ended]], end[[TICK, SEQ]]])


def _void(on: np.ndarray, group: np.ndarray) -> np.ndarray:
  """Whether an event would end a note where none sounds.

  Args:
    on: [n] bool, start or end.
    group: [n] ascending from 0, those of one pitch.
  """
  if not len(on):
    return on
  step = np.where(on, 1, -1)
  total = np.cumsum(step)
  first = np.searchsorted(group, group)
  level = total - (total - step)[first]
  # Each group lies below all that any group before it can reach.
  floor = -group * (2 * len(on) + 1)
  lowest = np.minimum.accumulate(level + floor)
  before = np.minimum(np.append(0, lowest[:-1]), floor)
  return ~on & (level + floor < before)
