"""Played music: what it keeps, and whether it is like that of people.

What is judged is measured here, from the notes alone.
"""

import csv
import itertools

import numpy as np
import pytest

from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.humanise import humanise
from aurl_jax.music import midi, quantise, transform
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes, Track
from tests.tokens import pieces


def held(notes, cells):
  """The quantised notes, as (onset, end, pitch, track) in cells."""
  grid = Grid(cells_per_beat=cells)
  found = quantise.quantise(notes, grid)
  return sorted(
    zip(
      found.onset.tolist(),
      (found.onset + found.duration).tolist(),
      found.pitch.tolist(),
      found.track.tolist(),
      strict=True,
    )
  )


def band(cells=4, beats=32, seed=0):
  """Piano chords and drums: eighths of 4 cells a beat, triplets of 12."""
  rng = np.random.default_rng(seed)
  apart = {4: 2, 12: 4}[cells]
  hits = np.arange(0, beats * cells, apart)
  onset = np.repeat(hits, 3)
  pitch = np.tile([48, 64, 72], len(hits)) + rng.integers(0, 3, 3 * len(hits))
  kicks = hits[:: cells // apart]
  columns = {
    'onset': np.concatenate([onset, hits, kicks]),
    'pitch': np.concatenate(
      [pitch, np.full(len(hits), 42), np.where(np.arange(beats) % 2, 38, 36)]
    ),
    'duration': apart,
    'velocity': 80,
    'track': np.concatenate(
      [np.zeros(len(onset)), np.ones(len(hits) + beats)]
    ).astype(int),
  }
  return Notes.build(
    cells,
    columns,
    tracks=[Track(), Track(is_drum=True)],
    tempos=[(0, 500_000), (cells * beats // 2, 600_000)],
  )


@pytest.mark.parametrize('cells', [4, 12])
def test_it_is_quantised_to_what_it_was(cells):
  for seed in range(5):
    given = band(cells, seed=seed)
    found = humanise(given, seed=seed)
    assert held(found, cells) == held(given, cells)
    ticks = found.ticks_per_beat // cells
    away = np.abs(found.onset - ticks * np.rint(found.onset / ticks))
    assert away.max() < ticks / 2
    # Onsets that followed each other follow each other.
    table = np.stack([np.rint(found.onset / ticks), found.onset])
    order = np.lexsort(table[::-1])
    for one, two in itertools.pairwise(order):
      if table[0, one] < table[0, two]:
        assert table[1, one] < table[1, two]


def test_a_score_of_voices_comes_back_too():
  grid = Grid(cells_per_beat=4)
  given = transform.merge_equal(
    quantise.quantise(pieces.chorale(5, bars=8), grid)
  )[0]
  found = humanise(given, seed=2)
  assert held(found, 4) == held(given, 4)
  assert found.meters.tolist() == given.meters.tolist()


def test_the_same_seed_plays_the_same_and_none_nothing():
  given = band()
  once, again = humanise(given, seed=3), humanise(given, seed=3)
  assert once == again
  assert humanise(given, seed=4) != once
  still = humanise(given, human=0)
  assert still == transform.resample(given, still.ticks_per_beat)
  half = humanise(given, human=0.5, seed=3)
  flat = transform.resample(given, once.ticks_per_beat)
  far = [np.abs(x.velocity - 80.0).mean() for x in (flat, half, once)]
  assert far[0] == 0 < far[1] < far[2]
  assert abs(once.velocity.mean() - 80) < 3


def test_what_has_been_played_already_is_left_to_its_player():
  played = humanise(band(), seed=1)
  with pytest.raises(RequestError, match='played already'):
    humanise(played)


def test_no_notes_stay_none():
  assert len(humanise(Notes.build(4))) == 0


STYLES = ('rock', 'funk', 'hiphop', 'pop', 'soul')


def drummers(data, count):
  """Held-out performances to a click: ms and velocity by cell."""
  with open(data / 'groove' / 'info.csv', encoding='utf-8') as file:
    rows = [
      row
      for row in csv.DictReader(file)
      if row['split'] == 'validation'
      and row['beat_type'] == 'beat'
      and row['time_signature'] == '4-4'
      and row['style'].split('/')[0] in STYLES
      and float(row['duration']) > 30
    ]
  for row in rows[:count]:
    yield midi.read(data / 'groove' / row['midi_filename']).notes


def heard(notes, grid_of=None):
  """Cells, ms away from them without their middle, and velocities."""
  beats = notes.onset / notes.ticks_per_beat
  cell = np.rint(4 * beats).astype(int)
  tempo = notes.tempos['microseconds'][0] / 1000
  ms = (beats - cell / 4) * tempo
  return cell, ms - np.median(ms), notes.velocity.astype(float)


def flattened(notes):
  """The same beat from a machine: on the grid, one loudness, no flams."""
  cell, _, loud = heard(notes)
  _, first = np.unique(np.stack([cell, notes.pitch]), axis=1, return_index=True)
  return Notes.build(
    4,
    {
      'onset': cell[first],
      'duration': 1,
      'pitch': notes.pitch[first],
      'velocity': round(loud.mean()),
    },
    tracks=[Track(is_drum=True)],
    tempos=notes.tempos[:1],
  )


def white(notes, real, seed):
  """The machine's beat with independent noise as wide as the player's."""
  rng = np.random.default_rng(seed)
  _, ms, loud = heard(real)
  fine = transform.resample(notes, 480)
  tempo = notes.tempos['microseconds'][0] / 1000
  late = rng.normal(size=len(fine)) * ms.std() / tempo * 480
  onset = np.maximum(fine.onset + np.rint(late.clip(-54, 54)).astype(int), 0)
  louder = rng.normal(size=len(fine)) * loud.std()
  return Notes.build(
    480,
    {
      'onset': onset,
      'duration': 60,
      'pitch': fine.pitch,
      'velocity': np.rint(fine.velocity + louder).clip(1, 127).astype(int),
    },
    tracks=fine.tracks,
    tempos=notes.tempos,
  )


def statistics(notes):
  """What tells a player: spread, and what goes along with what."""
  cell, ms, loud = heard(notes)
  keys, group = np.unique(cell, return_inverse=True)
  size = np.bincount(group)
  late, force = (np.bincount(group, x) / size for x in (ms, loud))
  loud_at = [
    force[keys % 16 == place].mean() if (keys % 16 == place).any() else np.nan
    for place in range(16)
  ]
  at = np.searchsorted(keys, keys + 4)
  fits = (at < len(keys)) & (keys[np.minimum(at, len(keys) - 1)] == keys + 4)

  def along(values):
    one, two = values[fits], values[at[fits]]
    if one.std() == 0 or two.std() == 0:
      return 0.0
    return float(np.corrcoef(one, two)[0, 1])

  snare, hat = (np.isin(notes.pitch, k) for k in ((38, 40), (42, 44)))
  back = snare & (cell % 8 == 4)
  return {
    'ms': ms.std() / 20,
    'loud': loud.std() / 25,
    'drift': along(late),
    'pattern': np.nanstd(loud_at) / 15,
    'backbeat': (
      (loud[back].mean() - loud.mean()) / 25 if back.any() else np.nan
    ),
    'hats': (loud[hat].mean() - loud.mean()) / 25 if hat.any() else np.nan,
  }


def test_drums_are_nearer_to_held_out_players_than_a_machine_or_noise(
  shared_data,
):
  away = {'machine': [], 'white': [], 'humanised': []}
  for seed, real in enumerate(drummers(shared_data, 12)):
    wanted = statistics(real)
    machine = flattened(real)
    made = {
      'machine': machine,
      'white': white(machine, real, seed),
      'humanised': humanise(machine, seed=seed),
    }
    for name, notes in made.items():
      found = statistics(notes)
      away[name].append([abs(found[k] - wanted[k]) for k in wanted])
  mean = {
    name: np.nanmean(np.array(rows), axis=0) for name, rows in away.items()
  }
  assert len(away['white']) >= 8
  assert mean['humanised'].mean() < 0.8 * mean['machine'].mean()
  # White noise knows how wide this player is, and nothing of the rest.
  assert mean['humanised'][2:].mean() < 0.8 * mean['white'][2:].mean()
  assert mean['humanised'].mean() < mean['white'].mean()


def test_loudness_of_pianos_is_nearer_to_held_out_ones(shared_data):
  folders = sorted((shared_data / 'pop909' / 'valid').iterdir())
  songs = [
    midi.read(f / f'{f.name}.mid').notes
    for f in folders
    if (f / f'{f.name}.mid').is_file()
  ][:6]

  def told(notes):
    loud = notes.velocity.astype(float)
    high = np.corrcoef(loud, notes.pitch)[0, 1] if loud.std() else 0.0
    order = np.argsort(notes.onset, kind='stable')
    deviation = loud[order] - loud.mean()
    far = 8
    along = (
      np.corrcoef(deviation[:-far], deviation[far:])[0, 1]
      if loud.std()
      else 0.0
    )
    return np.array([loud.std() / 15, high, along])

  away = {'machine': [], 'white': [], 'humanised': []}
  for seed, real in enumerate(songs):
    cells = Grid(cells_per_beat=4)
    score = transform.merge_equal(quantise.quantise(real, cells))[0]
    level = np.full(len(score), round(score.velocity.mean()))
    flat = score.replace(velocity=level)
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=len(score)) * real.velocity.std()
    loud = np.rint(level + noise).clip(1, 127).astype(int)
    made = {
      'machine': flat,
      'white': Notes.build(
        4,
        {
          name: getattr(flat, name)
          for name in ('onset', 'duration', 'pitch', 'track')
        }
        | {'velocity': loud},
        tracks=flat.tracks,
      ),
      'humanised': humanise(flat, seed=seed),
    }
    for name, notes in made.items():
      away[name].append(np.abs(told(notes) - told(real)))
  mean = {name: np.mean(rows, 0) for name, rows in away.items()}
  assert mean['humanised'].mean() < 0.7 * mean['machine'].mean()
  # White noise knows how wide this player is, and nothing of the rest.
  assert mean['humanised'][1:].mean() < 0.7 * mean['white'][1:].mean()
