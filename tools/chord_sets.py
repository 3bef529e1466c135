"""Pieces with chords that somebody wrote down, as the chord tools read them.

Of the shared data (AURL_DATA), by the frozen splits of `tools/splits`. A row
is (start, end, chord, key): ticks, a `Chord` or None where the vocabulary has
no name for what is written, and a key 0..23 or -1.
"""

import csv
import itertools
import json
import os
import pathlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from aurl_jax.music import chords as chords_lib
from aurl_jax.music import midi, time
from aurl_jax.music.chords import Chord
from aurl_jax.music.notes import Notes, Track
from aurl_jax.studies.chords.finding import Harmony

ROOT = pathlib.Path(__file__).resolve().parent.parent
_FITS = 0.75
"""Share of chord tones from which labels are of the notes that they lie at."""
Row = tuple[int, int, Chord | None, int]


class Labelled(NamedTuple):
  """A piece and what is written of it."""

  name: str
  notes: Notes
  rows: list[Row]


def folder() -> pathlib.Path:
  """Returns where the shared data lies."""
  default = ROOT.parent / 'shared' / 'data'
  return pathlib.Path(os.environ.get('AURL_DATA') or default)


def names(data_set: str, split: str) -> list[str]:
  """Returns the files of a split, those left out for likeness not among it."""
  told = json.loads((ROOT / 'tools/splits' / f'{data_set}.json').read_text())
  out = {item['name'] for item in told.get('excluded', [])}
  return [
    item['name']
    for item in told['pieces']
    if item['split'] == split and item['name'] not in out
  ]


def pop909(split: str) -> Iterator[Labelled]:
  """Yields songs with the labels of `chord_midi.txt`; they tell no key."""
  for name in names('pop909', split):
    path = folder() / 'pop909' / name
    notes = midi.read(path).notes
    text = (path.parent / 'chord_midi.txt').read_text()
    lines = [line.split() for line in text.splitlines() if line.strip()]
    edges = np.array([[float(a), float(b)] for a, b, _ in lines])
    ticks = time.seconds_to_ticks(notes, edges).tolist()
    rows = [
      (low, high, chords_lib.nearest(line[2]), -1)
      for (low, high), line in zip(ticks, lines, strict=True)
    ]
    yield Labelled(name, notes, rows)


def when_in_rome(split: str) -> Iterator[Labelled]:
  """Yields pieces with the Roman numerals that people wrote."""
  for name in names('when_in_rome', split):
    path = folder() / 'when_in_rome' / name
    yield _scored(path, 'local_key', _of_tones)


def symphonies() -> Iterator[Labelled]:
  """Yields the movements of S3 whose labels fit their notes."""
  root = folder() / 's3_symphonies'
  for line in _table(root / 'quality.tsv'):
    if float(line['chord_tone_fraction']) >= _FITS:
      yield _scored(root / f'{line["piece"]}.mid', 'key', _of_symbol)


def chorales() -> Iterator[Labelled]:
  """Yields the chorales of which music21's corpus has analyses by people.

  They are of Riemenschneider's first twenty, analysed by Andrew Jones and
  others for Dmitri Tymoczko; scores and analyses lie in the package. Only tools
  read them, to measure. music21 reads both, so that their bars agree; of four
  the package has the score in another key or of other bars (11, 14, 15, 17).
  """
  import music21

  root = pathlib.Path(music21.__file__).parent / 'corpus' / 'bach'
  for path in sorted((root / 'choraleAnalyses').glob('*.rntxt')):
    analysis = music21.converter.parse(path, format='romantext')
    score = music21.converter.parse(root / _chorale(path.read_text()))
    piece = Labelled(path.stem, _voices(score), _numerals(analysis))
    if fitting(piece) >= _FITS:
      yield piece


def fitting(piece: Labelled) -> float:
  """Returns the share of its notes' time that is of the chord written there."""
  onset = piece.notes.onset
  end = onset + piece.notes.duration
  good = total = 0
  for start, stop, chord, _ in piece.rows:
    if chord is None:
      continue
    inside = (onset < stop) & (end > start)
    time_ = (np.minimum(end, stop) - np.maximum(onset, start))[inside]
    own = np.isin(piece.notes.pitch[inside] % 12, list(chord.pitch_classes()))
    good, total = good + time_[own].sum(), total + time_.sum()
  return float(good / total)


_TICKS = 480
_NUMBER = re.compile(r'^BWV: (\d+)(?:\((\d+)\))?(\.\d+)?', re.MULTILINE)


def _chorale(analysis: str) -> str:
  """Returns the file of an analysis' score: `BWV: 248(2).12`, in its part 2."""
  found = _NUMBER.search(analysis)
  if found is None:
    raise ValueError('an analysis does not say which chorale it is of')
  work, part, number = (text or '' for text in found.groups())
  return f'bwv{work}{number}{part and "-" + part}.mxl'


