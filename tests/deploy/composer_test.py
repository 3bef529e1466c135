import dataclasses

import jax
import numpy as np
import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.request import Request
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.functional import Model
from aurl_jax.music import time
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.controls import Controls, Levels
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.infill import Infill
from tests import recogniser
from tests.generation import writers
from tests.tokens import pieces

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


def composer_of(tokenizer, context=128):
  config = ModelConfig(
    width=16, layers=2, heads=2, context=context, head_width=8
  )
  model = Model.build(config, tokenizer.codec.sizes)
  params = model.init(jax.random.key(0))
  params = jax.tree.map(lambda x: 4 * x if x.ndim > 1 else x, params)
  return Composer(model=model, params=params, tokenizer=tokenizer)


def outside(notes, start, end, held_over):
  """What sounds outside of a span: (cell, pitch).

  In a grid also of notes that begin within it, which the cells behind it
  hold on; else those are gone as a whole.
  """
  found = set()
  columns = np.stack([notes.onset, notes.duration, notes.pitch], axis=1)
  for onset, duration, pitch in columns.tolist():
    if held_over or not start <= onset < end:
      cells = range(onset, onset + duration)
      found |= {(c, pitch) for c in cells if not start <= c < end}
  return found


@pytest.mark.parametrize(
  'tokenizer',
  [
    Compound(infill=True),
    pytest.param(VoiceGrid(infill=True), marks=pytest.mark.slow),
  ],
)
def test_bars_are_written_anew_and_all_else_stays(tokenizer):
  composer, notes = composer_of(tokenizer), pieces.chorale(4, bars=3)
  asked = Request(prompt=notes, rewrite=(1, 2), seed=2, n=2)
  before = composer.tokenizer.quantise(notes)
  start, end = time.bar_starts(before)[1:3]
  for piece in composer.generate(asked):
    assert piece.report['grammatical']
    assert piece.report['ended']
    span = start, end, isinstance(tokenizer, VoiceGrid)
    assert outside(piece.notes, *span) == outside(before, *span)
    assert piece.notes != before
    assert piece.notes.meters.tolist() == before.meters.tolist()
    if isinstance(tokenizer, VoiceGrid):
      plain = dataclasses.replace(tokenizer, infill=False)
      whole = Infill(tokenizer.codec).put_back(piece.ids)
      assert recogniser.fault(plain, whole.tolist()) == ''


def test_a_model_that_infills_writes_no_masks_of_its_own():
  tokenizer = VoiceGrid(infill=True)
  composer = composer_of(tokenizer)
  for piece in composer.generate(Request(n=8, steps=60, seed=1)):
    names = {
      tokenizer.codec.event(id_, field)[0]
      for step in piece.ids.tolist()
      for field, id_ in enumerate(step)
    }
    assert not names & {'mask', 'fill'}


def test_meters_change_and_bars_are_cut_where_they_may():
  model, params = writers.model_of('compound')
  tokenizer = writers.TOKENIZERS['compound']
  composer = Composer(model=model, params=params, tokenizer=tokenizer)
  written = composer.generate(Request(n=8, steps=120, seed=2))
  told = [
    [name for step in piece.ids[1:] for name in _events(tokenizer, step)]
    for piece in written
  ]
  # A model that has learnt nothing chooses between all that is legal.
  assert max(names.count('meter') for names in told) > 1
  assert any('cut' in names for names in told)


def _events(tokenizer, step):
  return [
    tokenizer.codec.event(int(id_), field)[0]
    for field, id_ in enumerate(step)
    if id_
  ]


def test_guidance_changes_what_is_written():
  composer = composer_of(Compound(controls=True))
  controls = Controls(piece=Levels(key=7, density=9))
  asked = {'controls': controls, 'steps': 60, 'bars': 2, 'seed': 5, 'n': 4}
  plain = composer.generate(Request(**asked))
  strong = composer.generate(Request(**asked, guidance=8))
  written = lambda pieces: [p.ids.tolist() for p in pieces]  # noqa: E731
  assert written(plain) != written(strong)
  with pytest.raises(RequestError, match='this request has none'):
    composer.generate(Request(steps=60, guidance=2))


def test_beams_find_what_is_likelier_than_what_is_drawn(composer):
  asked = {'n': 3, 'bars': 1, 'steps': 40}
  found = composer.generate(Request(**asked, beams=4))
  told = [piece.report['log_probability'] for piece in found]
  assert told == sorted(told, reverse=True)
  assert len({piece.ids.tobytes() for piece in found}) == 3
  again = composer.generate(Request(**asked, beams=4, seed=9, temperature=3))
  assert [p.midi() for p in again] == [p.midi() for p in found]
  for piece in found:
    assert recogniser.fault(composer.tokenizer, piece.ids.tolist()) == ''
    assert len(composer.tokenizer.bar_steps(piece.ids)) == 1
  apart = composer.generate(Request(**asked, beams=3, diversity=5))
  differ = lambda pieces: np.mean(pieces[0].ids != pieces[1].ids)  # noqa: E731
  assert differ(apart) > differ(found)


def test_guessing_ahead_writes_the_same_pieces(composer):
  asked = {'n': 2, 'bars': 2, 'steps': 60, 'seed': 3}
  plain = composer.generate(Request(**asked))
  guessed = composer.generate(Request(**asked, speculate=4))
  assert [p.midi() for p in guessed] == [p.midi() for p in plain]
  assert [p.seed for p in guessed] == [3, 4]
  for piece in guessed:
    assert 0 < piece.report['passes'] < len(piece.ids)
