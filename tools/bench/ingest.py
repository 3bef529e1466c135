"""MIDI bytes to ids, and ids to notes, files a second on one core.

  python tools/bench/ingest.py [FOLDER] [--files 40] [--rounds 5]

FOLDER holds MIDI files (POP909; by default `pop909` in AURL_DATA). Ours is
`music.midi.read` + `Remi.encode`, and `Remi.decode`. Peers:

- MidiTok 3.x REMI, from bytes through `symusic.Score`, set as near to ours
  as it can be: 12 positions a beat, durations exact to a cell up to 4 beats,
  then 4 and 1 a beat, 32 velocities, programs in one stream, 241 log-spaced
  tempos of 15 to 480 bpm, our meters, duplicates and repeated changes left
  out, no BPE. It differs in this: durations go to 64 beats by beats, where
  ours are four beats apart from 16 on; it has no `Cut` of a bar, no `Voice`
  and no pitch 127.
- note_seq: `midi_to_note_sequence`, quantised at 100 steps a second, and the
  one-hot performance encoding with 32 velocity bins.

CPU seconds of the process are counted; each side reads the same bytes from
memory.
"""

import argparse
import os
import pathlib
import sys
from importlib import metadata

import harness

from aurl_jax.music import midi
from aurl_jax.tokens.remi import Remi

_TEMPOS = (241, (15, 480))
"""Bins and range, as those of `music.grid`."""


def main() -> int:
  """Runs the comparisons; returns the exit status."""
  args = _arguments()
  songs = _songs(args.folder, args.files)
  try:
    import miditok  # noqa: F401
  except ImportError:
    return harness.missing('miditok')
  ours = Remi()
  theirs = _miditok(ours)
  name = f'miditok {metadata.version("miditok")} REMI'
  harness.compare(
    'ingest',
    name,
    'files/s',
    ours=lambda: _each(songs, lambda song: _encode(ours, song)),
    theirs=lambda: _each(songs, lambda song: _miditok_encode(theirs, song)),
    rounds=args.rounds,
    clock=harness.CPU,
  )
  _detokenise(name, ours, theirs, songs, args.rounds)
  return _note_seq(ours, songs, args.rounds)


def _arguments() -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  data = pathlib.Path(os.environ.get('AURL_DATA', '../shared/data'))
  parser.add_argument(
    'folder', nargs='?', type=pathlib.Path, default=data / 'pop909'
  )
  parser.add_argument('--files', type=int, default=40)
  parser.add_argument('--rounds', type=int, default=5)
  return parser.parse_args()


def _songs(folder: pathlib.Path, count: int) -> list[bytes]:
  paths = sorted(folder.rglob('*.mid'))[:count]
  if not paths:
    sys.exit(f'no MIDI files in {folder}; give a folder or set AURL_DATA')
  return [path.read_bytes() for path in paths]


def _each(items, work) -> int:
  for item in items:
    work(item)
  return len(items)


def _encode(tokenizer: Remi, song: bytes):
  return tokenizer.encode(midi.read(song).notes)


def _miditok(ours: Remi):
  """Returns MidiTok's REMI with the grid, bins and events of ours."""
  import miditok

  meters: dict[int, list[int]] = {}
  for numerator, denominator in ours.grid.meters:
    meters.setdefault(denominator, []).append(numerator)
  config = miditok.TokenizerConfig(
    pitch_range=(0, 127),
    beat_res={(0, 4): 12, (4, 8): 4, (8, 64): 1},
    num_velocities=ours.velocity_bins,
    encode_ids_split='no',
    use_programs=True,
    use_tempos=True,
    num_tempos=_TEMPOS[0],
    tempo_range=_TEMPOS[1],
    log_tempos=True,
    use_time_signatures=True,
    time_signature_range=meters,
    remove_duplicated_notes=True,
    delete_equal_successive_tempo_changes=True,
    delete_equal_successive_time_sig_changes=True,
  )
  return miditok.REMI(config)


def _miditok_encode(tokenizer, song: bytes):
  import symusic

  return tokenizer.encode(symusic.Score.from_midi(song))


def _detokenise(name: str, ours: Remi, theirs, songs, rounds: int) -> None:
  our_ids = [_encode(ours, song) for song in songs]
  their_ids = [_miditok_encode(theirs, song).ids for song in songs]
  harness.compare(
    'ingest.detokenise',
    name,
    'files/s',
    ours=lambda: _each(our_ids, ours.decode),
    theirs=lambda: _each(their_ids, theirs.decode),
    rounds=rounds,
    clock=harness.CPU,
  )


def _note_seq(ours: Remi, songs: list[bytes], rounds: int) -> int:
  try:
    import note_seq
  except ImportError:
    return harness.missing('note_seq')
  encoding = note_seq.PerformanceOneHotEncoding(num_velocity_bins=32)

  def encode(song: bytes) -> list[int]:
    sequence = note_seq.midi_to_note_sequence(song)
    quantised = note_seq.quantize_note_sequence_absolute(sequence, 100)
    events = note_seq.Performance(quantised, num_velocity_bins=32)
    return [encoding.encode_event(event) for event in events]

  harness.compare(
    'ingest',
    'note_seq 0.0.5 performance',
    'files/s',
    ours=lambda: _each(songs, lambda song: _encode(ours, song)),
    theirs=lambda: _each(songs, encode),
    rounds=rounds,
    clock=harness.CPU,
  )
  return 0


if __name__ == '__main__':
  sys.exit(main())
