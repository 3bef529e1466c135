"""Performance events in steps of 10 ms, with the classes of Magenta.

After Oore et al., "This Time with Feeling: Learning Expressive Musical
Performance", Neural Computing and Applications 2020: note on, note off, time
shift and velocity, one event a step. Axes: `t` steps, the one field has
index 0; `n` notes; `e` note ons and offs.
"""

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from aurl_jax.core import errors
from aurl_jax.music import notes as notes_lib
from aurl_jax.music import time
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes, Track
from aurl_jax.tokens import options
from aurl_jax.tokens.codec import Codec, Field, Range
from aurl_jax.tokens.performance_grammar import PerformanceGrammar

PER_SECOND = 100
"""Time steps a second."""
TICKS_PER_BEAT = PER_SECOND * notes_lib.DEFAULT_TEMPO // 1_000_000
"""Of decoded music, which has 120 bpm, so that a tick is a time step."""
MOST_SECONDS = 1 << 17
"""Longer pieces are broken files: these are 36 hours."""
FIRST_CLASS = 3
"""The id of note_seq's class 0; PAD, BOS and EOS come before it."""
_PITCHES = 128
_SEGMENT = 5 * PER_SECOND
"""Without a silence, a piece may be cut after so many time steps."""


_CHOICES = {
  'velocity_bins': (1, 128),
  'shift_steps': (1, 6000),
  'program': (0, 127),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Performance:
  """The tokenizer; its fields are its options.

  Class `i` of note_seq's `PerformanceOneHotEncoding` (with as many velocity
  bins and shift steps) is id `i + 3`. All tracks become one: a key that is
  struck while it sounds ends there and sounds anew, and of equal notes that
  begin together the longest stays, then the loudest. Tempo, meter and all
  else are not told; bars are not, see `bar_steps`.

  Attributes:
    velocity_bins: Bins of velocity; a power of two up to 128.
    shift_steps: Time steps of the longest shift, 10 ms each.
    drums: Whether the drums are told, and nothing else, or all but them.
    program: The General MIDI program that decoded music has; not of drums.

  Raises:
    ConfigError: An option out of range; names it.
  """

  velocity_bins: int = 32
  shift_steps: int = 100
  drums: bool = False
  program: int = 0

  steps_a_bar: ClassVar[int | None] = None
  """The notes of a bar decide."""

  def __post_init__(self) -> None:
    options.check(self, _CHOICES)

  @functools.cached_property
  def grid(self) -> Grid:
    """The clock of decoded music: a beat is half a second, one voice.

    What a tokenization without beats rounds to is said by `quantise`.
    """
    return Grid(
      cells_per_beat=TICKS_PER_BEAT,
      velocity_bins=self.velocity_bins,
      bar_beats=1,
      voices=1,
      program=self.program,
    )

  @functools.cached_property
  def codec(self) -> Codec:
    """The vocabulary: one field.

    `pitch` is a note on and `release` a note off, `drum` and `drum_release`
    those of drums; `shift` counts time steps, `velocity` bins from 1.
    """
    on, off = ('drum', 'drum_release') if self.drums else ('pitch', 'release')
    ranges = (
      Range('bos', 0, 0),
      Range('eos', 0, 0),
      Range(on, 0, _PITCHES - 1),
      Range(off, 0, _PITCHES - 1),
      Range('shift', 1, self.shift_steps),
      Range('velocity', 1, self.velocity_bins),
    )
    return Codec((Field('event', ranges),))

  @functools.cached_property
  def grammar(self) -> PerformanceGrammar:
    """The legal sequences."""
    return PerformanceGrammar(self.shift_steps, self.velocity_bins)

  @property
  def _width(self) -> int:
    """Velocities of a bin: note_seq's ceil(127 / bins)."""
    return -(-127 // self.velocity_bins)

  def quantise(self, notes: Notes) -> Notes:
    """Returns what `decode(encode(notes))` gives back.

    Starts and ends go to the nearest 10 ms, halves up, as note_seq rounds
    them; a note lasts 10 ms at least. Velocities become the middle of their
    bin; bins begin at 1.

    Raises:
      TokenError: Longer than 2^17 seconds (code `too_long`).
    """
    told = notes.is_drum == self.drums
    onset, length = notes.onset[told], notes.duration[told]
    if not len(onset):
      return self._music(*np.zeros((4, 0), np.int64))
    seconds = _seconds(notes, np.stack([onset, onset + length]))
    start, end = np.floor(seconds * PER_SECOND + 0.5).astype(np.int64)
    bins = (notes.velocity[told] - 1) // self._width + 1
    return self._music(start, end, notes.pitch[told], bins)

  def _music(
    self, start: np.ndarray, end: np.ndarray, pitch: np.ndarray, bins: Any
  ) -> Notes:
    """Returns canonical music of notes `[n]` in time steps, in any order."""
    end = np.maximum(end, start + 1)
    pitch, start, end, bins = notes_lib.sort_columns(
      *(np.asarray(column, np.int64) for column in (pitch, start, end, bins))
    )
    same = pitch[1:] == pitch[:-1]
    last = np.append(~(same & (start[1:] == start[:-1])), True)[: len(pitch)]
    pitch, start, end, bins = (x[last] for x in (pitch, start, end, bins))
    again = np.flatnonzero(pitch[1:] == pitch[:-1])
    end[again] = np.minimum(end[again], start[again + 1])
    lowest = (bins - 1) * self._width + 1
    return Notes.build(
      TICKS_PER_BEAT,
      {
        'onset': start,
        'duration': end - start,
        'pitch': pitch,
        'velocity': np.minimum(lowest + self._width // 2, 127),
      },
      tracks=[Track('', 0 if self.drums else self.program, self.drums)]
      if len(pitch)
      else [],
    )

  def encode(self, notes: Notes) -> np.ndarray:
    """Returns int32 `[t, 1]` from BOS to EOS.

    Events at a time: note offs in the order in which their notes began, then
    note ons by pitch, each behind its velocity if that is another than
    before. note_seq tells the same events in the same order.

    Raises:
      TokenError: Longer than 2^17 seconds (code `too_long`).
    """
    music = self.quantise(notes)
    count = len(music)
    when = np.concatenate([music.onset, music.onset + music.duration])
    is_on = np.arange(2 * count) < count
    note = np.tile(_ranks(count), 2)
    order = np.argsort((2 * when + is_on) * count + note)
    when, is_on, note = when[order], is_on[order], note[order]
    gap = np.diff(when, prepend=0)
    shifts = -(-gap // self.shift_steps)
    velocity = (music.velocity[note] - 1) // self._width + 1
    told = np.flatnonzero(is_on)
    told = told[np.diff(velocity[told], prepend=0) != 0]
    length = shifts + 1
    length[told] += 1
    at = length.cumsum()
    stream = np.full(2 + int(length.sum()), self._id('shift', self.shift_steps))
    stream[0], stream[-1] = self.codec.id('bos'), self.codec.id('eos')
    pitch = music.pitch[note]
    stream[at] = FIRST_CLASS + pitch + np.where(is_on, 0, _PITCHES)
    stream[at[told] - 1] = velocity[told] + self._id('velocity', 1) - 1
    moved = np.flatnonzero(shifts)
    rest = (gap - (shifts - 1) * self.shift_steps)[moved]
    first = (at - length)[moved] + shifts[moved]
    stream[first] = rest + self._id('shift', 1) - 1
    return stream.astype(np.int32)[:, None]

  def _id(self, event: str, value: int) -> int:
    return self.codec.id(event, value)

  def decode(self, ids: np.ndarray) -> Notes:
    """Returns the music of ids `[t, 1]`, legal or cut anywhere.

    A note ends at the next note on or off of its pitch, or where the ids
    end; a note off of nothing is left out, and so is what follows the first
    EOS. Before the first velocity the middle bin holds.

    Raises:
      TokenError: Not ids of this vocabulary (codes `shape`, `range`).
    """
    stream = self.codec.check(ids)[:, 0]
    ends = np.flatnonzero(self.is_end(stream[:, None]))
    stream = stream[: ends[0] if len(ends) else None]
    when = self._times(stream)
    end = int(when[-1]) if len(when) else 0
    value = self.codec.fields[0].values.take(stream)
    struck, released = self._struck(stream), self._released(stream)
    told = np.where(self.codec.holds('velocity', stream), value, 0)
    latest = np.maximum.accumulate(np.where(told > 0, _ranks(len(told)), -1))
    middle = (self.velocity_bins + 1) // 2
    bins = np.where(latest >= 0, told.take(latest, mode='clip'), middle)
    at = np.flatnonzero(struck | released)
    # By pitch, then as they stand: the next event of a pitch ends its note.
    at = at[np.argsort(value[at], kind='stable')]
    after = np.append(when[at[1:]], end)[: len(at)]
    alone = np.append(value[at[1:]] != value[at[:-1]], True)[: len(at)]
    after[alone] = end
    on = struck[at]
    at = at[on]
    return self._music(when[at], after[on], value[at], bins[at])

  def _struck(self, stream: np.ndarray) -> np.ndarray:
    """Returns bool: which ids are note ons."""
    return self.codec.holds('drum' if self.drums else 'pitch', stream)

  def _released(self, stream: np.ndarray) -> np.ndarray:
    """Returns bool: which ids are note offs."""
    return self.codec.holds('drum_release' if self.drums else 'release', stream)

  def _times(self, stream: np.ndarray) -> np.ndarray:
    """Returns the time step after each id, int64."""
    value = self.codec.fields[0].values.take(stream).astype(np.int64)
    return np.where(self.codec.holds('shift', stream), value, 0).cumsum()

  def bar_steps(self, ids: np.ndarray) -> np.ndarray:
    """Returns the steps at which a piece may be cut, ascending.

    There are no bars: these are the first steps after time shifts at which
    no note sounds and, where one always does, those that come 5 seconds
    after the last of them. A cut of the second kind leaves note offs behind
    whose notes began before it.
    """
    stream = ids[:, 0]
    when = self._times(stream)
    event = self._struck(stream) | self._released(stream)
    event |= self.codec.holds('velocity', stream)
    moved = np.append(True, ~event[:-1])[: len(event)]
    points = np.flatnonzero(event & moved)
    sounding = (
      self._struck(stream).astype(int) - self._released(stream)
    ).cumsum()
    silent = np.append(0, sounding)[points] == 0
    return _with_segments(points, when[points], silent)

  def bos(self) -> np.ndarray:
    """Returns the first step, int32 `[1]`."""
    return np.array([self.codec.id('bos')], np.int32)

  def is_end(self, ids: Any) -> Any:
    """Returns bool `[...]`: which steps of `[..., 1]` are EOS."""
    return ids[..., 0] == self.codec.id('eos')


def _seconds(notes: Notes, ticks: np.ndarray) -> np.ndarray:
  """Returns the times of ticks; raises TokenError for too long a piece."""
  last, slowest = int(ticks.max()), notes_lib.DEFAULT_TEMPO
  slowest = int(notes.tempos['microseconds'].max(initial=slowest))
  # Whole microseconds times ticks a beat, in which times are counted.
  fits = last * slowest < 1 << 62
  seconds = time.ticks_to_seconds(notes, ticks) if fits else np.inf
  if np.max(seconds) > MOST_SECONDS:
    raise errors.TokenError(
      f'the piece lasts over {MOST_SECONDS} s (its last note ends at beat '
      f'{last // notes.ticks_per_beat}); cut it first with '
      'music.transform.slice_ticks',
      code='too_long',
    )
  return np.asarray(seconds)


def _ranks(count: int) -> np.ndarray:
  return np.arange(count)


def to_classes(ids: np.ndarray) -> np.ndarray:
  """Returns note_seq's classes of ids `[t, 1]`; PAD, BOS and EOS are left out.

  Example:
    >>> to_classes(np.array([[1], [375], [63], [2], [0]])).tolist()
    [372, 60]
  """
  stream = np.asarray(ids)[:, 0]
  return stream[stream >= FIRST_CLASS] - FIRST_CLASS


def from_classes(classes: Sequence[int] | np.ndarray) -> np.ndarray:
  """Returns ids `[t, 1]` from BOS to EOS of note_seq's classes.

  Example:
    >>> from_classes([372, 60]).ravel().tolist()
    [1, 375, 63, 2]
  """
  inner = np.asarray(classes, np.int32) + FIRST_CLASS
  ends = [FIRST_CLASS - 2], inner, [FIRST_CLASS - 1]
  return np.concatenate(ends).astype(np.int32)[:, None]


def _with_segments(
  points: np.ndarray, when: np.ndarray, silent: np.ndarray
) -> np.ndarray:
  """Returns the silent points, and more where these are far apart.

  Args:
    points: [p] steps, ascending.
    when: [p] their time steps.
    silent: [p] whether nothing sounds there.
  """
  kept = silent.copy()
  stops = np.append(np.flatnonzero(silent), len(points))
  for start, stop in itertools.pairwise(stops.tolist()):
    at = start
    while True:
      at = int(np.searchsorted(when, when[at] + _SEGMENT))
      if at >= stop:
        break
      kept[at] = True
  return points[kept]
