"""Models write what a request wishes, judged by ear."""

from fractions import Fraction

import numpy as np
import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.generation import wishing
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.prompt import Prompts
from aurl_jax.generation.request import Request
from aurl_jax.generation.wish import Wish
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.remi import Remi
from tests import recogniser
from tests.generation import hearing, writers

SMALL = {'voices': 2, 'cells_per_beat': 4, 'bar_beats': 4}
TOKENIZERS = {
  'compound': Compound(**SMALL),
  'remi': Remi(**SMALL),
  'grid': VoiceGrid(),
}
VOICE = np.arange(4)
CHORD = Notes.build(
  4,
  {'onset': 0, 'duration': 12, 'pitch': 72 - 5 * VOICE, 'track': VOICE},
  meters=[(0, 3, 4)],
)
WISH = Wish(
  key='A minor',
  chords='Am | E7',
  polyphony=2,
  density=(3, 6),
  rhythm='8',
  meter=(3, 4),
  tempo=88,
)
JUDGED = {
  'scales': [{9, 11, 0, 2, 4, 5, 7, 8}],
  'chords': ([[{9, 0, 4}], [{4, 8, 11, 2}]], {9, 11, 0, 2, 4, 5, 7, 8}),
  'polyphony': ([2], 1 << 20),
  'density': [(3, 6)],
  'rhythm': Fraction(1, 2),
  'meter': [(3, 4)],
  'tempo': [88],
}


@pytest.mark.parametrize('name', TOKENIZERS)
def test_models_keep_all_rules_of_a_wish_at_once(name):
  tokenizer = TOKENIZERS[name]
  model, params = writers.small(tokenizer)
  composer = Composer(model=model, params=params, tokenizer=tokenizer)
  pieces = composer.generate(Request(n=4, bars=2, steps=150, wish=WISH))
  for piece in pieces:
    assert piece.ended
    assert recogniser.fault(tokenizer, piece.ids.tolist()) == ''
    assert hearing.faults(piece.notes, 2, **JUDGED) == []
    report = piece.report
    assert set(report['kept']) == {
      *('key', 'chords', 'polyphony', 'density', 'rhythm', 'meter', 'tempo'),
      'no drums',
    }
    assert set(report['kept'].values()) == {1.0}
    assert set(report['broken'].values()) == {0}
  assert len({piece.midi() for piece in pieces}) > 1


def test_a_wish_takes_the_meter_of_the_request_or_of_the_prompt():
  wish = Wish(chords='C')
  compound, grid = TOKENIZERS['compound'], TOKENIZERS['grid']
  for request in (
    Request(wish=wish, meter=(3, 4)),
    Request(wish=wish, prompt=CHORD),
  ):
    found = wishing.settled(compound, request).wishes
    assert found == (Wish(chords='C', meter=(3, 4)),)
  open_ = wishing.settled(compound, Request(wish=Wish(key='C')))
  assert open_.wishes == (Wish(key='C'),)
  told = wishing.settled(grid, Request(wish=Wish(meter=(3, 4), tempo=90)))
  assert (told.meter, told.tempo) == ((3, 4), 90)
  assert wishing.settled(grid, Request(seed=3)) == Request(seed=3)


@pytest.mark.parametrize(
  ('request_', 'match'),
  [
    (Request(wish=Wish(meter=(4, 4)), meter=(3, 4)), 'begins in 3/4'),
    (Request(wish=Wish(meter=(4, 4)), prompt=CHORD), 'begins in 3/4'),
    (Request(wish=Wish(tempo=90), prompt=CHORD), 'has its own tempo'),
  ],
)
def test_a_grid_has_one_meter_and_one_tempo(request_, match):
  with pytest.raises(RequestError, match=match):
    wishing.settled(TOKENIZERS['grid'], request_)


