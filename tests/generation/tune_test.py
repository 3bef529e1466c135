"""A melody leans to shapes and motifs: judged from the notes alone."""

import dataclasses

import numpy as np
import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.generation import tune as tune_lib
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.request import Request
from aurl_jax.generation.tune import Tune
from aurl_jax.generation.wish import Wish
from aurl_jax.music.notes import Notes, Track
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.remi import Remi
from tests.generation import writers
from tests.tokens import pieces

TOKENIZER = Compound(voices=2, cells_per_beat=4, velocity_bins=4)
MOTIF = ((0, 0), (1, 2), (1.5, 4), (2, -3))
ASKED = Tune(
  contour=('ascending', 'descending', 'convex', ''),
  motif=((), (), (), MOTIF),
  weight=30,
)


@pytest.fixture(scope='module')
def composer():
  model, params = writers.small(TOKENIZER)
  return Composer(model=model, params=params, tokenizer=TOKENIZER)


def melody(notes, bar):
  """Returns (quarters from the bar's start, pitch) of the highest notes."""
  track = next(
    (
      number
      for number, t in enumerate(notes.tracks)
      if t.program == 0 and not t.is_drum
    ),
    -1,
  )
  length = 4 * notes.ticks_per_beat
  found = {}
  for onset, pitch, of in zip(
    notes.onset.tolist(),
    notes.pitch.tolist(),
    notes.track.tolist(),
    strict=True,
  ):
    if of == track and onset // length == bar:
      place = (onset % length) / notes.ticks_per_beat
      found[place] = max(pitch, found.get(place, 0))
  return sorted(found.items())


@pytest.fixture(scope='module')
def written(composer):
  request = Request(
    n=6, bars=4, steps=200, seed=2, wish=Wish(meter=(4, 4)), tune=ASKED
  )
  return composer.generate(request)


def test_a_motif_stands_where_it_was_asked_for(written):
  for piece in written:
    assert piece.grammatical
    assert piece.ended
    heard = melody(piece.notes, 3)
    assert [place for place, _ in heard] == [place for place, _ in MOTIF]
    root = heard[0][1]
    assert [pitch - root for _, pitch in heard] == [s for _, s in MOTIF]


def test_bars_go_the_way_that_was_asked_for(written):
  for piece in written:
    for bar, way in ((0, 1), (1, -1)):
      pitches = [pitch for _, pitch in melody(piece.notes, bar)]
      # A note may be struck again by itself; a chord counts by its top.
      assert all(way * step >= 0 for step in np.diff(pitches).tolist())


def test_pieces_report_how_well_they_keep_to_it(written):
  for piece in written:
    assert set(piece.kept) >= {'contour, weight 30', 'motif, weight 30'}
    assert piece.kept['motif, weight 30'].broken == 0


@pytest.mark.slow
def test_without_weight_it_changes_nothing(composer):
  plain = Request(n=2, bars=2, steps=100, seed=4)
  light = dataclasses.replace(ASKED, weight=0)
  one = composer.generate(plain)
  other = composer.generate(dataclasses.replace(plain, tune=light))
  for a, b in zip(one, other, strict=True):
    np.testing.assert_array_equal(a.ids, b.ids)


def test_a_heavy_tune_lets_bars_end(written, composer):
  """What is missed is let go: no cell fills up with notes that wait."""
  other = Tune(motif=(((0, 0), (3.75, 5)),), voice=(0, 1), weight=100)
  pieces_ = composer.generate(
    Request(n=4, bars=4, steps=200, seed=9, wish=Wish(meter=(4, 4)), tune=other)
  )
  for piece in pieces_:
    assert piece.ended
    cells = np.bincount(piece.notes.onset)
    assert cells.max(initial=0) <= 48


