"""How right chords and local keys are: a line of JSON for each set and way.

  python tools/chord_figures.py [--sets rome pop] [--split valid] [--confusions]

Sets: `rome` (When in Rome, Roman numerals by people), `pop` (POP909 against
`chord_midi.txt`, which a program wrote), `s3` (symphonies by people, which
the learned listener is fitted to) and `jsb` (chorales with the Roman numerals
of music21's corpus, by people). Ways: `template`, without weights, `learned`,
and `music21` (`chord_peer.py`). Numbers are the weighted overlap by time of all
pieces together, as mir_eval counts it: by seconds, or by score time with
`--quarters`; `--mir-eval` prints mir_eval's own numbers below, where it is
installed.
`bass` is the share of time whose root and bass are both right. Chords that the
vocabulary has no name for (augmented sixths and sets of tones without a third,
`unnamed`) are not judged. Reads AURL_DATA.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any

import chord_peer
import chord_sets
import numpy as np
from chord_sets import Labelled

from aurl_jax.music.chords import Chord
from aurl_jax.studies.chords.finding import Harmony
from aurl_jax.studies.chords.listener import Listener

WAYS = {'template': Listener.plain, 'learned': Listener}
_PEER = 'music21'
MEASURES = ('root', 'majmin', 'sevenths', 'bass', 'key')
TRIADS = {
  'maj': 'maj', 'maj7': 'maj', '7': 'maj', 'maj6': 'maj', 'min': 'min',
  'min7': 'min', 'minmaj7': 'min', 'min6': 'min', '': 'N',
}  # fmt: skip
_SEVENTH = {'maj', 'min', 'maj7', 'min7', '7', ''}
Stretch = tuple[float, Chord, Chord, int, int]
"""Seconds, the chord heard and written, the key heard and written."""


def main() -> int:
  """Prints the lines; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  choices = ['rome', 'pop', 's3', 'jsb']
  parser.add_argument('--sets', nargs='+', choices=choices, default=choices)
  parser.add_argument('--split', default='valid')
  parser.add_argument(
    '--ways', nargs='+', choices=[*WAYS, _PEER], default=list(WAYS)
  )
  parser.add_argument('--confusions', action='store_true')
  parser.add_argument('--mir-eval', action='store_true')
  parser.add_argument('--quarters', action='store_true')
  args = parser.parse_args()
  for name in args.sets:
    pieces = list(labelled(name, args.split))
    if args.quarters:
      pieces = [even(piece) for piece in pieces]
    for way in args.ways:
      hear = chord_peer.hear if way == _PEER else WAYS[way]().hear
      found = [hear(piece.notes) for piece in pieces]
      line = figures(found, pieces)
      told = {'set': name, 'split': args.split, 'way': way}
      print(json.dumps(told | line), flush=True)
      if args.mir_eval:
        print(json.dumps(told | peer(found, pieces)), flush=True)
      if args.confusions:
        print(json.dumps(told | {'confusions': confusions(found, pieces)}))
  return 0


def labelled(name: str, split: str) -> Iterable[Labelled]:
  """Returns the pieces of a set; S3 and the chorales are all of one split."""
  if name == 's3':
    return chord_sets.symphonies()
  if name == 'jsb':
    return chord_sets.chorales()
  read = {'rome': chord_sets.when_in_rome, 'pop': chord_sets.pop909}[name]
  return read(split)


def even(piece: Labelled) -> Labelled:
  """Returns a piece in which all quarter notes last as long."""
  notes = piece.notes.replace(tempos=piece.notes.tempos[:0])
  return piece._replace(notes=notes)


def stretches(found: Harmony, truth: Harmony) -> list[Stretch]:
  """Returns where neither changes, inside what is written."""
  heard, written = found.chords(), truth.chords()
  result = []
  for row, chord in enumerate(written):
    low, high = float(truth.starts[row]), float(truth.ends[row])
    spots = np.flatnonzero((found.ends > low) & (found.starts < high)).tolist()
    covered = 0.0
    for spot in spots:
      time = min(high, found.ends[spot]) - max(low, found.starts[spot])
      covered += time
      keys = int(found.key[spot]), int(truth.key[row])
      result.append((float(time), heard[spot], chord, *keys))
    if high - low - covered > 1e-9:
      rest = high - low - covered
      result.append((rest, Chord(), chord, -1, int(truth.key[row])))
  return result


