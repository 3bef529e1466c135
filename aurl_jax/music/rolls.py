"""Piano rolls: notes as arrays of frames, beside the events.

Onset, frame and velocity rolls follow Hawthorne et al., "Onsets and Frames"
(ISMIR 2018), chroma Fujishima's pitch class profiles (ICMC 1999). Axes: `f`
frames, 128 MIDI pitches, 12 pitch classes from C, `n` notes. A frame holds a
fixed part of a beat or of a second; a note sounds from the frame that it
starts in up to the one that it ends in, that one left out, and in one frame
at least. Drums are kept apart: their pitches are no pitches.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import numpy as np

from aurl_jax.core import errors
from aurl_jax.music import time
from aurl_jax.music.notes import Notes, Track

MAX_FRAMES = 1 << 18
"""Frames of a roll unless told otherwise: 32 MiB a roll."""
PITCHES = 128


class Frames(NamedTuple):
  """Notes on a grid of frames, [n] int64 each, as `paint` takes them.

  Attributes:
    start: The first frame in which a note sounds.
    stop: The frame behind the last one.
    pitch: 0..127.
    velocity: 1..127, or 0 for a row that is no note (padding).
  """

  start: np.ndarray
  stop: np.ndarray
  pitch: np.ndarray
  velocity: np.ndarray


class Painted(NamedTuple):
  """Rolls, uint8.

  Attributes:
    onset: [f, 128], 1 where a note starts.
    frame: [f, 128], 1 where a note sounds.
    velocity: [f, 128], of the loudest note that starts there, else 0.
    chroma: [f, 12], how many pitches of a class sound.
  """

  onset: Any
  frame: Any
  velocity: Any
  chroma: Any


@dataclasses.dataclass(frozen=True)
class Rolls:
  """A piece on a grid of frames; each roll is made when it is first asked for.

  Attributes:
    notes: The piece.
    per_beat: Frames a quarter note; 0 where seconds are counted.
    per_second: Frames a second; 0 where beats are counted.
    limit: Frames that are allowed.

  Raises:
    ValueError: Not just one of the two rates is given, or it is below 0.
    MidiError: There are more frames (code `too_long`); checked first.

  Example:
    >>> scale = Notes.build(
    ...   4, {'onset': [0, 4], 'duration': [4, 2], 'pitch': [60, 62]})
    >>> rolls = Rolls(scale, per_beat=2)
    >>> rolls.pitched.frame.shape, rolls.pitched.chroma[:, [0, 2]].tolist()
    ((3, 128), [[1, 0], [1, 0], [0, 1]])
  """

  notes: Notes
  per_beat: int = 0
  per_second: float | int = 0
  limit: int = MAX_FRAMES

  def __post_init__(self) -> None:
    if (self.per_beat > 0) == (self.per_second > 0):
      raise ValueError('give frames a beat or frames a second, one of the two')
    if self.frames > self.limit:
      raise errors.MidiError(
        f'{self.frames:,} frames, at most {self.limit:,}; take fewer a beat '
        'or second, a part of the piece (transform.slice_ticks), or a larger '
        'limit',
        code='too_long',
      )

  @functools.cached_property
  def frames(self) -> int:
    """How many there are: up to the end of the last note, at least one."""
    last = np.append(self.notes.onset, max(self.notes.end - 1, 0))
    return int(self._place(last).max()) + 1

  @functools.cached_property
  def grid(self) -> Frames:
    """All notes on the grid, drums among them."""
    notes = self.notes
    start = self._place(notes.onset)
    stop = np.maximum(self._place(notes.onset + notes.duration), start + 1)
    return Frames(start, stop, notes.pitch, notes.velocity)

  @functools.cached_property
  def pitched(self) -> Painted:
    """All that is no drum."""
    return self._paint(~self.notes.is_drum)

  @functools.cached_property
  def drums(self) -> Painted:
    """The drums; their chroma means nothing."""
    return self._paint(self.notes.is_drum)

  def track(self, index: int) -> tuple[Track, Painted]:
    """Returns a track of the piece and its rolls, which are not kept."""
    return self.notes.tracks[index], self._paint(self.notes.track == index)

  @functools.cached_property
  def beats(self) -> np.ndarray:
    """[f, 2] uint8: whether a beat starts in a frame, and whether a bar."""
    flags = np.zeros((self.frames, 2), np.uint8)
    end = max(1, self.notes.end)
    for column, ticks in enumerate(
      (time.beats(self.notes, end), time.bar_starts(self.notes, end))
    ):
      places = self._place(ticks)
      flags[places[places < self.frames], column] = 1
    return flags

  def _place(self, ticks: np.ndarray) -> np.ndarray:
    """Returns the frames that ticks lie in."""
    if self.per_beat:
      return ticks * self.per_beat // self.notes.ticks_per_beat
    seconds = time.ticks_to_seconds(self.notes, ticks)
    # A start that is a whole frame but for rounding is that frame.
    return np.floor(seconds * self.per_second + 1e-6).astype(np.int64)

  def _paint(self, rows: np.ndarray) -> Painted:
    return paint(Frames(*(column[rows] for column in self.grid)), self.frames)


def paint(notes: Frames, frames: int) -> Painted:
  """Returns the rolls of notes, in time linear in notes and frames.

  Args:
    notes: On the grid; what lies past the last frame is cut.
    frames: How many there are.
  """
  start, stop, pitch, velocity = notes
  kept = (velocity > 0) & (start < frames)
  start, pitch, velocity = start[kept], pitch[kept], velocity[kept]
  stop = np.minimum(stop[kept], frames)
  loudest = np.zeros((frames, PITCHES), np.uint8)
  np.maximum.at(loudest, (start, pitch), velocity.astype(np.uint8))
  steps = np.zeros((frames + 1, PITCHES), np.int32)
  np.add.at(steps, (start, pitch), 1)
  np.add.at(steps, (stop, pitch), -1)
  frame = (np.cumsum(steps[:-1], axis=0) > 0).astype(np.uint8)
  onset = (loudest > 0).astype(np.uint8)
  return Painted(onset, frame, loudest, _fold(np, frame))


def paint_jax(notes: Frames, frames: int) -> Painted:
  """The twin of `paint` for the device: jitted, of the same values.

  Args:
    notes: [n] int32 arrays of JAX or numpy; rows of velocity 0 are padding.
    frames: How many there are; each number is compiled for itself.

  Returns:
    `Painted` of JAX arrays.
  """
  return _jitted()(notes, frames)


@functools.cache
def _jitted() -> Any:
  import jax
  import jax.numpy as jnp

  def run(notes: Frames, frames: int) -> Painted:
    start, stop, pitch, velocity = (jnp.asarray(part) for part in notes)
    sounds = (velocity > 0).astype(jnp.int32)
    blank = jnp.zeros((frames, PITCHES), jnp.uint8)
    loudest = blank.at[start, pitch].max(
      velocity.astype(jnp.uint8), mode='drop'
    )
    steps = jnp.zeros((frames, PITCHES), jnp.int32)
    steps = steps.at[start, pitch].add(sounds, mode='drop')
    steps = steps.at[stop, pitch].add(-sounds, mode='drop')
    frame = (jnp.cumsum(steps, axis=0) > 0).astype(jnp.uint8)
    onset = (loudest > 0).astype(jnp.uint8)
    return Painted(onset, frame, loudest, _fold(jnp, frame))

  return jax.jit(run, static_argnums=1)


def _fold(numpy: Any, frame: Any) -> Any:
  """Returns how many pitches of each class sound, [f, 12] uint8."""
  octaves = numpy.pad(frame, ((0, 0), (0, -PITCHES % 12)))
  whole = octaves.reshape(frame.shape[0], -1, 12)
  return whole.sum(axis=1, dtype=numpy.uint8)
