"""Numerals, held against those of music21."""

import itertools

import pytest

from aurl_jax.music.chords import Chord, parse
from aurl_jax.studies.chords.finding import key_name
from aurl_jax.studies.chords.numerals import numeral

STEPS = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 11))
"""The scales that numerals stand on: major, and harmonic minor."""


def stacked(key):
  """Triads and sevenths on the steps of a key, as root and tones."""
  minor, tonic = divmod(key, 12)
  scale = STEPS[minor]
  for step, size in itertools.product(range(7), (3, 4)):
    tones = [scale[(step + 2 * third) % 7] for third in range(size)]
    yield [(tonic + tone) % 12 for tone in tones]


def named(tones, bass):
  from aurl_jax.music.chords import QUALITIES

  steps = tuple((tone - tones[0]) % 12 for tone in tones)
  quality = {value: name for name, value in QUALITIES.items()}.get(steps)
  return None if quality is None else Chord(tones[0], quality, bass)


@pytest.mark.parametrize('key', range(24))
def test_music21_reads_the_same_chord(key):
  roman = pytest.importorskip('music21.roman')
  name, mode = key_name(key).split()
  tonic = name.replace('b', '-')
  tonic = tonic.lower() if mode == 'minor' else tonic
  seen = 0
  for tones in stacked(key):
    for bass in tones:
      chord = named(tones, bass)
      if chord is None or chord.quality in ('minmaj7',):
        continue
      text = numeral(chord, key)
      theirs = roman.RomanNumeral(text, tonic)
      assert set(theirs.pitchClasses) == set(tones), (text, tonic)
      assert theirs.bass().pitchClass == bass, (text, tonic)
      seen += 1
  assert seen > 30


@pytest.mark.parametrize('figure', ['V7/V', 'V65/ii', 'V42/IV', 'viio7/V'])
@pytest.mark.parametrize('tonic', ['C', 'E-', 'B'])
def test_applied_dominants_are_told_back(figure, tonic):
  roman = pytest.importorskip('music21.roman')
  theirs = roman.RomanNumeral(figure, tonic)
  tones = [pitch.pitchClass for pitch in theirs.pitches]
  root = theirs.root().pitchClass
  steps = tuple(sorted((tone - root) % 12 for tone in tones))
  quality = {(0, 4, 7, 10): '7', (0, 3, 6, 9): 'dim7'}[steps]
  key = parse(tonic.replace('-', 'b')).root
  chord = Chord(root, quality, theirs.bass().pitchClass)
  assert numeral(chord, key) == figure


@pytest.mark.parametrize(
  ('symbol', 'key', 'expected'),
  [
    ('N', 0, 'N'),
    ('C/G', 0, 'I64'),
    ('Csus4', 0, 'I[sus4]'),
    ('Bb', 0, 'bVII'),
    ('E7', 21, 'V7'),
    ('G#dim7', 21, 'viio7'),
    ('G', 21, 'VII'),
    ('Bb', 21, 'bII'),
  ],
)
def test_written_by_hand(symbol, key, expected):
  assert numeral(parse(symbol), key) == expected


def test_any_chord_has_a_numeral():
  from aurl_jax.music import chords

  for index, key in itertools.product(range(chords.SIZE), range(24)):
    text = numeral(chords.from_index(index), key)
    assert text == 'N' if index == 0 else text.strip('b#')[0] in 'IViv'
