import itertools

import numpy as np
import pytest

from aurl_jax.music import transform
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes, Track
from aurl_jax.tokens import controls as lib
from aurl_jax.tokens.controls import Controls, Levels
from tests.tokens import pieces

GRID = Grid()


def level(value, edges):
  return sum(value >= edge for edge in edges)


def judged(notes, start, end):
  """Returns density, polyphony and register of some cells, note by note."""
  begun, cells = 0, {}
  for i in range(len(notes)):
    onset = int(notes.onset[i])
    begun += start <= onset < end
    if not notes.is_drum[i]:
      for cell in range(onset, onset + int(notes.duration[i])):
        if start <= cell < end:
          cells.setdefault(cell, []).append(int(notes.pitch[i]))
  density = level(begun * notes.ticks_per_beat / (end - start), lib.DENSITY)
  pitches = [pitch for found in cells.values() for pitch in found]
  if not pitches:
    return Levels(density=density)
  return Levels(
    density=density,
    polyphony=level(len(pitches) / len(cells), lib.POLYPHONY),
    register=int(sum(pitches) / len(pitches)) // 12,
  )


def test_levels_of_pieces_and_bars():
  for seed in range(15):
    notes = pieces.piece(seed)
    found = lib.of(notes, GRID, bars=True, style=2)
    rounded = transform.merge_equal(transform.quantise(notes, GRID))[0]
    if not len(rounded):
      assert found == Controls(style=2)
      continue
    whole = judged(rounded, int(rounded.onset[0]), rounded.end)
    assert found.piece._replace(key=None) == whole
    starts = []
    meters = [*rounded.meters.tolist(), (rounded.end, 4, 4)]
    for (tick, n, d), (stop, *_) in itertools.pairwise(meters):
      starts += range(tick, stop, 48 * n // d)
    edges = zip(starts, [*starts[1:], rounded.end], strict=True)
    assert found.bars == tuple(judged(rounded, *edge) for edge in edges)


def scale(tonic, minor=False):
  steps = (0, 2, 3, 5, 7, 8, 10, 12) if minor else (0, 2, 4, 5, 7, 9, 11, 12)
  pitch = [60 + tonic + step for step in (*steps, 7, 4 - minor, 0)]
  return Notes.build(
    4, {'onset': range(0, 44, 4), 'duration': [4] * 10 + [8], 'pitch': pitch}
  )


@pytest.mark.parametrize('tonic', range(12))
def test_keys_of_scales(tonic):
  assert lib.key(scale(tonic)) == tonic
  assert lib.key(scale(tonic, minor=True)) == 12 + tonic


def test_the_key_follows_a_transposition():
  for seed in range(20):
    notes = pieces.chorale(seed)
    key = lib.key(notes)
    for steps in range(-11, 12):
      moved = lib.key(transform.transpose(notes, steps))
      assert moved == (key + steps) % 12 + 12 * (key >= 12)


def test_families_and_drums():
  notes = Notes.build(
    4,
    {'onset': 0, 'duration': 4, 'pitch': 40, 'track': [0, 1, 2]},
    tracks=[Track('', 33), Track('', 3), Track('', 0, True), Track('', 90)],
  )
  found = lib.of(notes, GRID)
  assert found.instruments == (0, 4, lib.DRUM_FAMILY)
  drums = Notes.build(
    4, {'onset': 0, 'duration': 4, 'pitch': 40}, tracks=[Track('', 0, True)]
  )
  assert lib.of(drums, GRID).piece == Levels(density=2)
  assert lib.key(drums) is None
  assert np.diff(lib.DENSITY).min() > 0
  assert np.diff(lib.POLYPHONY).min() > 0


def test_bars_of_a_gap_are_told_to_be_like_those_beside_it():
  # Bars of one, two, eight, eight and four notes, an octave higher each.
  onset, pitch = [], []
  for bar, count in enumerate((1, 2, 8, 8, 4)):
    onset += [16 * bar + 16 * n // count for n in range(count)]
    pitch += [36 + 12 * bar] * count
  piece = Notes.build(4, {'onset': onset, 'duration': 2, 'pitch': pitch})
  whole = lib.of(piece, GRID, bars=True).bars
  found = lib.beside(piece, GRID, 2, 4)
  assert found.bars == (whole[0], whole[1], whole[1], whole[4], whole[4])
  one = lib.beside(piece, GRID, 3, 4).bars
  assert one == (*whole[:3], whole[2], whole[4])
  assert lib.beside(piece, GRID, 0, 2).bars[:2] == (whole[2], whole[2])
  last = lib.beside(piece, GRID, 4, 5)
  assert last.bars == (*whole[:4], whole[3])
  # Nothing of the gap is told: 64 and 48 stand there, 7 notes in 20 beats do.
  given = Notes.build(
    4,
    {
      'onset': [0, 16, 24, 64, 68, 72, 76],
      'duration': 2,
      'pitch': [36, 48, 48, 84, 84, 84, 84],
    },
  )
  assert found.piece == lib.of(given, GRID).piece
