import csv
import re

import hypothesis
import pytest
from hypothesis import strategies as st

from aurl_jax.music import chords

SYMBOLS = {
  'C': 'C:maj', 'Cm': 'C:min', 'C-': 'C:min', 'Cmin': 'C:min',
  'Cmi7': 'C:min7', 'CM7': 'C:maj7', 'Cmaj7': 'C:maj7', 'CMA7': 'C:maj7',
  'Cma7': 'C:maj7', 'CΔ': 'C:maj7', 'C^7': 'C:maj7', 'C7': 'C:7',
  'C-7': 'C:min7', 'F#m7b5': 'F#:hdim7', 'Cø7': 'C:hdim7', 'Cdim': 'C:dim',
  'Co7': 'C:dim7', 'C°7': 'C:dim7', 'C+': 'C:aug', 'C+7': 'C:aug',
  'C7#5': 'C:aug', 'Am9+': 'A:min7', 'C6': 'C:maj6', 'C69': 'C:maj6',
  'C6/9': 'C:maj6', 'Cm6': 'C:min6', 'C9': 'C:7', 'Cmaj9': 'C:maj7',
  'Cm11': 'C:min7', 'C13': 'C:7', 'Csus4': 'C:sus4', 'Csus2': 'C:sus2',
  'C2': 'C:sus2', 'Csus': 'C:sus4', 'C7sus4': 'C:sus4', 'CmMaj7': 'C:minmaj7',
  'Cm(maj7)': 'C:minmaj7', 'CmM7': 'C:minmaj7', 'Cadd9': 'C:maj',
  'Cmadd9': 'C:min', 'C7(#9,b13)': 'C:7', 'C7alt': 'C:7', 'C5': 'C:maj',
  'G/B': 'G:maj/3', 'Bbmaj7': 'Bb:maj7', 'C/b7': 'C:maj/b7',
  'Am/F#': 'A:min/6', 'E7/g+': 'E:7/3', '(D7)': 'D:7', 'Cb': 'B:maj',
  'Dbb': 'C:maj', 'C:maj': 'C:maj', 'A:min7/b3': 'A:min7/b3',
  'C:(3,5)': 'C:maj', 'C:(1,b3,b5,b7)': 'C:hdim7', 'C:sus4(b7,9)': 'C:sus4',
  'C:min(9)': 'C:min', 'C:9': 'C:7', 'C:maj(*3)': 'C:maj', 'C:5': 'C:maj',
  'Eb:hdim7/b5': 'Eb:hdim7/b5', 'N': 'N', 'N.C.': 'N', 'n.c.': 'N',
}  # fmt: skip


@pytest.mark.parametrize(('symbol', 'label'), SYMBOLS.items())
def test_symbols_are_read(symbol, label):
  assert chords.parse(symbol).label() == label


@pytest.mark.parametrize(
  'symbol', ['', 'X', 'H', 'Czz', 'C:maj8', 'C:maj/', 'hello', 'C:(x)', 'c']
)
def test_what_is_no_chord_is_refused_by_name(symbol):
  with pytest.raises(chords.ChordError) as caught:
    chords.parse(symbol)
  assert caught.value.code == 'chord'
  assert repr(symbol) in str(caught.value)


@hypothesis.given(
  st.text(max_size=8) | st.text('ABCDEFGmaj7b#/:()sus+-9', max_size=9)
)
def test_any_text_is_read_or_refused(text):
  try:
    chord = chords.parse(text)
  except chords.ChordError:
    return
  assert chords.parse(chord.label()) == chord


@pytest.mark.parametrize('index', range(chords.SIZE))
def test_the_vocabulary_is_numbered(index):
  chord = chords.from_index(index)
  assert chord.index == index
  assert chords.parse(chord.label()) == chord


def test_the_vocabulary_has_14_qualities_and_no_chord():
  assert chords.SIZE == 169
  assert chords.from_index(0).label() == 'N'
  for wrong in (-1, 169):
    with pytest.raises(IndexError, match=r'not in 0\.\.168'):
      chords.from_index(wrong)


@pytest.mark.parametrize(
  ('symbol', 'tones'),
  [
    ('C', {0, 4, 7}),
    ('Am7', {9, 0, 4, 7}),
    ('C/D', {0, 2, 4, 7}),
    ('N', set()),
  ],
)
def test_pitch_classes_sound(symbol, tones):
  assert chords.parse(symbol).pitch_classes() == tones


def test_nearest_takes_the_part_that_is_read():
  assert chords.nearest('Cm7(weird)').label() == 'C:min7'
  assert chords.nearest('hello') is None
  assert chords.unreadable(['C', 'Czz', 'X']) == ('Czz', 'X')


@hypothesis.given(st.sampled_from(list(SYMBOLS)), st.integers(-30, 30))
def test_transposing_moves_every_pitch_class(symbol, semitones):
  moved = chords.parse(chords.transpose(symbol, semitones)).pitch_classes()
  tones = chords.parse(symbol).pitch_classes()
  assert moved == {(tone + semitones) % 12 for tone in tones}


def test_labels_of_pop909_are_all_read(shared_data):
  labels = {
    line.split()[2]
    for path in sorted(shared_data.glob('pop909/*/*/chord_midi.txt'))[::20]
    for line in path.read_text().splitlines()
    if line
  }
  assert len(labels) > 100
  assert chords.unreadable(labels) == ()


def test_lead_sheets_sound_as_their_pitch_classes_say(shared_data):
  seen = wrong = 0
  for path in sorted(shared_data.glob('openewld/*.chords.tsv'))[::6]:
    with path.open() as file:
      for row in csv.DictReader(file, delimiter='\t'):
        figure = re.sub(r'^([A-G])-', r'\1b', row['figure'])
        seen += 1
        try:
          chord = chords.parse(figure)
        except chords.ChordError:
          wrong += 1
          continue
        truth = {int(pc) for pc in row['pcs'].split()}
        triad = chords.Chord(chord.root, chord.quality).pitch_classes()
        wrong += not (triad <= truth or truth <= chord.pitch_classes())
  assert seen > 1000
  assert wrong / seen < 0.03