def _voices(score: Any) -> Notes:
  """Returns the notes of a score of music21, with its meters and upbeat."""
  rows = []
  for track, part in enumerate(score.parts):
    for note in part.flatten().stripTies().notes:
      span = float(note.offset), float(note.quarterLength)
      ticks = [round(value * _TICKS) for value in span]
      rows += [(*ticks, pitch.midi, track) for pitch in note.pitches]
  table = np.array(sorted(rows), np.int64)
  names = ('onset', 'duration', 'pitch', 'track')
  columns = dict(zip(names, table.T, strict=True)) | {'velocity': 80}
  bars = list(score.parts[0].getElementsByClass('Measure'))
  meters = []
  for bar, after in itertools.pairwise(bars):
    length = round(float(after.offset - bar.offset) * _TICKS)
    own = bar.timeSignature or bar.getContextByClass('TimeSignature')
    full = round(own.barDuration.quarterLength * _TICKS)
    told = own.numerator, own.denominator
    if length != full and length % _TICKS == 0:
      told = length // _TICKS, 4
    if not meters or meters[-1][1:] != told:
      meters.append((round(float(bar.offset) * _TICKS), *told))
  return Notes.build(
    _TICKS,
    columns,
    tracks=[Track(f'voice {k}') for k in range(len(score.parts))],
    meters=meters,
  )


def _numerals(analysis: Any) -> list[Row]:
  """Returns the rows of an analysis of music21."""
  rows: list[Row] = []
  for numeral in analysis.recurse().getElementsByClass('RomanNumeral'):
    start = float(numeral.getOffsetInHierarchy(analysis))
    stop = start + float(numeral.quarterLength)
    line = {
      'root_pc': str(numeral.root().pitchClass),
      'bass_pc': str(numeral.bass().pitchClass),
      'pcs': ' '.join(str(pitch.pitchClass) for pitch in numeral.pitches),
      'quality': numeral.quality,
    }
    edges = round(start * _TICKS), round(stop * _TICKS)
    key = key_of(numeral.key.tonicPitchNameWithCase)
    rows.append((*edges, _of_tones(line), key))
  return rows


def _table(path: pathlib.Path) -> list[dict[str, str]]:
  with path.open() as file:
    return list(csv.DictReader(file, delimiter='\t'))


def _scored(path: pathlib.Path, key: str, read) -> Labelled:  # type: ignore
  notes = midi.read(path).notes
  size = notes.ticks_per_beat
  rows = []
  for line in _table(path.with_name(path.stem + '.chords.tsv')):
    edges = [round(float(line[f'{e}_qn']) * size) for e in ('onset', 'offset')]
    known = line['root_pc'] not in ('', '-')
    tonic = key_of(line[key]) if line[key] else -1
    rows.append((*edges, read(line) if known else None, tonic))
  return Labelled(path.stem, notes, rows)


def key_of(text: str) -> int:
  """Returns the key 0..23 of a name such as 'e', 'Bb' or 'D-'."""
  letter = {'C': 0, 'D': 2, 'E': 4, 'F': 5, 'G': 7, 'A': 9, 'B': 11}
  step = {'#': 1, '+': 1, 'b': -1, '-': -1}
  tonic = letter[text[0].upper()] + sum(step[sign] for sign in text[1:])
  return tonic % 12 + 12 * text[0].islower()


_PARTS = (
  ({4, 10}, '7'), ({4, 11}, 'maj7'), ({3, 6, 10}, 'hdim7'), ({3, 6}, 'dim'),
  ({3, 10}, 'min7'), ({3}, 'min'), ({4}, 'maj'),
)  # fmt: skip
"""Steps that must be there -> quality, for what is no chord as it stands."""


def _of_tones(line: dict[str, str]) -> Chord | None:
  """Returns the chord of When in Rome: by its tones, seen from its root.

  Ninths become their seventh, what lacks a fifth its triad. Augmented sixths
  have no third above what is called their root, and no name here.
  """
  root = int(line['root_pc'])
  steps = {(int(tone) - root) % 12 for tone in line['pcs'].split()}
  for name, tones in chords_lib.QUALITIES.items():
    if steps == set(tones):
      return Chord(root, name, int(line['bass_pc']))
  for some, name in _PARTS:
    if some <= steps:
      return Chord(root, name, int(line['bass_pc']))
  plain = {'major': 'maj', 'minor': 'min'}.get(line['quality'])
  return Chord(root, plain, int(line['bass_pc'])) if plain else None


_SYMBOLS = {
  'M': 'maj', 'm': 'min', 'D7': '7', 'h7': 'hdim7', 'm7': 'min7', 'a': 'aug',
  'd7': 'dim7', 'M7': 'maj7', 'd': 'dim',
}  # fmt: skip


def _of_symbol(line: dict[str, str]) -> Chord | None:
  """Returns the chord of S3: by its symbol."""
  quality = _SYMBOLS.get(line['quality'])
  if quality is None:
    return None
  root, tones = int(line['root_pc']), chords_lib.QUALITIES[quality]
  place = int(line['inversion'] or 0) % len(tones)
  return Chord(root, quality, (root + tones[place]) % 12)


def truth(piece: Labelled) -> Harmony:
  """Returns what is written as a finding, what has no name left out."""
  rows = [row for row in piece.rows if row[2] is not None and row[1] > row[0]]
  edges = np.array([row[:2] for row in rows], np.int64).reshape(-1, 2)
  seconds = time.ticks_to_seconds(piece.notes, edges)
  found = [row[2] for row in rows if row[2] is not None]
  bass = [-1 if c.bass in (None, c.root) else c.bass for c in found]
  return Harmony(
    starts=seconds[:, 0],
    ends=seconds[:, 1],
    chord=np.array([chord.index for chord in found], np.int64),
    bass=np.array(bass, np.int64),
    key=np.array([row[3] for row in rows], np.int64),
    bars=np.zeros(0),
  )
