"""A small cache, and what tells two streams of batches apart."""

import hashlib
import itertools

import numpy as np

from aurl_jax.data import cache

FIELDS = 2


def corpus(sizes, seed=0):
  rng = np.random.default_rng(seed)
  return [
    rng.integers(1, 40, (int(size), FIELDS)).astype(np.int32) for size in sizes
  ]


def write(folder, pieces, bar=8):
  """Writes a cache with a bar start every few steps; notes are steps."""
  with cache.CacheWriter(folder, sizes=(40,) * FIELDS, tokenizer={}) as writer:
    for index, ids in enumerate(pieces):
      entry = {'name': f'p{index}', 'digest': '', 'notes': len(ids)}
      writer.add('train', entry, ids, np.arange(1, len(ids), bar))
  return cache.TokenCache.open(folder)


def rot(tokens, piece, step=0):
  """Flips a bit of a piece where it lies on the disk; the map shows it."""
  split = tokens['train']
  path = split.folder / 'ids.npy'
  data = path.stat().st_size - split.ids.nbytes
  at = int(split.offsets[piece]) + step
  with open(path, 'r+b') as file:
    file.seek(data + at * FIELDS * split.ids.itemsize)
    byte = file.read(1)
    file.seek(-1, 1)
    file.write(bytes([byte[0] ^ 64]))


def digest(batch):
  """Returns the sha256 of all that a batch holds."""
  sha = hashlib.sha256()
  for name in sorted(batch):
    array = np.ascontiguousarray(batch[name])
    sha.update(f'{name} {array.dtype} {array.shape}'.encode())
    sha.update(array.tobytes())
  return sha.hexdigest()


def digests(iterator, count=None):
  return [digest(batch) for batch in itertools.islice(iterator, count)]


def joined(shares):
  """Returns the global batches of what several processes were given."""
  return [
    {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    for parts in zip(*shares, strict=True)
  ]
