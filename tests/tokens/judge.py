"""Checks that hold for every tokenization."""

import dataclasses
import math

import numpy as np

from aurl_jax.music import time, transform
from aurl_jax.music.notes import Notes, Text, Track
from tests import recogniser


def rounded(tokenizer, notes):
  """Returns what decoding has to give back."""
  if type(tokenizer).__name__ == 'Performance':
    return played(tokenizer, notes)
  if getattr(tokenizer, 'micro', 0) or getattr(tokenizer, 'pedal', False):
    return expressed(tokenizer, notes)
  return transform.merge_equal(transform.quantise(notes, tokenizer.grid))[0]


def played(tokenizer, notes):
  """Returns what a performance holds: in 10 ms, one track, in plain Python."""
  width = math.ceil(127 / tokenizer.velocity_bins)
  seconds = time.ticks_to_seconds(notes, notes.onset).tolist()
  stops = time.ticks_to_seconds(notes, notes.onset + notes.duration).tolist()
  longest = {}
  for i in range(len(notes)):
    if bool(notes.is_drum[i]) != tokenizer.drums:
      continue
    start, stop = int(seconds[i] * 100 + 0.5), int(stops[i] * 100 + 0.5)
    low = (int(notes.velocity[i]) - 1) // width * width + 1
    found = (max(stop, start + 1), min(127, low + width // 2))
    key = (int(notes.pitch[i]), start)
    longest[key] = max(found, longest.get(key, found))
  rows = []
  for (pitch, start), (stop, velocity) in longest.items():
    again = [s for p, s in longest if p == pitch and s > start]
    rows.append((start, min([stop, *again]) - start, pitch, velocity))
  program = 0 if tokenizer.drums else tokenizer.program
  names = ('onset', 'duration', 'pitch', 'velocity')
  return Notes.build(
    50,
    {name: [row[i] for row in rows] for i, name in enumerate(names)},
    tracks=[Track('', program, tokenizer.drums)] if rows else [],
  )


def expressed(tokenizer, notes):
  """Returns what offsets and pedals keep; beside the grid in plain Python."""
  grid, parts = tokenizer.grid, max(1, tokenizer.micro)
  fine = dataclasses.replace(
    grid,
    cells_per_beat=grid.cells_per_beat * parts,
    exact_beats=64 if tokenizer.micro else grid.exact_beats,
  )
  exact = transform.quantise(notes, fine)
  coarse = transform.merge_equal(transform.quantise(exact, grid))[0]
  moved = {}
  for i in range(len(exact)):
    cell, offset = cell_of(int(exact.onset[i]), parts)
    length, _ = cell_of(int(exact.duration[i]), parts)
    near = min((abs(int(d) - length), int(d)) for d in grid.durations)[1]
    key = (cell, int(exact.track[i]), int(exact.pitch[i]), offset)
    found = (near, int(exact.velocity[i]))
    moved[key] = max(found, moved.get(key, found))
  rows = [
    (max(0, cell * parts + offset), length * parts, track, pitch, velocity)
    for (cell, track, pitch, offset), (length, velocity) in moved.items()
  ]
  names = ('onset', 'duration', 'track', 'pitch', 'velocity')
  end = max([row[0] + row[1] for row in rows], default=0)
  pedals = pedals_of(tokenizer, notes, coarse.tracks, end)
  return Notes.build(
    grid.cells_per_beat * parts,
    {name: [row[i] for row in rows] for i, name in enumerate(names)},
    tracks=coarse.tracks,
    tempos=[(row[0] * parts, row[1]) for row in coarse.tempos.tolist()],
    meters=[(row[0] * parts, *row[1:]) for row in coarse.meters.tolist()],
    texts=[Text(t.tick * parts, *t[1:]) for t in coarse.texts],
    controls=pedals if tokenizer.pedal else [],
  )


def cell_of(fine, parts):
  """Returns the nearest cell, and the fine cells from there."""
  cell = (fine + parts // 2) // parts
  return cell, fine - cell * parts


def pedals_of(tokenizer, notes, tracks, end):
  """Returns control rows: the pedal of each track, played event by event."""
  parts = max(1, tokenizer.micro)
  per_beat = tokenizer.grid.cells_per_beat * parts
  sounding = set(notes.track.tolist())

  def twin(track):
    """Its place among the sounding tracks of its instrument, as it is told."""
    program = notes.tracks[track].program
    same = [i for i in sorted(sounding) if notes.tracks[i][1:] == (program, 0)]
    told = [i for i, t in enumerate(tracks) if t[1:] == (program, 0)]
    rank = same.index(track) if track in same else 0
    return told[min(rank, len(told) - 1)] if told else None

  held, found = {}, {}
  for tick, track, number, value in notes.controls.tolist():
    if number != 64 or notes.tracks[track].is_drum or twin(track) is None:
      continue
    place = twin(track)
    held.setdefault(place, {})[track] = value >= 64
    fine = (2 * tick * per_beat + notes.ticks_per_beat) // (
      2 * notes.ticks_per_beat
    )
    cell, offset = cell_of(fine, parts)
    down = any(held[place].values())
    if max(0, cell * parts + offset) < end:
      found.setdefault(place, {})[cell] = (down, cell * parts + offset)
  rows = []
  for place, changes in found.items():
    state = False
    for _, (down, tick) in sorted(changes.items()):
      if down != state:
        rows.append((max(0, tick), place, 64, 127 * down))
        state = down
    rows += [(end, place, 64, 0)] * state
  return rows


def assert_round_trip(tokenizer, notes):
  """Encodes, judges and decodes; returns the ids."""
  ids = tokenizer.encode(notes)
  assert ids.dtype == np.int32
  assert ids.shape == (len(ids), len(tokenizer.codec.fields))
  assert tokenizer.decode(ids) == rounded(tokenizer, notes)
  assert tokenizer.quantise(notes) == rounded(tokenizer, notes)
  assert recogniser.fault(tokenizer, ids.tolist()) == ''
  return ids


def assert_canonical(tokenizer, notes):
  """The piece is on the grid already, and encoding keeps all of it."""
  notes.check()
  assert rounded(tokenizer, notes) == notes
  if len(notes):
    assert_round_trip(tokenizer, notes)


def noise(tokenizer, seed, steps):
  """Returns ids [steps, f] of events in any order, PAD and EOS rare."""
  rng = np.random.default_rng(seed)
  columns = []
  for field in tokenizer.codec.fields:
    # By event first: else the few large ranges would hide the small ones.
    event = rng.integers(-1, len(field.ranges), steps)
    event[rng.random(steps) < 0.1] = -1
    low = np.array([0, *field.starts.values()])[event + 1]
    size = np.array([1, *(part.size for part in field.ranges)])[event + 1]
    columns.append(low + rng.integers(0, size))
  ids = np.stack(columns, axis=1).astype(np.int32)
  ends = np.asarray(tokenizer.is_end(ids)) & (rng.random(steps) < 0.95)
  ids[ends] = 0
  return ids


def shuffled(ids, seed):
  """Returns a piece's ids with some steps moved, doubled or left out."""
  rng = np.random.default_rng(seed)
  order = np.arange(len(ids))
  for _ in range(int(rng.integers(1, 6))):
    at = int(rng.integers(0, len(order)))
    what = rng.integers(3)
    if what == 0:
      order = np.delete(order, at) if len(order) > 1 else order
    elif what == 1:
      order = np.insert(order, at, order[rng.integers(0, len(order))])
    else:
      other = int(rng.integers(0, len(order)))
      order[[at, other]] = order[[other, at]]
  return ids[order]
