"""Random pieces with all that the tokenizations can meet."""

import numpy as np

from aurl_jax.music.notes import CONTROL, Notes, Text, Track

METERS = ((4, 4), (3, 4), (6, 8), (7, 8), (2, 2), (5, 16), (26, 4), (1, 32))
CHORDS = ('C', 'A:min7', 'G7/B', 'N', 'F#:hdim7', 'Bbsus4')


def piece(seed, notes=60, beats=24, ticks_per_beat=96):
  """Returns a piece of several instruments, drums, tempos and meters.

  Its times are dense enough that notes, tempos and meters often meet in a
  cell, and meters change inside bars.
  """
  rng = np.random.default_rng(seed)
  end = beats * ticks_per_beat
  step = int(rng.choice([1, ticks_per_beat // 12, ticks_per_beat // 4]))
  tracks = [
    Track(
      program=int(rng.choice([0, 0, 33, 127])), is_drum=bool(rng.random() < 0.2)
    )
    for _ in range(rng.integers(1, 7))
  ]
  count = int(rng.integers(0, notes + 1))
  columns = {
    'onset': rng.integers(0, end // step, count) * step,
    'duration': np.minimum(
      rng.geometric(0.02, count) - 1, 100 * ticks_per_beat
    ),
    'pitch': rng.integers(0, 128, count),
    'velocity': rng.integers(1, 128, count),
    'track': rng.integers(0, len(tracks), count),
  }

  def rows(most, *choices):
    ticks = np.sort(rng.integers(0, end // step, rng.integers(0, most + 1)))
    picked = [[c[rng.integers(len(c))] for _ in ticks] for c in choices]
    return list(zip((ticks * step).tolist(), *picked, strict=True))

  meters = [(tick, *meter) for tick, meter in rows(4, METERS)]
  tempos = rows(4, (500_000, 501_000, 1_000_000, 16_000_000, 90_000))
  chords = [Text(t, -1, 'chord', c) for t, c in rows(6, CHORDS)]
  return Notes.build(
    ticks_per_beat,
    columns,
    tracks=tracks,
    meters=meters,
    tempos=tempos,
    texts=[*chords, Text(0, 0, 'lyric', 'la')],
    title='a title',
  )


def chorale(seed, bars=4, meter=(4, 4), pickup=0, bpm=100):
  """Returns four monophonic voices on 16ths: held, struck again, resting."""
  rng = np.random.default_rng(seed)
  full = 16 * meter[0] // meter[1]
  cells = pickup + bars * full
  columns = {k: [] for k in ('onset', 'duration', 'pitch', 'track')}
  for voice in range(4):
    at = int(rng.integers(0, 3))
    while at < cells:
      length = int(min(rng.choice([1, 2, 4, 4, 8, 20]), cells - at))
      for name, value in (
        ('onset', at * 120),
        ('duration', length * 120),
        ('pitch', int(rng.choice([72, 72, 74, 76]) - 7 * voice)),
        ('track', voice),
      ):
        columns[name].append(value)
      at += length + int(rng.choice([0, 0, 0, 2]))
  meters = [(pickup * 120, *meter)]
  if pickup:
    meters = [(0, pickup // 4, 4), *meters]
  return Notes.build(
    480, columns, meters=meters, tempos=[(0, round(60_000_000 / bpm))]
  )


def pedalled(seed, notes=40):
  """Returns a piece with pedals on some tracks, and other controls."""
  rng = np.random.default_rng(seed)
  music = piece(seed, notes)
  count = int(rng.integers(0, 30))
  end = 26 * music.ticks_per_beat
  rows = zip(
    rng.integers(0, end, count).tolist(),
    rng.integers(0, len(music.tracks), count).tolist(),
    rng.choice([64, 64, 64, 1], count).tolist(),
    rng.choice([0, 63, 64, 127], count).tolist(),
    strict=True,
  )
  table = np.array(sorted(rows, key=lambda row: row[:2]), CONTROL)
  return music.replace(controls=table)
