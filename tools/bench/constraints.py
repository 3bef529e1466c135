"""What wishes cost: decoding held to them against decoding without.

    python tools/bench/constraints.py [--rounds 5] [--batches 1,16]

The shipped `pop` writes eight bars, in turn under a set of wishes and without
any. One JSON line a set and a batch: steps a CPU second, `ratio` how much of
the speed is left (1 is a wish that costs nothing). Both sides are what decodes
on the device and brings ids back; a wish's tables and reports come on top, a
few ms a request and about one ms a piece.
"""

import argparse
import dataclasses
import sys

import harness

BARS, STEPS = 8, 384


def sets():
  """Returns typical wishes by name."""
  from aurl_jax.generation.wish import Wish

  ranges = (('piano', (40, 84)), ('bass', (28, 50)))
  key = {'key': 'C'}
  chords = {'chords': 'Am F | C G', 'meter': (4, 4)}
  players = {'instruments': ('piano', 'bass'), 'ranges': ranges}
  voicing = {'polyphony': 6, 'density': (4, 24), 'rhythm': '16'}
  return {
    'key': Wish(**key),
    'chords': Wish(**chords),
    'instruments': Wish(**players),
    'all': Wish(**key, **chords, **players, **voicing, tempo=100),
  }


def main() -> int:
  """Measures; returns the exit status."""
  import aurl_jax

  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--batches', default='1,16')
  parser.add_argument('--sets', default=','.join(sets()))
  args = parser.parse_args()
  model = aurl_jax.load('pop')
  for batch in map(int, args.batches.split(',')):
    for name in args.sets.split(','):
      harness.compare(
        f'constraints.pop.batch{batch}.{name}',
        'no wishes',
        'steps/s',
        ours=writes(model, batch, sets()[name]),
        theirs=writes(model, batch, None),
        rounds=args.rounds,
        clock=harness.CPU,
      )
  return 0


def writes(model, batch, wish):
  """Returns a round of work: new pieces, and the steps that it took."""
  from aurl_jax.generation import decode, wishing
  from aurl_jax.generation.prompt import Prompts

  request = wishing.settled(
    model.tokenizer,
    model.request(n=batch, bars=BARS, steps=STEPS, wish=wish),
  )
  prompt = Prompts(model.tokenizer).prompt(request)
  writer, rows = model.asked(request, prompt)
  seed = 0

  def work() -> int:
    nonlocal seed
    seed += batch
    seeds = list(range(seed, seed + batch))
    samples = decode.write(writer, dataclasses.replace(rows, seeds=seeds))
    # A batch takes as long as its longest piece.
    return max(len(sample.ids) for sample in samples) - len(prompt)

  return work


if __name__ == '__main__':
  sys.exit(main())
