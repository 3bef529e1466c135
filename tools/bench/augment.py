"""Augmentation: transposition and loudness, notes a CPU second on one core.

  taskset -c 0 python tools/bench/augment.py [FOLDER] [--rounds 5]

FOLDER holds MIDI files (POP909; by default `pop909` in AURL_DATA). Ours is
the jitted `data.augment.Augmenter` with transposition and velocity, on a
batch of 64 packed rows of 1,024 compound steps, a note a step or nearly (the
steps that are no notes do not count), as training runs it: drawn for each
piece, ids in, ids out. Peers:

- MidiTok's `augment_score` with a pitch and a velocity offset, on symusic
  Scores that are parsed already; it makes no ids.
- numpy: the same change of the same batch by the same rules, with arrays
  drawn by `numpy.random.Generator`, written with care (one gather a batch,
  work in place where it can be).

One thread each: the flags below are set before jax is imported.
"""

import argparse
import functools
import os
import pathlib
import sys
import tempfile
from importlib import metadata

os.environ['XLA_FLAGS'] = '--xla_cpu_multi_thread_eigen=false'

import harness
import numpy as np

ROWS, CONTEXT = 64, 1024
SEMITONES, BINS = 12, 4
_CALLS = 20


def main() -> int:
  """Runs the comparisons; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  home = pathlib.Path(os.environ.get('AURL_DATA', '../shared/data'))
  parser.add_argument('folder', nargs='?', default=home / 'pop909')
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--files', type=int, default=40)
  args = parser.parse_args()
  paths = sorted(pathlib.Path(args.folder).rglob('*.mid'))[: args.files]
  if not paths:
    return harness.missing(f'MIDI files in {args.folder}')
  compare = functools.partial(
    harness.compare,
    'augment',
    unit='notes/CPU-s',
    rounds=args.rounds,
    clock=harness.CPU,
  )
  with tempfile.TemporaryDirectory() as folder:
    ours, other = _sides(paths, pathlib.Path(folder))
    compare(f'numpy {np.__version__}', ours=ours, theirs=other)
    try:
      theirs = _miditok(paths)
    except ImportError:
      return harness.missing('miditok')
    compare(f'miditok {metadata.version("miditok")}', ours=ours, theirs=theirs)
  return 0


def _sides(paths: list[pathlib.Path], folder: pathlib.Path):
  """Returns our work and numpy's, on one batch."""
  import jax

  from aurl_jax.data import augment, cache, pipeline, rooms
  from aurl_jax.music import midi
  from aurl_jax.parallel import host
  from aurl_jax.tokens.compound import Compound

  host.keep_memory()
  tokenizer = Compound()
  with cache.CacheWriter(
    folder / 'tokens', sizes=tokenizer.codec.sizes, tokenizer={}
  ) as writer:
    for path in paths:
      notes = midi.read(path).notes
      ids = tokenizer.encode(notes)
      entry = {'name': path.name, 'digest': '', 'notes': len(notes)}
      writer.add('train', entry, ids, tokenizer.bar_steps(ids))
  split = cache.TokenCache.open(folder)['train']
  found = rooms.measure(split, tokenizer.codec, tokenizer.grid)
  options = {'batch_size': ROWS, 'context': CONTEXT}
  batches = pipeline.batches(cache.TokenCache.open(folder), 'train', **options)
  batch = next(iter(batches))
  notes = int((batch['ids'][..., 3] > 0).sum())
  config = augment.AugmentConfig(transpose=SEMITONES, velocity=BINS)
  change = jax.jit(augment.Augmenter(config, tokenizer, found))
  on_device = jax.device_put(batch)
  key = jax.random.key(0)

  def ours() -> int:
    for step in range(_CALLS):
      made = change(on_device, key, step)['ids']
    made.block_until_ready()
    return _CALLS * notes

  def theirs() -> int:
    for step in range(_CALLS):
      _numpy(batch, tokenizer.codec, found, step)
    return _CALLS * notes

  return ours, theirs


def _numpy(batch, codec, found, seed: int) -> np.ndarray:
  """Does what ours does: transposition and velocity within the rooms."""
  count = len(found)
  random = np.random.default_rng([seed, int(batch['epochs'][0])])
  low = np.maximum(found.pitch[:, 0], -SEMITONES)
  high = np.minimum(found.pitch[:, 1], SEMITONES)
  shift = random.integers(low, high + 1).astype(np.int32)
  louder = random.integers(-BINS, BINS + 1, count).astype(np.int32)
  last = found.velocity_bins - 1
  soft, loud = -found.velocity[:, 0], last - found.velocity[:, 1]
  new_soft = np.clip(soft + louder, 0, last)
  new_loud = np.clip(loud + louder, 0, last)
  scale = ((new_loud - new_soft) / np.maximum(loud - soft, 1)).astype(
    np.float32
  )
  ids, piece = batch['ids'].copy(), batch['pieces']
  first, end = codec.span('pitch', 3)
  pitch = ids[..., 3]
  moved = shift.take(piece, mode='clip')
  moved *= (pitch >= first) & (pitch < end)
  pitch += moved
  velocity = ids[..., 5]
  told = velocity > 0
  bins = (velocity - 1 - soft.take(piece, mode='clip')).astype(np.float32)
  bins *= scale.take(piece, mode='clip')
  new = np.rint(bins).astype(np.int32) + new_soft.take(piece, mode='clip') + 1
  np.copyto(velocity, new, where=told)
  return ids


def _miditok(paths: list[pathlib.Path]):
  """Returns the peer's work."""
  import symusic
  from miditok.data_augmentation.data_augmentation import augment_score

  scores = [symusic.Score(path) for path in paths[:10]]
  notes = sum(len(track.notes) for score in scores for track in score.tracks)
  random = np.random.default_rng(0)

  def theirs() -> int:
    for score in scores:
      # Ours draws within the room; theirs would crash beyond it.
      pitch = int(random.integers(-SEMITONES, SEMITONES + 1))
      augment_score(score, pitch or 1, int(random.integers(1, 4 * BINS)))
    return notes

  return theirs


if __name__ == '__main__':
  sys.exit(main())
