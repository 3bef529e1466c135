"""Music made worse by degrees: what a good distance has to notice.

A distance that calls itself one of music must grow as music is spoilt more
(Kilgour et al., "Fréchet audio distance", Interspeech 2019, section 4, do so
with audio). Each way spoils a share of a piece, 0..1, by a seed: of one seed,
what a smaller share spoils a larger one spoils, too. Axes: `n` notes.
"""

from collections.abc import Callable, Mapping

import numpy as np

from aurl_jax.music import time
from aurl_jax.music.notes import Notes
from aurl_jax.music.rebuild import rebuilt

LADDER = (0.0, 0.1, 0.25, 0.5, 1.0)
"""Shares of the usual ladder."""
_FURTHEST = 6
"""Semitones that a track is moved by at most, and at least 1."""


def transposed_tracks(notes: Notes, share: float, seed: int) -> Notes:
  """Moves bars of each track to other keys, each by itself.

  A share of the bars of each track but drums goes up or down by 1 to 6
  semitones, the same for a whole bar of a track.
  """
  rng, bar = np.random.default_rng(seed), _bars(notes)
  count = int(bar.max(initial=-1)) + 1
  shape = (len(notes.tracks), count)
  chance = rng.random(shape)
  moves = rng.integers(1, _FURTHEST + 1, shape) * rng.choice([-1, 1], shape)
  at = notes.track, bar
  move = np.where(chance[at] < share, moves[at], 0) * ~notes.is_drum
  pitch = notes.pitch + move
  # Back by an octave where there is no such pitch.
  pitch = np.where(pitch < 0, pitch + 12, pitch)
  pitch = np.where(pitch > 127, pitch - 12, pitch)
  return rebuilt(notes, {'pitch': pitch})


def shuffled_bars(notes: Notes, share: float, seed: int) -> Notes:
  """Puts a share of the bars into each other's places.

  A bar goes with all that begins in it; where meters change, what a bar holds
  keeps its distance from the bar line.
  """
  rng, bar = np.random.default_rng(seed), _bars(notes)
  count = int(bar.max(initial=-1)) + 1
  if count < 2:
    return notes
  chosen = np.flatnonzero(rng.random(count) < share)
  places = np.arange(count)
  places[chosen] = rng.permutation(chosen)
  starts = time.bar_starts(notes)
  onset = notes.onset + starts[places[bar]] - starts[bar]
  return rebuilt(notes, {'onset': onset})


def random_pitches(notes: Notes, share: float, seed: int) -> Notes:
  """Gives a share of the notes any pitch between the lowest and the highest.

  Of their own track; drums are struck as others of the piece are.
  """
  rng = np.random.default_rng(seed)
  chance = rng.random(len(notes))
  pitch = np.where(chance < share, _anywhere(notes, rng), notes.pitch)
  return rebuilt(notes, {'pitch': pitch})


def noise(notes: Notes, share: float, seed: int) -> Notes:
  """Puts a share of the notes anywhere, as long and as loud as may be.

  Onsets, durations and velocities of these are drawn evenly: within the piece,
  up to two beats, 1..127, and pitches from the lowest to the highest of their
  track.
  """
  rng, count = np.random.default_rng(seed), len(notes)
  chance = rng.random(count) < share
  onset = rng.integers(0, max(1, notes.end), count)
  duration = rng.integers(1, 2 * notes.ticks_per_beat + 1, count)
  velocity = rng.integers(1, 128, count)
  wild = {
    'onset': onset,
    'duration': duration,
    'velocity': velocity,
    'pitch': _anywhere(notes, rng),
  }
  return rebuilt(
    notes,
    {
      name: np.where(chance, column, getattr(notes, name))
      for name, column in wild.items()
    },
  )


WAYS: Mapping[str, Callable[[Notes, float, int], Notes]] = {
  'transposed_tracks': transposed_tracks,
  'shuffled_bars': shuffled_bars,
  'random_pitches': random_pitches,
  'noise': noise,
}
"""Name -> what spoils a piece by a share and a seed."""


def _bars(notes: Notes) -> np.ndarray:
  """Returns the bar of each note, [n]."""
  starts = time.bar_starts(notes)
  return np.searchsorted(starts, notes.onset, side='right') - 1


def _anywhere(notes: Notes, rng: np.random.Generator) -> np.ndarray:
  """Returns pitches between the lowest and the highest of each track, [n]."""
  where, pitch = rng.random(len(notes)), notes.pitch.copy()
  for track in np.unique(notes.track):
    rows = notes.track == track
    low, high = notes.pitch[rows].min(), notes.pitch[rows].max()
    pitch[rows] = low + (where[rows] * (high - low + 1)).astype(int)
  return pitch
