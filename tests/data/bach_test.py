from fractions import Fraction

import numpy as np
import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.data import bach, splits
from aurl_jax.music import time

SAMPLE = ('bwv103.6', 'bwv248.64-s', 'bwv26.6', 'bwv4.8', 'bwv8.6')
"""A pickup, 32nds, no pickup, bars cut short, instruments beside the choir."""


def with_music21(path):
  """Notes and bar lines of the choir, read by music21."""
  from music21.converter.subConverters import ConverterMusicXML

  converter = ConverterMusicXML()
  converter.parseFile(str(path))
  rows, lines = [], set()
  for part in converter.stream.parts:
    voice = part.partName.split()[0]
    if voice not in bach.VOICES:
      continue
    for element in part.flatten().stripTies().notes:
      for pitch in () if element.duration.isGrace else element.pitches:
        onset, length = (
          Fraction(element.offset),
          Fraction(element.quarterLength),
        )
        track = bach.VOICES.index(voice)
        rows.append((480 * onset, 480 * length, pitch.midi, track))
    lines |= {
      480 * Fraction(m.offset) for m in part.getElementsByClass('Measure')
    }
  return sorted(rows), lines


def rows_of(notes):
  columns = (notes.onset, notes.duration, notes.pitch, notes.track)
  return sorted(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize('name', SAMPLE)
def test_voices_are_those_that_music21_reads(name):
  path = bach.corpus() / f'{name}.mxl'
  notes = bach.read(path)
  rows, lines = with_music21(path)
  assert rows_of(notes) == rows
  assert set(time.bar_starts(notes).tolist()) <= lines


@pytest.mark.slow
def test_the_whole_corpus_is_as_music21_reads_it():
  # Rests of its choir are printed too short; music21 lets it enter early.
  known = {'bwv171.6'}
  differ = set()
  for path in sorted(bach.corpus().glob('*.mxl')):
    try:
      notes = bach.read(path)
    except DataError:
      continue
    if rows_of(notes) != with_music21(path)[0]:
      differ.add(path.stem)
  assert differ == known


def test_voices_are_named_and_sung():
  notes = bach.read(bach.corpus() / 'bwv171.6.mxl')
  assert [track.name for track in notes.tracks] == list(bach.VOICES)
  assert {track.program for track in notes.tracks} == {bach.CHOIR}
  assert notes.title == 'BWV 171.6'
  middle = [np.median(notes.pitch[notes.track == voice]) for voice in range(4)]
  assert middle == sorted(middle, reverse=True)


@pytest.mark.parametrize('name', ['bwv846', 'bwv227.3'])
def test_what_is_not_four_voices_is_refused_with_its_parts(name):
  with pytest.raises(DataError, match='its parts are') as caught:
    bach.read(bach.corpus() / f'{name}.mxl')
  assert caught.value.code == 'voices'


def test_a_missing_package_names_the_remedy(monkeypatch):
  monkeypatch.setattr(bach.importlib.util, 'find_spec', lambda name: None)
  with pytest.raises(DataError, match='pip install music21'):
    bach.corpus()


def test_a_cache_that_cannot_be_written_names_the_remedy(tmp_path):
  (tmp_path / 'file').touch()
  with pytest.raises(DataError, match='AURL_CACHE'):
    bach.cached(tmp_path / 'file')


@pytest.mark.slow
def test_the_frozen_split_knows_every_chorale_by_its_music():
  known = splits.frozen('chorales')
  pieces = []
  for path in sorted(bach.corpus().glob('*.mxl')):
    try:
      pieces.append(bach.read(path))
    except DataError:
      continue
  assert len(pieces) > 400
  assert all(splits.digest(notes) in known for notes in pieces)