@pytest.mark.slow
def test_bars_are_counted_from_the_first_that_is_written(composer):
  prompt = pieces.chorale(1, bars=2)
  asked = Tune(motif=(MOTIF, ()), weight=30)
  meter = Wish(meter=(4, 4))
  request = Request(
    prompt=prompt, bars=2, steps=200, n=2, seed=3, wish=meter, tune=asked
  )
  for piece in composer.generate(request):
    assert piece.kept['motif, weight 30'].share == 1


def test_kept_is_counted_by_hand():
  columns = {'onset': [0, 4, 6, 8, 16, 20], 'duration': 2}
  notes = Notes.build(4, columns | {'pitch': [60, 62, 64, 57, 70, 71]})
  told = tune_lib.kept(
    Tune(motif=(MOTIF,), contour=('convex', 'ascending'), weight=2),
    TOKENIZER.grid,
    notes,
    0,
  )
  # Of the second bar two of four are there, the second a semitone too low;
  # with two notes it has no shape. The first goes up and then down.
  assert told['motif, weight 2'].share == pytest.approx(5 / 8)
  assert told['contour, weight 2'] == (1.0, 0)


def test_the_tune_of_a_piece_is_its_shapes_and_what_comes_back():
  bar = [(0, 72), (1, 74), (2, 76)]
  other = [(0, 79), (1, 77), (3, 72)]
  rows = [
    (4 * number + place, pitch + up)
    for number, (notes, up) in enumerate(
      [(bar, 0), (other, 0), (bar, 5), (other[:2], 0)]
    )
    for place, pitch in notes
  ]
  columns = {'onset': [480 * at for at, _ in rows], 'duration': 400}
  tracks = [Track('tune', 0, False)]
  notes = Notes.build(
    480, columns | {'pitch': [p for _, p in rows]}, tracks=tracks
  )
  own = {'track': 'tune', 'weight': 3}
  found = tune_lib.of(notes, TOKENIZER.grid, 4, **own)
  assert found.contour == ('ascending', 'descending', 'ascending', '')
  motif = ((0.0, 0), (1.0, 2), (2.0, 4))
  assert found.motif == (motif, (), motif, ())
  later = tune_lib.of(notes, TOKENIZER.grid, 2, first=1, **own)
  assert later.contour == ('descending', 'ascending')
  assert not any(later.motif)
  with pytest.raises(RequestError, match='no melody'):
    tune_lib.of(notes, TOKENIZER.grid, 4, first=9, **own)


@pytest.mark.parametrize(
  ('values', 'said'),
  [
    ({'contour': ('wavy',)}, "contour 'wavy' is none of"),
    ({'motif': (((1, 0), (0, 2)),)}, 'must ascend'),
    ({'motif': (((0, 1),),)}, 'the first note is 0'),
    ({'motif': (((0, 0), (1, 99)),)}, 'no note is 60 semitones'),
    ({'contour': ('convex',), 'weight': -1}, r'not in 0\.\.100'),
    ({}, 'asks for nothing'),
  ],
)
def test_what_is_no_tune_is_refused(values, said):
  with pytest.raises(RequestError, match=said) as caught:
    Tune(**values)
  assert caught.value.code == 'tune'


@pytest.mark.parametrize('tokenizer', [Remi(), VoiceGrid()])
def test_other_tokenizations_refuse_it_by_name(tokenizer):
  with pytest.raises(RequestError, match='use a model of compound'):
    tune_lib.constraints(tokenizer, ASKED)


def test_what_it_cannot_go_with_is_refused(composer):
  with pytest.raises(RequestError, match='a piece of a form takes no tune'):
    Request(form='AABA', tune=ASKED)
  with pytest.raises(RequestError, match='written anew'):
    Request(prompt=pieces.chorale(1), rewrite=(0, 1), tune=ASKED)
  strange = dataclasses.replace(ASKED, voice=(0, 7))
  with pytest.raises(RequestError, match=r'voices 0\.\.1'):
    composer.generate(Request(bars=4, tune=strange))
