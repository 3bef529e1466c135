"""Pieces for augmentation, and batches of them made by hand."""

import numpy as np

from aurl_jax.data import cache
from aurl_jax.music.notes import Notes, Text, Track

BEAT = 480


def band(seed, bars=3):
  """Returns a piece with two pianos, a bass, drums, two tempos and chords."""
  rng = np.random.default_rng(seed)
  count = 16 * bars
  triplet = rng.integers(0, 4 * bars, count) * BEAT
  triplet += rng.integers(0, 3, count) * BEAT // 3
  straight = rng.integers(0, 8 * bars, count) * BEAT // 2
  onset = np.where(np.arange(count) % 8 == 0, triplet, straight)
  track = rng.integers(0, 4, count)
  return Notes.build(
    BEAT,
    {
      'onset': onset,
      'duration': rng.integers(1, 9, count) * BEAT // 4,
      'pitch': np.where(track == 3, 36, 40) + rng.integers(0, 30, count),
      'velocity': rng.integers(30, 100, count),
      'track': track,
    },
    tracks=[Track('', 0), Track('', 4), Track('', 33), Track('', 0, True)],
    meters=[(0, 4, 4)],
    tempos=[(0, 500_000), (8 * BEAT, 400_000)],
    texts=[Text(0, -1, 'chord', 'C'), Text(4 * BEAT, -1, 'chord', 'Am7')],
  )


def chorale(seed, cells=48):
  """Returns four voices in 16ths, each of notes and rests."""
  rng = np.random.default_rng(seed)
  columns = {'onset': [], 'duration': [], 'pitch': [], 'track': []}
  for voice, low in enumerate((62, 55, 48, 41)):
    at = int(rng.integers(0, 3))
    while at < cells:
      length = int(rng.integers(1, 8))
      columns['onset'].append(at * BEAT // 4)
      columns['duration'].append(length * BEAT // 4)
      columns['pitch'].append(low + int(rng.integers(0, 12)))
      columns['track'].append(voice)
      at += length + int(rng.integers(0, 2))
  tracks = [Track('', 0)] * 4
  return Notes.build(BEAT, columns | {'velocity': 64}, tracks=tracks)


def split(folder, tokenizer, pieces, controls=None):
  """Returns the cache split of pieces."""
  with cache.CacheWriter(
    folder, sizes=tokenizer.codec.sizes, tokenizer={}
  ) as writer:
    for number, notes in enumerate(pieces):
      told = (controls[number],) if controls else ()
      ids = tokenizer.encode(notes, *told)
      entry = {'name': f'{number}', 'digest': '', 'notes': len(notes)}
      writer.add('train', entry, ids, tokenizer.bar_steps(ids))
  return cache.TokenCache.open(folder)['train']


def batch(split, rows, steps, epoch=0):
  """Returns a batch whose rows hold whole pieces, given by their numbers."""
  fields = split.ids.shape[1]
  found = {
    'ids': np.zeros((len(rows), steps, fields), np.int32),
    'segments': np.zeros((len(rows), steps), np.int32),
    'positions': np.zeros((len(rows), steps), np.int32),
    'pieces': np.full((len(rows), steps), -1, np.int32),
    'epochs': np.full(len(rows), epoch, np.int32),
  }
  for row, numbers in enumerate(rows):
    at = 0
    for segment, number in enumerate(numbers, 1):
      ids = split[number]
      place = (row, slice(at, at + len(ids)))
      found['ids'][place] = ids
      found['segments'][place] = segment
      found['positions'][place] = np.arange(len(ids))
      found['pieces'][place] = number
      at += len(ids)
  return found


def pieces_of(split, rows, ids):
  """Returns the ids of each piece in a batch of whole pieces, in order."""
  found = []
  for row, numbers in enumerate(rows):
    at = 0
    for number in numbers:
      size = len(split[number])
      found.append((number, np.asarray(ids[row, at : at + size])))
      at += size
  return found
