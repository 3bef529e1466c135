"""Bytes that are meant to cost a reader time or memory, of any size."""

import json
import pathlib
import random
import sys
import time

from aurl_jax.core.errors import MidiError
from aurl_jax.music import midi, midi_native
from tests.music import smf


def _track(body):
  return lambda size: smf.file(smf.chunk(body * (size // len(body))))


def _behind(body):
  """Behind a note-on, so that there is a running status."""
  start = b'\0\x90\x3c\x40'
  return lambda size: smf.file(
    smf.chunk(start + body * (size // len(body)) + b'\0' + smf.END)
  )


KINDS = {
  'running note-ons': _behind(b'\0\x3c\x40'),
  'running note-ons of all pitches': _behind(
    b''.join(bytes([0, pitch, 64]) for pitch in range(128))
  ),
  'controls': _behind(b'\0\xb0\x07\x40'),
  'controls that wait': _behind(
    b''.join(bytes([0, 0xC1, p, 0, 0xB1, 7, 64]) for p in range(128))
  ),
  'programs': _behind(
    b''.join(
      bytes([0, 0xC0, p, 0, 0x90, 60, 64, 0, 0x80, 60, 0]) for p in range(128)
    )
  ),
  'zeros': _track(b'\0'),
  'ones': _track(b'\xff'),
  'endless numbers': _track(b'\x80'),
  'clocks': _track(b'\0\xf8'),
  'data bytes too high': _behind(b'\0\x90\xbc\xc0'),
  'running status behind metas': _behind(b'\0\xff\x01\0\0\x3c\x40'),
  'empty metas': _track(b'\0\xff\x01\0'),
  'lyrics': _behind(b'\0\xff\x05\x01a'),
  'tempos': _behind(b'\0\xff\x51\x03\x07\xa1\x20'),
  'open exclusive events': _track(b'\0\xf0\x01\x41'),
  'ends': _track(b'\0' + smf.END),
  'tiny tracks': lambda size: smf.file(*[smf.track()] * min(size // 12, 65535)),
  'a million tracks': lambda size: (
    smf.file(count=1) + smf.track() * (size // 12)
  ),
  'headers': lambda size: smf.file() * (size // 14),
  'names of chunks': lambda size: b'MTrk' * (size // 4),
  'random bytes': lambda size: smf.file(
    smf.chunk(random.Random(0).randbytes(size))
  ),
}
"""Name -> a function from a size in bytes to a file."""


def main():
  """Reads one kind at one size and prints what it cost.

  python -m tests.music.hostile KIND BYTES
  """

  def memory(name):
    status = pathlib.Path('/proc/self/status').read_text()
    line = next(line for line in status.splitlines() if name in line)
    return int(line.split()[1]) / 1000

  while not midi_native.pays(1 << 20, 1e-6):
    continue
  midi.read(smf.file(smf.track(*smf.NOTE)))
  for size in map(int, sys.argv[2:]):
    data = KINDS[sys.argv[1]](size)
    pathlib.Path('/proc/self/clear_refs').write_text('5')
    before, start = memory('VmRSS'), time.process_time()
    try:
      reading = midi.read(data)
      outcome = f'{len(reading.notes)} notes, {len(reading.issues)} issues'
    except MidiError as error:
      outcome = f'refused: {error.code}'
    seconds = time.process_time() - start
    row = {
      'kind': sys.argv[1], 'bytes': len(data), 'seconds': round(seconds, 3),
      'megabytes': memory('VmHWM') - before, 'outcome': outcome,
    }  # fmt: skip
    reading = None
    print(json.dumps(row), flush=True)


if __name__ == '__main__':
  main()
