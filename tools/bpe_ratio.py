"""How much shorter byte-pair encoding makes a folder, split into parts.

  python tools/bpe_ratio.py POP909 --tokenizer remi --merges 1024

Trains on FOLDER/train and counts steps of FOLDER/valid, which it has not
seen, before and after; every piece must come back exactly. CPU seconds are
those of this process, its threads included. `--save FILE` keeps the merges:
`--config.tokenizer.name=@FILE` trains on them, with
`--config.augment.transpose=0`, since merged ids cannot be transposed.
"""

import argparse
import dataclasses
import pathlib
import sys
import time
from collections.abc import Iterator

import numpy as np

from aurl_jax.core import config as config_lib
from aurl_jax.core import files
from aurl_jax.core.errors import AurlError
from aurl_jax.data import sources
from aurl_jax.experiment import inspect
from aurl_jax.tokens import bpe
from aurl_jax.tokens import tokenizer as tokenizer_lib


def ids_of(folder: pathlib.Path, tokenizer) -> Iterator[np.ndarray]:
  """Yields the ids of the MIDI files of a folder."""
  for source in sources.folder(folder):
    yield tokenizer.encode(source.read().notes)


def main() -> int:
  """Prints a line of numbers; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('folder', type=pathlib.Path)
  parser.add_argument('--tokenizer', default='remi')
  parser.add_argument('--merges', type=int, default=1024)
  parser.add_argument('--longest', type=int, default=8)
  parser.add_argument('--cells', type=int, help='cells a beat, of `remi`')
  parser.add_argument('--save', type=pathlib.Path, metavar='FILE')
  args = parser.parse_args()
  base = inspect.tokenizer_named(args.tokenizer)
  if args.cells:
    base = dataclasses.replace(base, cells_per_beat=args.cells)
  try:
    corpus = list(ids_of(args.folder / 'train', base))
    start = time.process_time()
    merged = bpe.train(base, corpus, merges=args.merges, longest=args.longest)
    trained = time.process_time() - start
    if args.save:
      section = tokenizer_lib.save(merged)
      files.write_atomic(args.save, config_lib.to_json(section))
    before = after = 0
    start = time.process_time()
    for ids in ids_of(args.folder / 'valid', base):
      short = merged.merge(ids)
      if not (merged.expand(short) == ids).all():
        print('a piece does not come back', file=sys.stderr)
        return 1
      before, after = before + len(ids), after + len(short)
  except AurlError as error:
    print(error, file=sys.stderr)
    return error.exit_code
  print(
    f'{args.tokenizer} {base.codec.sizes[0]} ids -> {merged.codec.sizes[0]}; '
    f'valid {before:,} steps -> {after:,} ({before / after:.2f} times shorter)'
    f'; training {trained:.1f} CPU s on {len(corpus)} pieces, '
    f'reading and merging {time.process_time() - start:.1f} CPU s'
  )
  return 0


if __name__ == '__main__':
  sys.exit(main())
