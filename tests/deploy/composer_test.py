import numpy as np
import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.request import Request
from aurl_jax.music.notes import Notes
from tests import recogniser
from tests.generation import writers

VOICE = np.arange(4)
CHORD = Notes.build(
  4, {'onset': 0, 'duration': 16, 'pitch': 72 - 5 * VOICE, 'track': VOICE}
)


@pytest.fixture(scope='module')
def composer():
  model, params = writers.model_of('grid')
  return Composer(
    model=model, params=params, tokenizer=writers.TOKENIZERS['grid']
  )


def test_pieces_are_what_the_ids_say(composer):
  pieces = composer.generate(Request(n=3, seed=4))
  assert [piece.seed for piece in pieces] == [4, 5, 6]
  for piece in pieces:
    assert piece.notes == composer.tokenizer.decode(piece.ids)
    assert piece.report['grammatical']
    assert piece.report['ended']
    assert recogniser.fault(composer.tokenizer, piece.ids.tolist()) == ''
    assert len(piece.ids) <= composer.model.config.context
  again = composer.generate(Request(n=3, seed=4))
  assert [p.midi() for p in pieces] == [p.midi() for p in again]
  # Piece i of a request is the first piece of the request with its seed.
  third = composer.generate(Request(n=3, seed=6))[0]
  assert third.midi() == pieces[2].midi()


def test_bars_meter_and_tempo_are_what_was_asked(composer):
  request = Request(bars=2, meter=(3, 4), tempo=80, seed=1)
  piece = composer.generate(request)[0]
  assert len(composer.tokenizer.bar_steps(piece.ids)) == 2
  assert piece.report['steps'] == 1 + 2 * 12 + 1
  assert piece.notes.meters[['numerator', 'denominator']].tolist() == [(3, 4)]
  assert abs(6e7 / piece.notes.tempos['microseconds'][0] / 80 - 1) < 0.008


def test_a_prompt_is_gone_on_from(composer):
  piece = composer.generate(Request(prompt=CHORD, bars=1, seed=1))[0]
  prompt = composer.tokenizer.encode(CHORD)[:-1]
  np.testing.assert_array_equal(piece.ids[: len(prompt)], prompt)
  assert len(piece.ids) == len(prompt) + 16 + 1


@pytest.mark.parametrize(
  ('asked', 'error', 'match'),
  [
    ({'steps': 129}, RequestError, 'steps 129 exceed the context .* 128'),
    (
      {'bars': 8},
      RequestError,
      '8 bars take at least 130 steps, more',
    ),
    ({'prompt': CHORD, 'steps': 17}, RequestError, 'takes 17 of 17 steps'),
    ({'meter': (5, 32)}, RequestError, 'meter 5/32'),
    (
      {'prompt': Notes.build(4, {'onset': 0, 'duration': 4, 'pitch': 60})},
      RequestError,
      'this model cannot read the prompt: 1 tracks with notes; .* 4 voices',
    ),
  ],
)
def test_what_cannot_be_met_is_refused(composer, asked, error, match):
  with pytest.raises(error, match=match):
    composer.generate(Request(**asked))
