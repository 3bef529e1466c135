"""Which chords and tones a key makes likely, and what it costs to leave it.

The tables are ours, of what harmony books call usual: shares of steps and
qualities in major and in minor, the dominants of near keys among them. They
are no counts of any set. Keys are 0..11 major, 12..23 minor. Axes: `k` keys,
`c` chords of `music.chords`.
"""

import functools

import numpy as np

from aurl_jax.music import chords as chords_lib
from aurl_jax.studies.chords.finding import KEYS

_QUALITIES = list(chords_lib.QUALITIES)
_MAJOR: dict[int, dict[str, float]] = {
  0: {'maj': 0.26, 'maj7': 0.01, 'min': 0.01, '7': 0.015},
  1: {'dim7': 0.005},
  2: {'min': 0.05, 'min7': 0.05, '7': 0.03, 'maj': 0.02, 'hdim7': 0.01},
  3: {'maj': 0.003},
  4: {'min': 0.015, 'min7': 0.005, '7': 0.015, 'maj': 0.01},
  5: {'maj': 0.08, 'maj7': 0.015, 'min': 0.015, 'maj6': 0.004},
  6: {'dim7': 0.01, 'dim': 0.005, 'hdim7': 0.004},
  7: {'maj': 0.12, '7': 0.15, 'sus4': 0.005},
  8: {'maj': 0.008, '7': 0.008, 'dim7': 0.004},
  9: {'min': 0.06, 'min7': 0.02, '7': 0.015, 'maj': 0.01},
  10: {'maj': 0.005},
  11: {'dim': 0.025, 'hdim7': 0.015, 'dim7': 0.012},
}
_MINOR: dict[int, dict[str, float]] = {
  0: {'min': 0.26, 'maj': 0.015, 'min7': 0.005, '7': 0.015},
  1: {'maj': 0.01},
  2: {'hdim7': 0.04, 'dim': 0.03, '7': 0.015, 'maj': 0.01},
  3: {'maj': 0.03, 'maj7': 0.005, 'aug': 0.005},
  5: {'min': 0.07, 'min7': 0.01, 'maj': 0.01},
  6: {'dim7': 0.015},
  7: {'maj': 0.12, '7': 0.14, 'min': 0.015, 'min7': 0.005},
  8: {'maj': 0.05, 'maj7': 0.01, '7': 0.015},
  10: {'maj': 0.02, '7': 0.02},
  11: {'dim7': 0.06, 'dim': 0.02},
}
_FLOOR, _RARE = 0.0008, 0.3
_COLOURS = ('minmaj7', 'sus2', 'sus4', 'maj6', 'min6')
"""Qualities that are rare wherever they stand."""
_NONE = 0.004
_FOREIGN = -3.0
"""Log likelihood of a tone that the key does not have; its own have 0."""
_TONES = (
  {0: 0.0, 2: 0.0, 4: 0.0, 5: 0.0, 7: 0.0, 9: 0.0, 11: 0.0},
  {0: 0.0, 2: 0.0, 3: 0.0, 5: 0.0, 7: 0.0, 8: 0.0, 11: 0.0, 9: -1.2, 10: -0.7},
)
_FAR = 0.15
"""What a fifth between two keys adds to the price of a change."""


@functools.cache
def chords() -> np.ndarray:
  """Returns the log likelihood of each chord in each key, [k, c]."""
  table = np.full((KEYS, chords_lib.SIZE), np.log(_NONE))
  rare = [_QUALITIES.index(name) for name in _COLOURS]
  for minor, usual in enumerate((_MAJOR, _MINOR)):
    shares = np.full((12, len(_QUALITIES)), _FLOOR)
    shares[:, rare] *= _RARE
    for step, kinds in usual.items():
      for quality, share in kinds.items():
        shares[step, _QUALITIES.index(quality)] += share
    likely = np.log(shares / shares.sum())
    for tonic in range(12):
      table[12 * minor + tonic, 1:] = np.roll(likely, tonic, axis=0).ravel()
  table.setflags(write=False)
  return table


@functools.cache
def tones() -> np.ndarray:
  """Returns the log likelihood of each pitch class in each key, [k, 12]."""
  table = np.full((KEYS, 12), _FOREIGN)
  for minor, own in enumerate(_TONES):
    for tonic in range(12):
      for step, value in own.items():
        table[12 * minor + tonic, (tonic + step) % 12] = value
  table.setflags(write=False)
  return table


@functools.cache
def moves() -> np.ndarray:
  """Returns how far keys are, [k, k]: 0 for none, 1 and more by fifths.

  Relative keys lie on one place of the circle.
  """
  key = np.arange(KEYS)
  place = (7 * (key % 12) - 3 * (key >= 12)) % 12
  apart = np.abs(place[:, None] - place)
  table = 1 + _FAR * np.minimum(apart, 12 - apart)
  table[key, key] = 0
  table.setflags(write=False)
  return table
