"""Metrics of performance: loudness, tempo, articulation.

Velocities stand for loudness, 1..127. Tempo is weighted by how long it holds.
Articulation is the key overlap ratio of Bresin and Battel, "Articulation
strategies in expressive piano performance", Journal of New Music Research 2000:
how long a note sounds by the time until the next note of its line, below 1 for
staccato, 1 and more for legato. Axes: `n` notes, `m` bars.
"""

import math

import numpy as np

from aurl_jax.music import notes as notes_lib
from aurl_jax.music import time
from aurl_jax.music.notes import Notes

_LEGATO = 4.0
"""A note that is held longer than this many intervals counts as this."""


def velocity_curve(notes: Notes) -> np.ndarray:
  """Returns the mean velocity of each bar, float64 `[m]`; `nan` in empty ones.

  Bars after the last onset are left out.
  """
  if not len(notes):
    return np.zeros(0)
  starts = time.bar_starts(notes, int(notes.onset[-1]) + 1)
  bar = np.searchsorted(starts, notes.onset, side='right') - 1
  count = np.bincount(bar, minlength=len(starts))
  total = np.bincount(bar, notes.velocity, minlength=len(starts))
  with np.errstate(invalid='ignore'):
    return np.asarray(total / count)


def mean_velocity(notes: Notes) -> float:
  """Returns the mean velocity, or `nan` without notes."""
  return float(notes.velocity.mean()) if len(notes) else math.nan


def velocity_deviation(notes: Notes) -> float:
  """Returns the standard deviation of the velocities, or `nan`."""
  return float(notes.velocity.std()) if len(notes) else math.nan


def velocity_range(notes: Notes) -> float:
  """Returns the largest less the smallest mean velocity of bars, or `nan`."""
  curve = velocity_curve(notes)
  return float(np.nanmax(curve) - np.nanmin(curve)) if len(curve) else math.nan


def mean_tempo(notes: Notes) -> float:
  """Returns quarter notes a minute over the whole piece, or `nan`."""
  seconds = time.duration_seconds(notes)
  if not seconds:
    return math.nan
  return notes.end / notes.ticks_per_beat / seconds * 60


def tempo_variation(notes: Notes) -> float:
  """Returns the deviation of the tempo by its mean, or `nan` of no length.

  Of the beats' durations, each weighted by how many beats it holds: 0 for a
  steady tempo, about 0.1 for a pianist's.
  """
  if not notes.end:
    return math.nan
  ticks = np.append(0, notes.tempos['tick'])
  micros = np.append(notes_lib.DEFAULT_TEMPO, notes.tempos['microseconds'])
  held = np.diff(np.append(ticks, notes.end).clip(max=notes.end))
  mean = (held * micros).sum() / held.sum()
  spread = math.sqrt((held * (micros - mean) ** 2).sum() / held.sum())
  return float(spread / mean)


def articulation(notes: Notes) -> float:
  """Returns the median key overlap ratio of the pitched notes, or `nan`.

  Of each track, from onset to onset: the longest of the notes that begin
  together by the time until the next ones begin.
  """
  found = []
  for track in np.unique(notes.track[~notes.is_drum]):
    rows = np.flatnonzero(notes.track == track)
    onset, place = np.unique(notes.onset[rows], return_inverse=True)
    held = np.zeros(len(onset))
    np.maximum.at(held, place, notes.duration[rows])
    found.append(held[:-1] / np.diff(onset))
  ratios = np.concatenate(found) if found else np.zeros(0)
  if not len(ratios):
    return math.nan
  return float(np.median(np.minimum(ratios, _LEGATO)))
