"""MIDI bytes to arrays, files a second on one core; broken files, ms a 100 kB.

  python tools/bench/reader.py [FOLDER] [--files 20] [--rounds 5]

FOLDER holds data sets, each a folder of MIDI files (by default AURL_DATA; a
folder `broken_midi` beside it holds the broken ones). So many files of each
set, taken by a shuffle of seed 0, make the mix, less those that symusic
refuses. Both sides read the same bytes from memory in this process; CPU
seconds are counted. Ours is `music.midi.read`: `Notes` with all columns,
tables, texts and names, and all that is wrong with the file. Peers:

- symusic, notes: `Score.from_midi(data)`, then `track.notes.numpy()` of each
  track: four arrays a track. No tempos, meters, keys, controls or bends are
  asked for, no tracks are joined, nothing is validated.
- symusic, tables: the same, and `.numpy()` of controls, bends, tempos, meters
  and keys, names, programs and drum flags: what `Notes` holds.
- symusic, parse: `Score.from_midi(data)` alone.

One JSON line for the mix, then one for each set against the first peer. Of
broken files: milliseconds a 100 kB as total and median, 95th percentile and
largest of the files of at least 10 kB, each the fastest of three readings.
"""

import argparse
import contextlib
import json
import os
import pathlib
import random
import sys
import time
from importlib import metadata

import harness
import numpy as np
import symusic

from aurl_jax.core.errors import MidiError
from aurl_jax.music import midi, midi_native

_LEAST_BYTES = 10_000
"""Smaller files take longer to call than to read."""


def main() -> int:
  """Runs the comparisons; returns the exit status."""
  args = _arguments()
  sets = _sets(args.folder, args.files)
  mix = [song for songs in sets.values() for song in songs]
  _load(mix[0])
  name = f'symusic {metadata.version("symusic")}'
  peers = {'notes': _notes, 'tables': _tables, 'parse': symusic.Score.from_midi}
  for what, theirs in peers.items():
    _compare('reader', f'{name}, {what}', mix, theirs, args.rounds)
  for folder, songs in sets.items():
    _compare(f'reader.{folder}', f'{name}, notes', songs, _notes, args.rounds)
  _broken(args.folder.parent / 'broken_midi')
  return 0


def _arguments() -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  data = pathlib.Path(os.environ.get('AURL_DATA', '../shared/data'))
  parser.add_argument('folder', nargs='?', type=pathlib.Path, default=data)
  parser.add_argument('--files', type=int, default=20)
  parser.add_argument('--rounds', type=int, default=5)
  return parser.parse_args()


def _sets(folder: pathlib.Path, count: int) -> dict[str, list[bytes]]:
  found = {}
  for part in sorted(path for path in folder.iterdir() if path.is_dir()):
    paths = sorted(part.rglob('*.mid'))
    random.Random(0).shuffle(paths)
    songs = [path.read_bytes() for path in paths[:count]]
    songs = [song for song in songs if _is_readable(song)]
    if songs:
      found[part.name] = songs
  if not found:
    sys.exit(f'no MIDI files in folders of {folder}; set AURL_DATA')
  return found


def _is_readable(song: bytes) -> bool:
  with contextlib.suppress(RuntimeError, ValueError):
    symusic.Score.from_midi(song)
    return True
  return False


def _load(song: bytes) -> None:
  """Loads the compiled loops, which comes once in a process."""
  start = harness.CPU()
  while not midi_native.pays(1 << 20, 1e-6):
    midi.read(song)
  midi.read(song)
  print(json.dumps({'bench': 'reader.load', 'cpu_s': harness.CPU() - start}))


def _compare(bench, peer, songs, theirs, rounds) -> None:
  harness.compare(
    bench,
    peer,
    'files/s',
    ours=lambda: _each(songs, midi.read),
    theirs=lambda: _each(songs, theirs),
    rounds=rounds,
    clock=harness.CPU,
  )


def _each(songs, work) -> int:
  for song in songs:
    work(song)
  return len(songs)


def _notes(song: bytes):
  return [track.notes.numpy() for track in symusic.Score.from_midi(song).tracks]


def _tables(song: bytes):
  score = symusic.Score.from_midi(song)
  tables = [score.tempos, score.time_signatures, score.key_signatures]
  tracks = [
    (
      track.name,
      track.program,
      track.is_drum,
      track.notes.numpy(),
      track.controls.numpy(),
      track.pitch_bends.numpy(),
    )
    for track in score.tracks
  ]
  return tracks, [table.numpy() for table in tables]


def _broken(folder: pathlib.Path) -> None:
  files = [(path.name, path.read_bytes()) for path in folder.glob('*.mid')]
  if not files:
    print(f'no broken files at {folder}', file=sys.stderr)
    return
  times = {name: min(_time(data) for _ in range(3)) for name, data in files}
  large = {
    name: times[name] / len(data) * 1e8
    for name, data in files
    if len(data) >= _LEAST_BYTES
  }
  size = sum(len(data) for _, data in files)
  worst = max(large, key=lambda name: large[name])
  median, late = np.percentile(list(large.values()), [50, 95])
  line = {
    'bench': 'reader.broken',
    'unit': 'ms a 100 kB',
    'files': len(files),
    'total': round(sum(times.values()) / size * 1e8, 2),
    'large_files': len(large),
    'median': round(float(median), 2),
    'p95': round(float(late), 2),
    'max': round(large[worst], 2),
    'worst': worst,
  }
  print(json.dumps(line))


def _time(data: bytes) -> float:
  start = time.process_time()
  with contextlib.suppress(MidiError):
    midi.read(data)
  return time.process_time() - start


if __name__ == '__main__':
  sys.exit(main())
