"""Speculation by bar lookup against plain decoding, on the shipped `pop`.

    python tools/bench/speculate.py [--guess 4] [--temperature 0.95]

Continues four bars of one figure, played twice, by eight bars; prints one JSON
line, in steps of a piece a CPU second. `ratio` above 1 is what speculation
gains. To stderr goes how many steps a pass of the network gave.
"""

import argparse
import sys

import harness
import numpy as np

BARS, STEPS = 8, 1024
_FIGURE = (0, 7, 12, 16, 19, 16, 12, 7)
_ROOTS = (48, 43, 45, 41)


def prompt():
  """Returns eight bars: broken chords, and a tune above, both twice."""
  from aurl_jax.music.notes import Notes, Track

  cells = np.arange(8 * 16)
  bars = cells // 16 % len(_ROOTS)
  low = np.array(_ROOTS)[bars] + np.array(_FIGURE)[cells // 2 % 8]
  left = cells[::2], np.full(64, 2), low[::2], np.full(64, 1)
  tune = np.array([76, 74, 72, 67])[bars[::8]] - 2 * (cells[::8] // 8 % 2)
  right = cells[::8], np.full(16, 8), tune, np.zeros(16, int)
  names = ('onset', 'duration', 'pitch', 'track')
  columns = {
    name: np.concatenate(pair)
    for name, pair in zip(names, zip(right, left, strict=True), strict=True)
  }
  tracks = [Track(program=0), Track(program=0)]
  return Notes.build(4, columns, tracks=tracks, meters=[(0, 4, 4)])


def main() -> int:
  """Measures; returns the exit status."""
  import aurl_jax
  from aurl_jax.generation import speculate
  from aurl_jax.generation.prompt import Prompts

  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--guess', type=int, default=4)
  parser.add_argument('--temperature', type=float, default=0.95)
  parser.add_argument('--rounds', type=int, default=3)
  args = parser.parse_args()
  model = aurl_jax.load('pop')
  request = model.request(
    bars=BARS, steps=STEPS, temperature=args.temperature, prompt=prompt()
  )
  ids = Prompts(model.tokenizer).prompt(request)
  writer, batch = model.asked(request, ids)
  codec = model.tokenizer.codec
  found = speculate.speculate(writer, batch, codec, args.guess)[0]
  plain = model.generate(request)[0]
  steps = len(plain.ids) - len(ids)
  if not np.array_equal(found.sample.ids, plain.ids):
    print('rounding has led to another piece', file=sys.stderr)
  print(f'{steps / found.passes:.2f} steps a pass', file=sys.stderr)

  def guessed() -> int:
    speculate.speculate(writer, batch, codec, args.guess)
    return len(found.sample.ids) - len(ids)

  def drawn() -> int:
    model.generate(request)
    return steps

  harness.compare(
    f'speculate.pop.{args.temperature:g}.guess{args.guess}',
    'plain decoding',
    'steps/s',
    ours=guessed,
    theirs=drawn,
    rounds=args.rounds,
    clock=harness.CPU,
  )
  return 0


if __name__ == '__main__':
  sys.exit(main())