def test_bars_of_the_prompt_are_not_wished_for():
  compound = TOKENIZERS['compound']
  prompt = compound.encode(CHORD)[:-1]
  request = Request(wish=Wish(key='C'), prompt=CHORD, bars=3)
  notes = compound.decode(prompt)
  found = wishing.judge(compound, request, prompt)(notes)
  # C5 G4 D4 A3 are in no bar that it is about.
  assert found['key'] == (1.0, 0)
  first = Request(wish=Wish(key='F# major'), bars=1)
  broken = wishing.judge(compound, first, prompt[:1])(notes)
  assert broken['key'] == (0.0, 4)
  assert wishing.judge(compound, Request(), prompt)(notes) == {}
  assert wishing.constraints(compound, Request(), prompt, 50) == ()


def test_a_wish_is_not_about_bars_that_are_rewritten():
  with pytest.raises(RequestError, match='written anew') as caught:
    Request(wish=Wish(key='C'), prompt=CHORD, rewrite=(0, 1))
  assert caught.value.code == 'wish'


def test_wishes_with_a_weight_are_leaned_to_and_reported():
  compound = TOKENIZERS['compound']
  model, params = writers.small(compound)
  composer = Composer(model=model, params=params, tokenizer=compound)
  shares = []
  # A chord outside of the key is no fault of a wish that has a weight.
  for weight in (0, 2, 30):
    soft = Wish(key='C', chords='C | F#', meter=(4, 4), weight=weight)
    request = Request(n=8, bars=2, steps=90, wish=(soft, Wish(polyphony=3)))
    pieces = composer.generate(request)
    name = f'key, weight {weight}'
    assert all(piece.kept['polyphony'].broken == 0 for piece in pieces)
    assert all(piece.grammatical and piece.ended for piece in pieces)
    for piece in pieces:
      heard = hearing.faults(piece.notes, 2, scales=[{0, 2, 4, 5, 7, 9, 11}])
      assert piece.kept[name].broken == len(heard)
    notes = sum(len(piece.notes) for piece in pieces)
    shares.append(1 - sum(p.kept[name].broken for p in pieces) / notes)
  assert shares[0] < shares[1] < shares[2]
  assert shares[2] > 0.95


def test_at_most_one_wish_has_no_weight():
  request = Request(wish=(Wish(key='C', weight=2), Wish(density=(1, 2))))
  assert [wish.weight for wish in request.wishes] == [None, 2]
  with pytest.raises(RequestError, match='two wishes have no weight'):
    Request(wish=(Wish(key='C'), Wish(density=(1, 2))))
  with pytest.raises(RequestError, match='weight must be None'):
    Wish(key='C', weight=-1)


@pytest.mark.parametrize('name', ['remi', 'compound'])
@pytest.mark.parametrize('wish', [None, Wish(key='C')])
def test_the_bar_that_an_opening_begins_is_one_of_those_asked_for(name, wish):
  tokenizer = writers.TOKENIZERS[name]
  model, params = writers.model_of(name)
  composer = Composer(model=model, params=params, tokenizer=tokenizer)
  asked = {'steps': 100, 'wish': wish, 'seed': 3}
  for bars in (1, 2):
    (piece,) = composer.generate(Request(bars=bars, meter=(3, 4), **asked))
    # The last bar's line has a bar event of its own.
    assert len(tokenizer.bar_steps(piece.ids)) == bars + 1
    assert piece.ended
    assert piece.notes.end <= bars * 3 * piece.notes.ticks_per_beat


@pytest.mark.parametrize('name', ['prompt', 'melody'])
def test_a_settled_request_needs_its_files_no_more(name, tmp_path):
  compound, path = TOKENIZERS['compound'], tmp_path / 'chord.mid'
  midi.write(CHORD, path)
  asked = {'wish': Wish(key='C'), 'bars': 3}
  request = wishing.settled(compound, Request(**{name: path}, **asked))
  path.unlink()
  known = wishing.settled(compound, Request(**{name: CHORD}, **asked))
  found, prompt = (Prompts(compound).prompt(r) for r in (request, known))
  assert found.tolist() == prompt.tolist()
  judged, wanted = (
    wishing.judge(compound, r, prompt) for r in (request, known)
  )
  notes = compound.decode(prompt)
  assert judged(notes) == wanted(notes) != {}
