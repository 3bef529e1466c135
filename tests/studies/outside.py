"""Studies as another package would bring them, good and bad, and songs.

Their findings are computed by plain loops over notes. What a bad one does at
which piece is told by the title of the piece.
"""

import os
import signal
import sys
import time

import numpy as np

from aurl_jax.music import midi
from aurl_jax.music.notes import Notes

TICKS = 480
SECOND = 2 * TICKS
"""Ticks, as no tempo is told."""


class Tops:
  """Tells the highest note that sounds at each onset, second by second."""

  def __init__(self, least=0):
    self.least = least

  def analyse(self, notes):
    _misbehave(notes.title)
    highest = {}
    for onset, length, pitch in zip(
      notes.onset.tolist(),
      notes.duration.tolist(),
      notes.pitch.tolist(),
      strict=True,
    ):
      if pitch >= self.least:
        highest[onset] = max(highest.get(onset, (0, 0)), (pitch, length))
    return [
      (onset / SECOND, (onset + length) / SECOND, pitch)
      for onset, (pitch, length) in sorted(highest.items())
    ]

  def told(self, found):
    notes = [{'start': a, 'end': b, 'pitch': p} for a, b, p in found]
    return {'tops': {'notes': notes}}

  def features(self, found):
    pitches = [pitch for _, _, pitch in found]
    return {
      'tops': float(len(found)),
      'mean_pitch': sum(pitches) / len(pitches) if found else float('nan'),
      'never': float('nan'),
    }

  def compare(self, one, other):
    return {'tops': float(one == other)}

  def validate(self, found, truth):
    return {'right': float(found == truth)}

  def draw(self, found, axes):
    for start, end, pitch in found:
      axes.plot([start, end], [pitch, pitch], color='C0')
    axes.set_ylabel('pitch')


class Halves(Tops):
  """Tells two sections, and never misbehaves."""

  def analyse(self, notes):
    end = int((notes.onset + notes.duration).max(initial=0)) / SECOND
    return [(0.0, end / 2, 'A'), (end / 2, end, 'B')]

  def told(self, found):
    return {
      'halves': [{'start': a, 'end': b, 'label': name} for a, b, name in found]
    }

  def features(self, found):
    return {'seconds': found[-1][1]}

  def draw(self, found, axes):
    for start, end, name in found:
      axes.axvspan(start, end, alpha=0.3)
      axes.text((start + end) / 2, 0.5, name)


class Same(Halves):
  """Tells what `Halves` tells, under the same name."""


class Undrawable(Halves):
  """Cannot be drawn."""

  def told(self, found):
    return {'undrawable': len(found)}

  def draw(self, found, axes):
    raise RuntimeError('no ink')


class Odd(Halves):
  """Tells what is not JSON's own."""

  def told(self, found):
    return {'odd': np.float32(1)}


def _misbehave(title):
  """Does what the title of a piece says."""
  if title == 'print':
    print('a study prints')
    sys.stdout.flush()
  if title == 'raise':
    raise IndexError('no such <bar>')
  if title == 'die':
    os.kill(os.getpid(), signal.SIGKILL)
  if title == 'leave':
    os._exit(3)
  if title == 'hang':
    time.sleep(600)
  if title.startswith('slow '):
    time.sleep(float(title.split()[1]))


def song(seed=0, title='', count=12):
  """Returns a short piece of two voices."""
  rng = np.random.default_rng(seed)
  onset = np.sort(rng.integers(0, 8, count)) * TICKS
  return Notes.build(
    TICKS,
    {'onset': onset, 'duration': TICKS, 'pitch': rng.integers(48, 84, count)},
    title=title,
  )


def songs(folder, titles):
  """Writes a song for each title; returns the paths."""
  folder.mkdir(parents=True, exist_ok=True)
  paths = []
  for number, title in enumerate(titles):
    path = folder / f'{number:03d}.mid'
    midi.write(song(number, title), path)
    paths.append(path)
  return paths


def install(folder, **studies):
  """Installs a package that brings studies: what pip leaves of one."""
  told = folder / 'outside_studies-1.0.dist-info'
  told.mkdir(parents=True)
  (told / 'METADATA').write_text(
    'Metadata-Version: 2.1\nName: outside-studies\nVersion: 1.0\n'
  )
  rows = [f'{name} = {value}' for name, value in studies.items()]
  (told / 'entry_points.txt').write_text(
    '\n'.join(['[aurl_jax.studies]', *rows, ''])
  )
  return folder
