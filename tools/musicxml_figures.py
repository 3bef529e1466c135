"""How well 200 pieces of the shared data survive MusicXML.

  python tools/musicxml_figures.py
  python tools/musicxml_figures.py --pieces 20 --peer
  python tools/musicxml_figures.py --sets pop909 groove

Needs the shared data (AURL_DATA). Each piece is written, held against the
schema and against the arithmetic of its bars (`tests/music/xsd.py`,
`tests/music/scores.py`), read again by `aurl_jax.data.musicxml` and, with
--peer, by music21, and compared with the piece that went in: `exact` where
no note moved, otherwise by how much the rounding of played music moved
onsets. Prints one line of JSON.

  valid      pieces without a fault of the schema or of the bars
  same       pieces that read back as they were written: every onset,
             pitch and duration
  exact      pieces that read back as they went in, but for unisons of a
             track, which a part writes once
  peer_same  pieces that music21 reads as they were written
"""

import argparse
import collections
import json
import os
import pathlib
import statistics
import sys
import time
from fractions import Fraction
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from aurl_jax.data import musicxml  # noqa: E402
from aurl_jax.music import midi, musicxml_write, score_time  # noqa: E402
from aurl_jax.music.notes import Notes, Track  # noqa: E402
from tests.music import scores, xsd  # noqa: E402

SETS = {
  'pop909': 40,
  'openscore_lieder': 40,
  'jsb_chorales': 25,
  'groove': 25,
  'nottingham': 15,
  'openewld': 15,
  'piano_midi_de': 10,
  'when_in_rome': 10,
  'hauptstimme': 5,
  'multitrack': 5,
  'giantmidi': 5,
  'openscore_quartets': 5,
}
"""Set -> how many pieces of it, 200 in all."""
_MOST_NOTES = 8000
Row = tuple[int, Fraction, Fraction, int]


def chosen(
  data: pathlib.Path, share: float, sets: list[str]
) -> list[tuple[str, pathlib.Path]]:
  """Returns (set, path) of pieces spread evenly over each set."""
  found = []
  for name, count in SETS.items():
    if name not in sets:
      continue
    paths = sorted((data / name).rglob('*.mid'))
    count = max(1, round(count * share))
    step = max(1, len(paths) // count)
    found += [(name, path) for path in paths[::step][:count]]
  return found


def rows(notes: Notes) -> list[Row]:
  """Returns (part, onset, duration, pitch) in quarter notes, sorted."""
  used = sorted(set(notes.track.tolist()))
  beat = notes.ticks_per_beat
  return sorted(
    (used.index(track), Fraction(onset, beat), Fraction(length, beat), pitch)
    for track, onset, length, pitch in zip(
      notes.track.tolist(),
      notes.onset.tolist(),
      notes.duration.tolist(),
      notes.pitch.tolist(),
      strict=True,
    )
  )


def alone(found: list[Row]) -> list[Row]:
  """Returns rows as a part can hold them: a pitch sounds once at a time."""
  by_pitch: dict[tuple[int, int], dict[Fraction, Fraction]] = {}
  for part, onset, length, pitch in found:
    starts = by_pitch.setdefault((part, pitch), {})
    starts[onset] = max(length, starts.get(onset, Fraction(0)))
  result = []
  for (part, pitch), starts in by_pitch.items():
    order = sorted(starts)
    for place, onset in enumerate(order):
      length = starts[onset]
      if place + 1 < len(order):
        length = min(length, order[place + 1] - onset)
      result.append((part, onset, length, pitch))
  return sorted(result)


def reread(data: bytes, notes: Notes) -> list[Row]:
  """Returns the notes by `aurl_jax.data.musicxml`."""
  parts = musicxml.parse(data)
  used = sorted(set(notes.track.tolist()))
  tracks = {place: notes.tracks[track] for place, track in enumerate(used)}
  return rows(musicxml.to_notes(parts, tracks or {0: Track()}))


def judge(notes: Notes, peer: bool) -> dict[str, Any]:
  """Returns the facts of a piece."""
  start = time.perf_counter()
  data = musicxml_write.write(notes)
  seconds = time.perf_counter() - start
  written = rows(score_time.to_score(notes)[0])
  faults = xsd.musicxml().faults(data)
  bars = scores.structure(data)
  used = sorted(set(notes.track.tolist()))
  drums = {i for i, t in enumerate(used) if notes.tracks[t].is_drum}
  heard = scores.heard(data)
  facts: dict[str, Any] = {
    'schema': not faults,
    'bars': not bars,
    'valid': not faults and not bars,
    'same': reread(data, notes) == written == heard,
    'exact': _exact(notes, heard, drums),
    'seconds': seconds,
    'notes': len(notes),
    'bytes': len(data),
  }
  if peer:
    expected = [row for row in written if row[0] not in drums]
    facts['peer_same'] = scores.by_music21(data) == expected
  return facts


def _exact(notes: Notes, heard: list[Row], drums: set[int]) -> bool:
  """Whether a piece came back as it was; of drums the onsets count."""

  def seen(found: list[Row]) -> list[tuple[Any, ...]]:
    return sorted(
      row if row[0] not in drums else (row[0], row[1], 0, row[3])
      for row in alone(found)
    )

  return seen(rows(notes)) == seen(heard)


def figures(
  data: pathlib.Path, share: float, sets: list[str], peer: bool
) -> dict[str, Any]:
  """Returns the sums over all pieces, and over each set."""
  total: collections.Counter[str] = collections.Counter()
  by_set: dict[str, collections.Counter[str]] = {}
  rates, not_same = [], []
  for name, path in chosen(data, share, sets):
    notes = midi.read(path).notes
    if len(notes) > _MOST_NOTES:
      total['too_many_notes'] += 1
      continue
    facts = judge(notes, peer)
    counts = by_set.setdefault(name, collections.Counter())
    for counter in (total, counts):
      counter['pieces'] += 1
      counter.update(k for k, v in facts.items() if v is True)
    total['notes'] += facts['notes']
    rates.append(facts['notes'] / facts['seconds'])
    if not (facts['valid'] and facts['same'] and facts.get('peer_same', True)):
      not_same.append(str(path.relative_to(data)))
  return {
    **total,
    'notes_per_second': round(statistics.median(rates)),
    'sets': {name: dict(counts) for name, counts in by_set.items()},
    'failed': not_same,
  }


def main() -> int:
  """Prints the figures; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--pieces', type=int, default=sum(SETS.values()))
  parser.add_argument('--sets', nargs='+', choices=SETS, default=list(SETS))
  parser.add_argument('--peer', action='store_true', help='ask music21, too')
  args = parser.parse_args()
  data = pathlib.Path(os.environ.get('AURL_DATA') or '../shared/data')
  if not data.is_dir():
    print(f'no shared data at {data}; set AURL_DATA', file=sys.stderr)
    return 2
  share = args.pieces / sum(SETS.values())
  print(json.dumps(figures(data, share, args.sets, args.peer)))
  return 0


if __name__ == '__main__':
  sys.exit(main())
