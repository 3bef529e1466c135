"""The loader: tokens a CPU second, from a warm cache to arrays for a device.

  python tools/bench/loader.py [--rounds 5] [--pieces 2000]

A token is one integer of ids [time, field]. Ours is `data.pipeline.batches`:
batches of 16 rows of 1,024 steps, gathered, packed and masked, `ids`,
`segments`, `positions` and `pieces`, ready for `jax.device_put`. Pieces are
random ids of one field, of 400 to 4,000 steps. Peers read the same pieces:

- torch's DataLoader (no workers) over a memory-mapped array, an item a row
  of 1,024 steps in a row of the file; nothing is packed or masked.
- ours without looking for rot (`data.checks`), to tell what that costs.
- MidiTok's `DatasetJSON` and `DataCollator`, a file a piece, cut to 1,024.
"""

import argparse
import functools
import itertools
import json
import pathlib
import sys
import tempfile
from importlib import metadata

import harness
import numpy as np

ROWS, CONTEXT, IDS = 16, 1024, 500
_BATCHES = 50


def main() -> int:
  """Runs the comparisons; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--pieces', type=int, default=2000)
  args = parser.parse_args()
  random = np.random.default_rng(0)
  sizes = random.integers(400, 4000, args.pieces)
  pieces = [random.integers(1, IDS, (size, 1)) for size in sizes]
  compare = functools.partial(
    harness.compare,
    'loader',
    unit='tokens/CPU-s',
    rounds=args.rounds,
    clock=harness.CPU,
  )
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    ours = _ours(pieces, folder / 'tokens')
    compare('ours, unchecked', ours=ours, theirs=_unchecked(folder / 'tokens'))
    try:
      import torch

      theirs = _torch(folder / 'tokens' / 'train' / 'ids.npy')
      compare(f'torch {torch.__version__} memmap', ours=ours, theirs=theirs)
      peer = f'miditok {metadata.version("miditok")} DatasetJSON'
      theirs = _miditok(pieces[:300], folder / 'json')
      compare(peer, ours=ours, theirs=theirs)
    except ImportError as error:
      return harness.missing(str(error.name))
  return 0


def _ours(pieces: list[np.ndarray], folder: pathlib.Path):
  from aurl_jax.data import cache

  with cache.CacheWriter(folder, sizes=(IDS,), tokenizer={}) as writer:
    for number, ids in enumerate(pieces):
      entry = {'name': str(number), 'digest': '', 'notes': 1}
      writer.add('train', entry, ids, np.arange(1, len(ids), 80))
  return _take(folder)


def _take(folder: pathlib.Path):
  from aurl_jax.data import cache, pipeline

  rows = iter(
    pipeline.batches(
      cache.TokenCache.open(folder), 'train', batch_size=ROWS, context=CONTEXT
    )
  )

  def work() -> int:
    return sum(next(rows)['ids'].size for _ in range(_BATCHES))

  return work


def _unchecked(folder: pathlib.Path):
  from aurl_jax.data import checks

  work, sound = _take(folder), checks.Checker.sound

  def unchecked() -> int:
    checks.Checker.sound = lambda self, rows, number: (rows, [])
    try:
      return work()
    finally:
      checks.Checker.sound = sound

  return unchecked


def _torch(path: pathlib.Path):
  import torch

  ids = np.load(path, mmap_mode='r')[:, 0]

  class Rows(torch.utils.data.Dataset):
    def __len__(self) -> int:
      return len(ids) // CONTEXT

    def __getitem__(self, row: int):
      values = ids[row * CONTEXT : (row + 1) * CONTEXT]
      return torch.from_numpy(values.astype(np.int64))

  torch.set_num_threads(1)
  loader = torch.utils.data.DataLoader(
    Rows(), batch_size=ROWS, shuffle=True, drop_last=True
  )

  def work() -> int:
    batches = itertools.islice(loader, _BATCHES)
    return sum(batch.numel() for batch in batches)

  return work


def _miditok(pieces: list[np.ndarray], folder: pathlib.Path):
  from miditok.pytorch_data import DataCollator, DatasetJSON
  from torch.utils.data import DataLoader

  folder.mkdir()
  paths = []
  for number, ids in enumerate(pieces):
    paths.append(folder / f'{number}.json')
    paths[-1].write_text(json.dumps({'ids': ids[:, 0].tolist()}))
  loader = DataLoader(
    DatasetJSON(paths, CONTEXT),
    batch_size=ROWS,
    shuffle=True,
    drop_last=True,
    collate_fn=DataCollator(0),
  )

  def work() -> int:
    return sum(int(b['attention_mask'].sum()) for b in loader)

  return work


if __name__ == '__main__':
  sys.exit(main())
