"""What MusPy says of 200 real files: golden data of the metrics' tests.

  python tools/muspy_golden.py notes NOTES           (with aurl_jax, AURL_DATA)
  python tools/muspy_golden.py judge NOTES GOLDEN    (where muspy is installed)

MusPy 0.5 and aurl_jax want other versions of what they share, so the first
command writes the notes of each file as our reader reads them, and the second
one, in an environment of its own, what MusPy says of them. Of a piece of
several meters, or whose bars are no whole number of ticks, MusPy can say
nothing about bars. The golden file is `tests/evaluation/golden/muspy.json`.
"""

import argparse
import json
import math
import pathlib
import sys

COUNT = 200


def main() -> int:
  """Does one half of the work; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('half', choices=('notes', 'judge'))
  parser.add_argument('notes', type=pathlib.Path)
  parser.add_argument('golden', type=pathlib.Path, nargs='?')
  args = parser.parse_args()
  if args.half == 'notes':
    args.notes.write_text(json.dumps(dict(read())))
    return 0
  rows = json.loads(args.notes.read_text())
  found = {name: judged(row) for name, row in rows.items()}
  lines = ',\n'.join(
    f'{json.dumps(name)}: {json.dumps(row)}' for name, row in found.items()
  )
  args.golden.write_text('{\n' + lines + '\n}\n')
  return 0


def read():
  """Yields names of files, as evenly spread as can be, and their notes."""
  import os

  from aurl_jax.music import midi, time

  root = pathlib.Path(os.environ['AURL_DATA'])
  files = sorted(path for path in root.rglob('*.mid') if path.stat().st_size)
  for number in range(COUNT):
    path = files[number * len(files) // COUNT]
    notes = midi.read(path).notes
    meters = time.meter_changes(notes)
    _, above, below = meters[0]
    bar = 4 * notes.ticks_per_beat * above
    whole = len(meters) == 1 and bar % below == 0
    columns = ('onset', 'duration', 'pitch', 'velocity', 'track')
    yield (
      path.relative_to(root).as_posix(),
      {
        'beat': notes.ticks_per_beat,
        'bar': bar // below if whole else None,
        'drums': [track.is_drum for track in notes.tracks],
        **{name: getattr(notes, name).tolist() for name in columns},
      },
    )


def judged(row):
  """Returns what MusPy says of a piece; None for what it cannot say."""
  import muspy

  tracks = [muspy.Track(is_drum=drum) for drum in row['drums']]
  columns = ('onset', 'pitch', 'duration', 'velocity')
  for track, *note in zip(
    row['track'], *(row[name] for name in columns), strict=True
  ):
    tracks[track].notes.append(muspy.Note(*note))
  music = muspy.Music(resolution=row['beat'], tracks=tracks)
  found = {
    'pitches_used': muspy.n_pitches_used(music),
    'pitch_classes_used': muspy.n_pitch_classes_used(music),
    'pitch_range': muspy.pitch_range(music),
    'pitch_entropy': muspy.pitch_entropy(music),
    'pitch_class_entropy': muspy.pitch_class_entropy(music),
    'scale_consistency': muspy.scale_consistency(music),
    'polyphony': muspy.polyphony(music),
    'polyphony_rate': muspy.polyphony_rate(music),
    'empty_beat_rate': muspy.empty_beat_rate(music),
    'drum_pattern_consistency': muspy.drum_pattern_consistency(music),
  }
  if row['bar']:
    found['empty_bar_rate'] = muspy.empty_measure_rate(music, row['bar'])
    found['groove_consistency'] = muspy.groove_consistency(music, row['bar'])
  return {
    name: None if math.isnan(value) else round(float(value), 9)
    for name, value in found.items()
  }


if __name__ == '__main__':
  sys.exit(main())
