"""Controls that studies hear, against what was planted in plain songs."""

import dataclasses

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.core.errors import ConfigError
from aurl_jax.data import sources, studied
from aurl_jax.data.piece import Options, Transform
from aurl_jax.music import midi, transform
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes, Track
from aurl_jax.studies.melody import contour
from aurl_jax.studies.structure import forms
from aurl_jax.tokens import controls
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.remi import Remi
from tests.music.pieces import pieces

GRID = Grid()
BAR = 4 * 480
SHAPES = {
  'ascending': (72, 74, 76, 79),
  'descending': (79, 77, 74, 72),
  'convex': (72, 77, 79, 74),
  'concave': (79, 74, 72, 77),
}
A = [(0, 'convex'), (9, 'ascending'), (5, 'descending'), (7, 'concave')] * 2
B = [(2, 'descending'), (2, 'concave'), (4, 'ascending'), (4, 'convex')] * 2
"""Root of each bar's triad (minor on 2, 4, 9), and what the tune does."""


def song(form='ABA', up=0):
  """Returns a tune over triads, and the bars it was made of."""
  bars = [bar for letter in form for bar in (A if letter == 'A' else B)]
  rows = []
  for number, (root, shape) in enumerate(bars):
    start = number * BAR
    third = 3 if root in (2, 4, 9) else 4
    for step in (0, third, 7):
      rows.append((start, BAR, 48 + (root + step) % 12 + up, 1))
    for beat, pitch in enumerate(SHAPES[shape]):
      moved = pitch + (5 if bars[number] in B else 0)
      rows.append((start + beat * 480, 480, moved + up, 0))
  names = ('onset', 'duration', 'pitch', 'track')
  table = {name: [row[i] for row in rows] for i, name in enumerate(names)}
  tracks = [Track('tune', 73, False), Track('chords', 0, False)]
  return Notes.build(480, table, tracks=tracks, meters=[(0, 4, 4)]), bars


@pytest.mark.parametrize('up', [0, 3])
def test_planted_chords_are_told(up):
  notes, bars = song(up=up)
  told = studied.of(notes, GRID)
  assert len(told.bars) == len(bars)
  wanted = [
    1 + (root + up) % 12 * 14 + (1 if root in (2, 4, 9) else 0)
    for root, _ in bars
  ]
  same = np.array([level.harmony for level in told.bars]) == wanted
  assert same.mean() >= 0.9


def test_planted_shapes_are_told_of_a_tune_alone():
  notes, bars = song()
  tune = notes.track == 0
  names = ('onset', 'duration', 'pitch')
  alone = Notes.build(480, {name: getattr(notes, name)[tune] for name in names})
  told = studied.of(alone, GRID)
  shapes = [controls.CONTOURS[level.contour] for level in told.bars]
  assert shapes == [shape for _, shape in bars]


def test_sections_return_with_their_number():
  notes, _ = song()
  told = studied.of(notes, GRID)
  sections = [level.section for level in told.bars]
  first, other, last = (sections[i : i + 8] for i in (0, 8, 16))
  assert first[0] == 0
  assert first[1:7] == last[1:7]
  assert set(other[1:7]).isdisjoint(first[1:7])
  assert controls.FORMS[told.form] == 'ternary'


def test_numbers_of_notes_are_those_told_without_studies():
  notes, _ = song()
  told = studied.of(notes, GRID, style=3)
  bare = [
    level._replace(section=None, harmony=None, contour=None)
    for level in told.bars
  ]
  plain = controls.of(notes, GRID, bars=True, style=3)
  assert dataclasses.replace(told, bars=tuple(bare), form=None) == plain


@hypothesis.given(pieces(nested=True, last=4_000, most=20))
def test_any_piece_can_be_told(notes):
  tokenizer = Compound(controls=True, studied=True)
  told = studied.of(notes, tokenizer.grid)
  ids = tokenizer.encode(notes, told)
  back = tokenizer.read_controls(ids)
  assert back.form == told.form
  assert back.bars == told.bars[: len(back.bars)]


def test_drums_and_silence_have_neither_chords_nor_shapes():
  assert studied.of(Notes.build(480), GRID) == controls.Controls()
  kit = [Track('kit', 0, True)]
  columns = {'onset': [i * 240 for i in range(64)], 'duration': 120}
  told = studied.of(Notes.build(480, columns | {'pitch': 36}, tracks=kit), GRID)
  assert all(b.harmony is None and b.contour is None for b in told.bars)


def test_words_are_those_of_the_studies():
  assert tuple(contour.CLASSES.values()) == controls.CONTOURS
  assert forms.CLASSES == controls.FORMS


@hypothesis.given(st.integers(-5, 6))
def test_chords_follow_a_transposition(semitones):
  notes, _ = song()
  moved = transform.transpose(notes, semitones)
  before, after = studied.of(notes, GRID), studied.of(moved, GRID)
  for one, other in zip(before.bars, after.bars, strict=True):
    root, quality = divmod(one.harmony - 1, 14)
    assert divmod(other.harmony - 1, 14) == ((root + semitones) % 12, quality)
    assert one.section == other.section
    shapes = {one.contour, other.contour} - {None}
    assert len(shapes) < 2


def test_prepared_pieces_tell_them(tmp_path):
  notes, bars = song()
  midi.write(notes, tmp_path / 'song.mid')
  (source,) = sources.folder(tmp_path)
  tokenizer = Compound(controls=True, studied=True)
  options = Options(controls='studied')
  piece = Transform(tokenizer=tokenizer, options=options)(0, source)
  told = tokenizer.read_controls(piece.ids)
  assert len(told.bars) == len(bars)
  assert controls.FORMS[told.form] == 'ternary'
  assert None not in [level.section for level in told.bars]
  assert tokenizer.decode(piece.ids) == tokenizer.quantise(notes)


def test_a_vocabulary_without_them_is_refused_by_name():
  options = Options(controls='studied')
  for tokenizer in (Compound(controls=True), Remi(controls=True)):
    with pytest.raises(ConfigError, match='studied=True'):
      Transform(tokenizer=tokenizer, options=options)
