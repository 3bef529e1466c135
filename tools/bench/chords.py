"""Chords and local keys, files a second on one core.

  python tools/bench/chords.py [FOLDER] [--files 40] [--rounds 3]

FOLDER holds MIDI files (POP909; by default `pop909` in AURL_DATA). A round
hears all files; reading them is not counted. One JSON line for each way:
`template`, without weights, and `learned`. CPU seconds of the process are
counted, after a round that warms up; BLAS may have one thread only
(OPENBLAS_NUM_THREADS=1, or a process bound to one core).
"""

import argparse
import json
import os
import pathlib
import statistics
import sys

import harness

from aurl_jax.music import midi
from aurl_jax.studies.chords.listener import Listener


def main() -> int:
  """Prints the lines; returns the exit status."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  data = pathlib.Path(os.environ.get('AURL_DATA', '../shared/data'))
  parser.add_argument(
    'folder', nargs='?', type=pathlib.Path, default=data / 'pop909'
  )
  parser.add_argument('--files', type=int, default=40)
  parser.add_argument('--rounds', type=int, default=3)
  args = parser.parse_args()
  paths = sorted(args.folder.rglob('*.mid'))[: args.files]
  if not paths:
    sys.exit(f'no MIDI files in {args.folder}; give a folder or set AURL_DATA')
  pieces = [midi.read(path).notes for path in paths]
  ways = {'template': Listener.plain(), 'learned': Listener()}
  for name, listener in ways.items():

    def heard(listener: Listener = listener) -> int:
      for piece in pieces:
        listener.hear(piece)
      return len(pieces)

    heard()
    rates = [harness.rate(heard, harness.CPU) for _ in range(args.rounds)]
    line = {'bench': f'chords.{name}', 'unit': 'files/s', 'files': len(paths)}
    line['ours'] = round(statistics.median(rates), 1)
    print(json.dumps(line), flush=True)
  return 0


if __name__ == '__main__':
  sys.exit(main())
