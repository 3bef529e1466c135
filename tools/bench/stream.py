"""How fast a large MIDI file is streamed, and how much memory that takes.

  python tools/bench/stream.py [--beats=64] [--megabytes=30]

Makes a file of one track, 16 notes a beat by running status; prints a line
of JSON. Memory is the growth of the peak over a stream of one note.
"""

import argparse
import json
import pathlib
import resource
import struct
import tempfile
import time

from aurl_jax.music import midi
from aurl_jax.music.notes import Notes


def peak() -> int:
  """Returns the largest resident memory so far, in bytes."""
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def make(path: pathlib.Path, megabytes: int) -> None:
  """Writes the file."""
  notes = b''.join(
    struct.pack('6B', 0, pitch, 64, 30, pitch, 0) for pitch in range(40, 56)
  )
  body = b'\x00\x90\x1e\x40\x1e\x1e\x00' + notes * (megabytes * 1_000_000 // 96)
  body += b'\x00\xff\x2f\x00'
  head = struct.pack('>4sIHHH', b'MThd', 6, 0, 1, 480)
  path.write_bytes(head + struct.pack('>4sI', b'MTrk', len(body)) + body)


def main() -> None:
  """Measures."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--beats', type=int, default=64)
  parser.add_argument('--megabytes', type=int, default=30)
  args = parser.parse_args()
  with tempfile.TemporaryDirectory() as folder:
    small = pathlib.Path(folder, 'small.mid')
    large = pathlib.Path(folder, 'large.mid')
    midi.write(
      Notes.build(480, {'onset': 0, 'duration': 1, 'pitch': 60}), small
    )
    make(large, args.megabytes)
    list(midi.stream(small))
    before, start, notes = peak(), time.process_time(), 0
    for section in midi.stream(large, beats=args.beats):
      notes += len(section.notes)
    seconds = time.process_time() - start
  found = {
    'beats': args.beats,
    'notes': notes,
    'cpu_seconds': round(seconds, 2),
    'megabytes_a_cpu_second': round(args.megabytes / seconds, 2),
    'peak_grows_by': peak() - before,
  }
  print(json.dumps(found))


if __name__ == '__main__':
  main()
