import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.generation import longer
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.form import Form
from aurl_jax.generation.request import Request
from aurl_jax.music import midi
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.controls import Controls, Levels
from aurl_jax.tokens.remi import Remi
from tests import recogniser
from tests.generation import writers

TOKENIZER = Compound(
  voices=3, cells_per_beat=4, velocity_bins=2, controls=True, infill=True
)


@pytest.fixture(scope='module')
def composer():
  model, params = writers.small(TOKENIZER)
  return Composer(model=model, params=params, tokenizer=TOKENIZER)


@pytest.mark.parametrize(
  ('asked', 'form', 'tempo'),
  [
    ({'form': 'AABA'}, 'A8A8B8A8', 80),
    ({'form': 'AABA', 'tempo': 100}, 'A8A8B8A8', 100),
    # 3 minutes at 80 are 60 bars, and 64 are nearest; at 64 * 4 / 3 exactly.
    ({'form': 'AABA', 'minutes': 3}, 'A8A8B8A8' * 2, 256 / 3),
    ({'form': 'A4', 'minutes': 1, 'tempo': 120}, 'A4' * 8, 120),
    ({'form': 'A4', 'minutes': 0.1}, 'A4', 150),
    ({'form': 'A10', 'minutes': 1, 'meter': (3, 4)}, 'A10' * 3, 90),
  ],
)
def test_form_and_tempo_make_the_minutes(asked, form, tempo):
  found, pace = longer.planned(Request(**asked), 0)
  assert str(found) == form
  assert pace == pytest.approx(tempo)


@pytest.mark.parametrize('seed', range(12))
def test_a_form_that_is_drawn_lasts_as_long_as_asked(seed):
  form, pace = longer.planned(Request(minutes=3), seed)
  assert form.bars * 4 / pace == pytest.approx(3)
  assert longer.planned(Request(minutes=3), seed) == (form, pace)


@pytest.mark.slow
def test_pieces_of_a_form_are_legal_marked_and_end(composer, tmp_path):
  request = Request(form='i1A2A2o1', n=2, seed=4, tempo=90)
  pieces = composer.generate(request)
  assert [piece.seed for piece in pieces] == [4, 5]
  for piece in pieces:
    assert piece.grammatical
    assert recogniser.fault(TOKENIZER, piece.ids.tolist()) == ''
    assert piece.report['form'] == 'i1A2A2o1'
    assert piece.notes.end <= 6 * 16
    assert len(TOKENIZER.bar_steps(piece.ids)) == 6
    read = midi.read(piece.save(tmp_path / 'piece.mid')).notes
    marks = [
      (text.tick * 4 // read.ticks_per_beat, text.text)
      for text in read.texts
      if text.kind == 'marker'
    ]
    assert marks == [(0, 'i1'), (16, 'A2'), (48, 'A2'), (80, 'o1')]
    assert longer.resampled(piece)['stretches'] == len(piece.more['written'])
  alone = composer.generate(Request(form='i1A2A2o1', seed=5, tempo=90))[0]
  assert alone.midi() == pieces[1].midi()


def test_what_is_asked_of_the_piece_is_told_before_its_first_bar(composer):
  asked = Request(form='A1', controls=Controls(instruments=(0, 5)))
  (piece,) = composer.generate(asked)
  assert piece.grammatical
  assert recogniser.fault(TOKENIZER, piece.ids.tolist()) == ''
  codec = TOKENIZER.codec
  first = int(TOKENIZER.bar_steps(piece.ids)[0])
  kinds = [codec.event(int(step[0]))[0] for step in piece.ids[:first]]
  assert kinds == ['bos', 'control', 'control']
  values = {codec.event(int(i), 2) for i in piece.ids[1:first, 2]}
  assert values == {('family', 0), ('family', 5)}


@pytest.mark.slow
def test_beside_others_each_is_what_was_asked(composer):
  form = Request(form='A2', seed=1)
  plain = Request(bars=1, seed=1)
  of_form, of_bars = composer.generate([form, plain])
  assert of_form[0].report['form'] == 'A2'
  assert 'form' not in of_bars[0].report
  assert of_bars[0].midi() == composer.generate(plain)[0].midi()


@pytest.mark.parametrize(
  ('changes', 'cause'),
  [
    ({'bars': 8}, 'takes no bars'),
    ({'prompt': 'song.mid', 'beams': 2}, 'takes no prompt, beams'),
    ({'guidance': 2}, 'takes no guidance'),
    ({'controls': Controls(bars=(Levels(density=1),))}, 'controls of bars'),
    ({'minutes': 21}, 'minutes must be in 0..20'),
    ({'form': 'A B 4'}, 'the form cannot be read'),
  ],
)
def test_what_does_not_go_with_a_form_is_refused(changes, cause):
  with pytest.raises(RequestError, match=cause):
    Request(**{'form': 'AABA', **changes})


def test_models_that_cannot_are_refused_before_anything_runs(composer):
  with pytest.raises(RequestError, match='compound without pedal') as error:
    longer.check(Remi(), Request(form='AABA'))
  assert error.value.code == 'form'
  with pytest.raises(RequestError, match='tempo 1000'):
    composer.check(Request(form='AABA', tempo=1000))
  composer.check(Request(form='AABA', minutes=3))
  told = Request(form='AABA', controls=Controls(style=1000))
  with pytest.raises(RequestError, match='style'):
    composer.check(told)
  with pytest.raises(RequestError, match='cannot be streamed'):
    composer.stream(Request(form='AABA'))
  assert Form.parse('AABA').bars == 32
