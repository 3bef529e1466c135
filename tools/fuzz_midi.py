"""Fuzzing of the MIDI reader, led by what its code does (atheris).

  pip install atheris
  python tools/fuzz_midi.py CORPUS [SEEDS] -max_total_time=3600 -max_len=4096

Inputs that reach new code are kept in CORPUS, so that a run can be broken off
and gone on with; the other folders are only read (sound and broken MIDI files).
All flags are libFuzzer's; atheris grows by 25 kB an input (the reader alone
stays at 114 MB), so that an hour is several runs or takes `-rss_limit_mb=8000`.
Loops that numba would compile run as Python, so that they are followed, too,
and an index out of bounds is an error.

With FUZZ_COMPILED_WAY=1 in the environment, the way of large files is taken.

Bytes are read (or refused with a `MidiError`), what was read is checked and
written, and what was written must be read back as it was, without any fault.
Anything else ends the run, and the input is saved as `crash-...`.
"""

import os
import sys

os.environ['NUMBA_DISABLE_JIT'] = '1'

import atheris

with atheris.instrument_imports(include=['aurl_jax.music']):
  from aurl_jax.core.errors import MidiError
  from aurl_jax.music import midi, midi_native

_COMPILED = bool(os.environ.get('FUZZ_COMPILED_WAY'))


def judge(data: bytes) -> None:
  """Raises whatever is not to be."""
  try:
    reading = midi.read(data)
  except MidiError:
    return
  reading.notes.check()
  again = midi.read(midi.write(reading.notes))
  assert again.notes == reading.notes, 'other notes are read back'
  assert not again.issues, again.issues


def main() -> None:
  """Runs until libFuzzer ends."""
  if _COMPILED:
    # Fuzzing has no large files.
    midi_native.pays = lambda size, rate: True
  atheris.Setup(sys.argv, judge)
  atheris.Fuzz()


if __name__ == '__main__':
  main()
