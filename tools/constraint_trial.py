"""Pieces under wishes that can be kept, drawn by chance, judged one by one.

  python tools/constraint_trial.py --pieces 2000 [--models pop,chorale]

Wishes come with a piece that keeps them (`tests/generation/witnesses.py`), so
all of them can be kept. They are put to the shipped models and to untrained
ones of each tokenization, many requests in a batch, and every piece is judged
by the recogniser and by ear. Prints a line of JSON a model: how many pieces
were written, are legal, end inside their budget on a bar line, keep all their
rules (of `hard`, which have to), and were reported as they are heard; how many
wishes that nothing can keep were refused by name; and what failed, with the
kind and the seed of its witness. Exits with 1 if anything did.
"""

import argparse
import json
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import aurl_jax  # noqa: E402
from aurl_jax.deploy import bundle  # noqa: E402
from aurl_jax.deploy.composer import Composer  # noqa: E402
from aurl_jax.parallel import host  # noqa: E402
from aurl_jax.tokens.compound import Compound  # noqa: E402
from aurl_jax.tokens.grid import VoiceGrid  # noqa: E402
from aurl_jax.tokens.remi import Remi  # noqa: E402
from tests.generation import trial, witnesses, writers  # noqa: E402

_SMALL = {'voices': 2, 'cells_per_beat': 4, 'bar_beats': 4}
UNTRAINED = {
  'compound': Compound(**_SMALL),
  'remi': Remi(**_SMALL),
  'grid': VoiceGrid(),
}


def main(argv: Sequence[str] | None = None) -> int:
  """Runs the trial; returns the exit status."""
  names = [*bundle.shipped(), *UNTRAINED]
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument(
    '--pieces', type=int, default=400, help='of each model, at least'
  )
  parser.add_argument('--rows', type=int, default=64, help='of a batch')
  parser.add_argument('--models', default=','.join(names))
  parser.add_argument('--kinds', default=','.join(witnesses.KINDS))
  parser.add_argument('--bars', type=int, default=4, help='at most')
  parser.add_argument('--seed', type=int, default=0)
  args = parser.parse_args(argv)
  # Compiling takes longer than writing.
  host.compile_lightly()
  failed = False
  for name in args.models.split(','):
    line = run(name, args)
    print(json.dumps(line), flush=True)
    failed |= bool(line['failures'])
  return int(failed)


def composer_of(name: str) -> Composer:
  """Returns a shipped model, or an untrained one of a tokenization."""
  if name not in UNTRAINED:
    return aurl_jax.load(name)
  model, params = writers.small(UNTRAINED[name])
  return Composer(model=model, params=params, tokenizer=UNTRAINED[name])


def run(name: str, args: argparse.Namespace) -> dict[str, Any]:
  """Returns the line of a model."""
  composer, tally = composer_of(name), trial.Tally()
  kinds = [kind for kind in args.kinds.split(',') if _has(composer, kind)]
  start = time.monotonic()
  for index, kind in enumerate(kinds):
    # As many of each kind, as far as that goes.
    due = args.pieces * (index + 1) // len(kinds)
    seed = args.seed
    while tally.pieces < due:
      # Whole batches alone: another size is another program.
      seed = trial.write(composer, kind, seed, args.rows, tally, args.bars)
      told = f'{name}, {kind}: {tally.pieces} pieces'
      wrong = tally.failures[-1:] or ''
      print(f'{told}, {len(tally.failures)} wrong {wrong}', file=sys.stderr)
  trial.refuse(composer, range(args.seed, args.seed + args.pieces), tally)
  seconds = round(time.monotonic() - start, 1)
  return {'model': name, **tally.line(), 'seconds': seconds}


def _has(composer: Composer, kind: str) -> bool:
  """Whether a tokenization can be asked for a kind of wishes."""
  if kind == 'tracks':
    # Each voice of a grid is one.
    return not isinstance(composer.tokenizer, VoiceGrid)
  # Remi is held to what is given only where it has learnt to read it.
  return kind != 'given' or not isinstance(composer.tokenizer, Remi)


if __name__ == '__main__':
  sys.exit(main())