def right(stretch: Stretch) -> dict[str, bool]:
  """Returns whether each measure that judges a stretch finds it right."""
  _, heard, written, heard_key, key = stretch
  root = heard.root == written.root
  result = {'root': root}
  if written.quality in TRIADS:
    kinds = TRIADS.get(heard.quality), TRIADS[written.quality]
    result['majmin'] = root and kinds[0] == kinds[1]
  if written.quality in _SEVENTH:
    result['sevenths'] = root and heard.quality == written.quality
  basses = [c.root if c.bass is None else c.bass for c in (heard, written)]
  result['bass'] = root and basses[0] == basses[1]
  if key >= 0:
    result['key'] = heard_key == key
  return result


def figures(found: list[Harmony], pieces: list[Labelled]) -> dict[str, Any]:
  """Returns the measures of all pieces together, and how far they spread."""
  total = {name: np.zeros(2) for name in MEASURES}
  roots, unnamed, told = [], 0.0, 0.0
  for harmony, piece in zip(found, pieces, strict=True):
    own = np.zeros(2)
    for stretch in stretches(harmony, chord_sets.truth(piece)):
      for name, good in right(stretch).items():
        total[name] += np.array([stretch[0] * good, stretch[0]])
      own += np.array([stretch[0] * right(stretch)['root'], stretch[0]])
    roots.append(own[0] / own[1] if own[1] else np.nan)
    size = [row[1] - row[0] for row in piece.rows]
    none = [row[2] is None for row in piece.rows]
    unnamed += float(np.dot(size, none)) / piece.notes.ticks_per_beat
    told += float(sum(size)) / piece.notes.ticks_per_beat
  result: dict[str, Any] = {'pieces': len(pieces)}
  for name, (good, all_) in total.items():
    result[name] = round(float(good / all_), 4) if all_ else None
  low, middle = np.nanpercentile(roots, [5, 50])
  result['root_median'] = round(float(middle), 4)
  result['root_5th_percentile'] = round(float(low), 4)
  result['unnamed'] = round(unnamed / max(told, 1e-9), 4)
  return result


def confusions(
  found: list[Harmony], pieces: list[Labelled], count: int = 15
) -> list[list[Any]]:
  """Returns [written, heard, semitones between roots, % of time], most first.

  Of the time whose root or quality is wrong.
  """
  table: Counter[tuple[str, str, int | None]] = Counter()
  total = 0.0
  for harmony, piece in zip(found, pieces, strict=True):
    for time, heard, written, _, _ in stretches(
      harmony, chord_sets.truth(piece)
    ):
      total += time
      if (heard.root, heard.quality) != (written.root, written.quality):
        apart = None
        if heard.root is not None and written.root is not None:
          apart = (heard.root - written.root) % 12
        table[written.quality or 'N', heard.quality or 'N', apart] += time
  return [
    [*key, round(100 * time / total, 2)]
    for key, time in table.most_common(count)
  ]


def peer(found: list[Harmony], pieces: list[Labelled]) -> dict[str, Any]:
  """Returns mir_eval's numbers, over all pieces by time."""
  try:
    import mir_eval
  except ImportError:
    return {'mir_eval': 'is not installed'}
  measures = ('root', 'majmin', 'sevenths')
  parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
  for harmony, piece in zip(found, pieces, strict=True):
    rows = stretches(harmony, chord_sets.truth(piece))
    time = np.array([row[0] for row in rows])
    heard = [row[1].label(bass=False) for row in rows]
    written = [row[2].label(bass=False) for row in rows]
    for name in measures:
      score = getattr(mir_eval.chord, name)(written, heard)
      parts.setdefault(name, []).append((score, time))
  result: dict[str, Any] = {'mir_eval': mir_eval.__version__}
  for name, pairs in parts.items():
    score, time = map(np.concatenate, zip(*pairs, strict=True))
    result[name] = round(mir_eval.chord.weighted_accuracy(score, time), 4)
  return result


if __name__ == '__main__':
  sys.exit(main())
