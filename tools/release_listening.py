"""The listening test of a release: shipped models against music of people.

  python tools/release_listening.py --out tests_of_release

For each model that has bounds (`tools/quality_bounds.py`), a folder with
`people`, excerpts of eight bars of music that it was not trained on,
`model`, as many pieces of its own, and `test`, which `aurl listen serve` opens:
20 pairs, which of the two is better, no one told which is which. Nothing is
rated here: that takes people. `aurl listen plan ab 0.65` says how many.
"""

import argparse
import json
import os
import pathlib
import sys
from collections.abc import Sequence

import numpy as np
import quality_bounds

import aurl_jax
from aurl_jax.listening import make
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes


def main(argv: Sequence[str] | None = None) -> int:
  """Makes the tests and prints a line of JSON each."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('models', nargs='*', default=[*quality_bounds.CORPORA])
  parser.add_argument('--pairs', type=int, default=20)
  parser.add_argument('--seconds', type=float, default=15.0)
  parser.add_argument('--seed', type=int, default=2026)
  parser.add_argument('--out', type=pathlib.Path, required=True)
  parser.add_argument('--plain', action='store_true', help='no sound font')
  args = parser.parse_args(argv)
  default = quality_bounds.ROOT.parent / 'shared' / 'data'
  data = pathlib.Path(os.environ.get('AURL_DATA', default))
  for name in args.models:
    home = args.out / name
    people = quality_bounds.CORPORA[name](data)
    save(drawn(people, args.pairs, args.seed), home / 'people')
    save(written(name, args.pairs, args.seed), home / 'model')
    wish = make.Wish(
      kind='ab',
      systems={'model': str(home / 'model')},
      reference=str(home / 'people'),
      pairs=args.pairs,
      seconds=args.seconds,
      seed=args.seed,
      ties=True,
      title=f'Which of two? ({name})',
      plain=args.plain,
    )
    test = make.make(wish, home / 'test')
    facts = {'model': name, 'test': str(home / 'test')}
    facts |= {'trials': len(test.trials), 'clips': len(test.clips)}
    print(json.dumps(facts), flush=True)
  return 0


def drawn(pieces: Sequence[Notes], count: int, seed: int) -> list[Notes]:
  """Returns so many of them, each once."""
  chosen = np.random.default_rng(seed).permutation(len(pieces))[:count]
  return [pieces[i] for i in chosen.tolist()]


def written(name: str, count: int, seed: int) -> list[Notes]:
  """Returns pieces of a shipped model, as long as the excerpts."""
  composer = aurl_jax.load(name)
  asked = composer.request(n=count, bars=quality_bounds.BARS, seed=seed)
  return [piece.notes for piece in composer.generate(asked)]


def save(pieces: Sequence[Notes], folder: pathlib.Path) -> None:
  """Writes MIDI files whose names tell nothing but their number."""
  folder.mkdir(parents=True, exist_ok=True)
  for number, notes in enumerate(pieces):
    midi.write(notes, folder / f'{number:03}.mid')


if __name__ == '__main__':
  sys.exit(main())
