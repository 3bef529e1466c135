"""Folders of small pieces to listen to."""

import numpy as np

from aurl_jax.music import midi
from aurl_jax.music.notes import Notes


def piece(seed, *, beats=8, level=80):
  """A tune of its own; two notes a beat, 120 a minute."""
  rng = np.random.default_rng(seed)
  columns = {
    'onset': np.arange(2 * beats) * 2,
    'duration': 2,
    'pitch': 60 + rng.integers(0, 12, 2 * beats),
    'velocity': level,
  }
  return Notes.build(4, columns)


def folder(home, name, count, *, seed=0, stem='piece', beats=8, level=80):
  """Writes pieces into a folder of their own, and returns it."""
  made = home / name
  made.mkdir(parents=True)
  for number in range(count):
    notes = piece(seed + number, beats=beats, level=level)
    midi.write(notes, made / f'{stem}_{number}.mid')
  return str(made)
