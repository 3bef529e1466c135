"""Augmentation: transposition and loudness, notes a CPU second on one core.

  taskset -c 0 python tools/bench/augment.py [FOLDER] [--rounds 5]

FOLDER holds MIDI files (POP909; by default `pop909` in AURL_DATA), of which
those of one tempo are taken. Ours is the jitted `data.augment.Augmenter` with
transposition and velocity, on a batch of 64 packed rows of 1,024 steps, as
training runs it: drawn for each piece, ids in, ids out; once of compound
steps, nearly all of them notes, and once of REMI, where a note is several
steps. Steps that are no notes do not count. Peers:

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
  parser.add_argument('--files', type=int, default=100)
  args = parser.parse_args()
  paths = sorted(pathlib.Path(args.folder).rglob('*.mid'))[: args.files]
  if not paths:
    return harness.missing(f'MIDI files in {args.folder}')
  compare = functools.partial(
    harness.compare,
    unit='notes/CPU-s',
    rounds=args.rounds,
    clock=harness.CPU,
  )
  try:
    theirs = _miditok(paths)
  except ImportError:
    return harness.missing('miditok')
  for name in ('compound', 'remi'):
    with tempfile.TemporaryDirectory() as folder:
      ours, other = _sides(name, paths, pathlib.Path(folder))
      peer = f'numpy {np.__version__}'
      compare(f'augment.{name}', peer, ours=ours, theirs=other)
      peer = f'miditok {metadata.version("miditok")}'
      compare(f'augment.{name}', peer, ours=ours, theirs=theirs)
  return 0


def _sides(name: str, paths: list[pathlib.Path], folder: pathlib.Path):
  """Returns our work and numpy's, on one batch."""
  import jax

  from aurl_jax.data import augment, cache, pipeline, rooms
  from aurl_jax.music import midi
  from aurl_jax.parallel import host
  from aurl_jax.tokens.compound import Compound
  from aurl_jax.tokens.remi import Remi

  host.keep_memory()
  tokenizer = {'compound': Compound, 'remi': Remi}[name]()
  with cache.CacheWriter(
    folder / 'tokens', sizes=tokenizer.codec.sizes, tokenizer={}
  ) as writer:
    for path in paths:
      notes = midi.read(path).notes
      if len(notes.tempos) > 1:
        continue
      ids = tokenizer.encode(notes)
      entry = {'name': path.name, 'digest': '', 'notes': len(notes)}
      writer.add('train', entry, ids, tokenizer.bar_steps(ids))
  split = cache.TokenCache.open(folder)['train']
  found = rooms.measure(split, tokenizer.codec, tokenizer.grid)
  options = {'batch_size': ROWS, 'context': CONTEXT}
  batches = pipeline.batches(cache.TokenCache.open(folder), 'train', **options)
  batch = next(iter(batches))
  place = _place(tokenizer.codec, 'velocity')
  velocity = batch['ids'][..., place]
  notes = int(tokenizer.codec.holds('velocity', velocity, place).sum())
  config = augment.AugmentConfig(transpose=SEMITONES, velocity=BINS)
  augmenter = augment.Augmenter(config, tokenizer, found)
  change = jax.jit(lambda *inputs: augmenter(*inputs)['ids'])
  on_device = jax.device_put(batch)
  key = jax.random.key(0)

  def ours() -> int:
    for step in range(_CALLS):
      made = change(on_device, key, step)
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
  place = _place(codec, 'pitch')
  first, end = codec.span('pitch', place)
  pitch = ids[..., place]
  moved = shift.take(piece, mode='clip')
  moved *= (pitch >= first) & (pitch < end)
  pitch += moved
  place = _place(codec, 'velocity')
  first, end = codec.span('velocity', place)
  velocity = ids[..., place]
  told = (velocity >= first) & (velocity < end)
  bins = (velocity - first - soft.take(piece, mode='clip')).astype(np.float32)
  bins *= scale.take(piece, mode='clip')
  new = np.rint(bins).astype(np.int32) + new_soft.take(piece, mode='clip')
  np.copyto(velocity, new + first, where=told)
  return ids


def _place(codec, event: str) -> int:
  """Returns the field that holds an event."""
  return next(n for n, f in enumerate(codec.fields) if event in f.by_event)


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
