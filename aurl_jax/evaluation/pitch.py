"""Metrics of pitch: how many pitches, how spread, how much of one scale.

Drums have no pitch and are left out. Names and definitions are those of MusPy
(Dong et al., "MusPy: A toolkit for symbolic music generation", ISMIR 2020,
section 5), whose values these equal, but where MusPy returns a number for
pieces without a pitch: `nan` here. Pitch and pitch-class entropy: Wu and Yang,
"The Jazz Transformer on the Front Line", ISMIR 2020; scale consistency and
polyphony rate: Mogren, "C-RNN-GAN", 2016; rate of pitches in a scale: Dong et
al., "MuseGAN", AAAI 2018. Axes: `n` notes, `k` changes of what sounds.
"""

import math

import numpy as np
from jaxtyping import Float, Int

from aurl_jax.evaluation.musical import shares
from aurl_jax.music import scales
from aurl_jax.music.notes import Notes

MODES = ('major', 'natural minor')
"""Scales of `scale_consistency`, on each of the twelve tonics."""


def pitches_used(notes: Notes) -> int:
  """Returns how many different pitches there are, 0..128."""
  return len(np.unique(notes.pitch[~notes.is_drum]))


def pitch_classes_used(notes: Notes) -> int:
  """Returns how many different pitch classes there are, 0..12."""
  return len(np.unique(notes.pitch[~notes.is_drum] % 12))


def pitch_distribution(notes: Notes) -> Float[np.ndarray, '128']:
  """Returns the share of the notes that each pitch has; `nan` without any."""
  return shares(np.bincount(notes.pitch[~notes.is_drum], minlength=128))


def pitch_class_distribution(notes: Notes) -> Float[np.ndarray, '12']:
  """Returns the share of the notes that each pitch class has, or `nan`."""
  return shares(np.bincount(notes.pitch[~notes.is_drum] % 12, minlength=12))


def pitch_entropy(notes: Notes) -> float:
  """Returns the entropy of the pitches, 0..7 bits; `nan` without any."""
  return entropy(pitch_distribution(notes))


def pitch_class_entropy(notes: Notes) -> float:
  """Returns the entropy of the pitch classes, 0..3.58 bits, or `nan`."""
  return entropy(pitch_class_distribution(notes))


def scale_rate(notes: Notes, scale: scales.Scale) -> float:
  """Returns the share of the notes that belong to a scale, or `nan`.

  Example:
    >>> tune = Notes.build(
    ...   4, {'onset': range(4), 'duration': 1, 'pitch': [60, 62, 64, 66]})
    >>> scale_rate(tune, scales.parse('C major'))
    0.75
  """
  return float(
    pitch_class_distribution(notes)[sorted(scale.pitch_classes)].sum()
  )


def scale_consistency(notes: Notes) -> float:
  """Returns the largest `scale_rate` of any major or natural minor scale."""
  return max(
    scale_rate(notes, scales.Scale(tonic, mode))
    for tonic in range(12)
    for mode in MODES
  )


def polyphony(notes: Notes) -> float:
  """Returns how many pitches sound on average where any does, or `nan`.

  A pitch that several notes hold at once counts once.
  """
  ticks, sounding = _sounding(notes)
  total = ticks[sounding > 0].sum()
  return float((ticks * sounding).sum() / total) if total else math.nan


def polyphony_rate(notes: Notes, above: int = 2) -> float:
  """Returns the share of a piece in which many pitches sound, or `nan`.

  Args:
    notes: The piece; it lasts from its start to its last end, that of drums
      too.
    above: More than so many pitches are many. (MusPy's text says two or more,
      its code more than two; here it is as the code.)
  """
  ticks, sounding = _sounding(notes)
  if not notes.end:
    return math.nan
  return float(ticks[sounding > above].sum() / notes.end)


def entropy(shares: Float[np.ndarray, ' s']) -> float:
  """Returns the entropy of a distribution in bits; `nan` for none or `nan`."""
  if not len(shares) or np.isnan(shares).any():
    return math.nan
  some = shares[shares > 0]
  return float(abs(-(some * np.log2(some)).sum()))


def _sounding(
  notes: Notes,
) -> tuple[Int[np.ndarray, ' k'], Int[np.ndarray, ' k']]:
  """Returns stretches of time in ticks, and how many pitches sound in each."""
  rows = np.flatnonzero(~notes.is_drum & (notes.duration > 0))
  # Each pitch gets a stretch of time of its own, in which ends may be carried
  # on from note to note.
  apart = notes.pitch[rows] * (notes.end + 1)
  start = apart + notes.onset[rows]
  order = np.argsort(start, kind='stable')
  start, apart = start[order], apart[order]
  end = np.maximum.accumulate(start + notes.duration[rows][order])
  first = np.append(True, start[1:] > end[:-1])[: len(rows)]
  last = np.append(first[1:], True)[: len(rows)]
  begins, ends = (start - apart)[first], (end - apart)[last]
  times = np.concatenate([begins, ends])
  change = np.repeat([1, -1], [len(begins), len(ends)])
  order = np.argsort(times, kind='stable')
  count = change[order].cumsum()
  return np.diff(times[order]), count[:-1]
