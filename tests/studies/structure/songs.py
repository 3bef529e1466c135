"""Songs made of phrases, for the tests of structure."""

import numpy as np

from aurl_jax.music.notes import Notes, Track

TICKS = 16
BAR = 4 * TICKS
_SCALE = (0, 2, 4, 5, 7, 9, 11)


def phrase(seed, bars=8):
  """A random tune whose last bar is a long note and a rest, with chords.

  Returns rows of bar-relative onset, duration, pitch, track.
  """
  rng = np.random.default_rng(seed)
  rows = []
  for bar in range(bars):
    chord = int(rng.integers(0, 7))
    for step in (0, 2, 4):
      pitch = 48 + _SCALE[(chord + step) % 7]
      rows.append((bar * BAR, BAR, pitch, 1))
    if bar == bars - 1:
      rows.append((bar * BAR, BAR // 2, 72 + _SCALE[chord], 0))
      continue
    cells = np.sort(rng.choice(np.arange(1, 8), 4, replace=False))
    for at in (0, *cells.tolist()):
      degree = int(rng.integers(0, 7))
      rows.append((bar * BAR + at * BAR // 8, BAR // 8, 72 + _SCALE[degree], 0))
  return rows


def song(form, bars=8, turned=None, meters=((0, 4, 4),), late=0):
  """A song of phrases, letters of a form; `-` has chords alone.

  Args:
    form: Letters.
    bars: Of each phrase.
    turned: Semitones of phrases, by their number.
    meters: Of the piece.
    late: Ticks before the first bar.
  """
  rows = []
  for number, letter in enumerate(form):
    for onset, duration, pitch, track in phrase(ord(letter), bars):
      if letter == '-' and track == 0:
        continue
      pitch += (turned or {}).get(number, 0)
      rows.append((late + number * bars * BAR + onset, duration, pitch, track))
  names = ('onset', 'duration', 'pitch', 'track')
  columns = dict(zip(names, np.array(rows).T, strict=True))
  tracks = [Track(name='Melody'), Track(name='Piano')]
  return Notes.build(TICKS, columns, tracks=tracks, meters=meters)


def starts(form, bars=8):
  return list(range(0, len(form) * bars, bars))
