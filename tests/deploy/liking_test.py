"""What a model with controls is asked for by a reference."""

import dataclasses

import pytest

from aurl_jax.deploy import liking
from aurl_jax.deploy.composer import Composer
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.remake import Like
from aurl_jax.generation.request import Request
from aurl_jax.generation.wish import Wish
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.controls import Controls, Levels
from tests.generation import writers
from tests.tokens import pieces

# A minor, one chord of three notes a beat, around C4, at 90 in 3/4.
BEATS = [beat for beat in range(24) for _ in range(3)]
REFERENCE = Notes.build(
  4,
  {
    'onset': [4 * beat for beat in BEATS],
    'duration': 4,
    'pitch': [57, 60, 64] * 24,
  },
  meters=[(0, 3, 4)],
  tempos=[(0, 666_667)],
)
LEVELS = Levels(key=21, density=5, polyphony=5, register=5)


@pytest.fixture(scope='module')
def composer():
  tokenizer = Compound(cells_per_beat=4, controls=True)
  model, params = writers.small(tokenizer)
  return Composer(model=model, params=params, tokenizer=tokenizer)


def settled(composer, **asked):
  return liking.settled(
    composer.model, composer.tokenizer, Request(bars=2, **asked)
  )


def test_controls_meter_and_tempo_of_the_reference_are_asked_for(composer):
  found = settled(composer, like=Like(REFERENCE, 0.75))
  assert found.controls == Controls(piece=LEVELS)
  assert found.guidance == 1.5
  assert found.meter == (3, 4)
  assert found.tempo == pytest.approx(90, rel=0.01)
  assert found.like is None
  none = settled(composer, like=Like(REFERENCE, 0.0))
  assert (none.controls, none.guidance) == (None, 1.0)


def test_what_is_asked_by_itself_comes_first(composer):
  own = Controls(piece=Levels(density=1), style=2)
  found = settled(
    composer, like=Like(REFERENCE), controls=own, guidance=3.0, tempo=60
  )
  assert found.controls == dataclasses.replace(
    own, piece=LEVELS._replace(density=1)
  )
  assert (found.guidance, found.tempo, found.meter) == (3.0, 60, (3, 4))
  wished = settled(
    composer, like=Like(REFERENCE), wish=Wish(key='D', meter=(4, 4), tempo=70)
  )
  assert wished.controls.piece == LEVELS._replace(key=None)
  assert (wished.meter, wished.tempo) == (None, None)


def test_music_that_is_begun_keeps_key_meter_and_tempo(composer):
  prompt = pieces.chorale(1, bars=4)
  found = liking.settled(
    composer.model,
    composer.tokenizer,
    Request(prompt=prompt, rewrite=(1, 2), like=Like(REFERENCE)),
  )
  assert found.controls.piece == LEVELS._replace(key=None)
  assert (found.meter, found.tempo) == (None, None)
  assert found.rewrite == (1, 2)


def test_the_request_is_met_and_checked_before(composer):
  asked = Request(bars=1, like=Like(REFERENCE, 0.5), seed=1, retries=0)
  composer.check(asked)
  (piece,) = composer.generate(asked)
  assert piece.grammatical
  codec = composer.tokenizer.codec
  told = [
    codec.event(step[f], f)
    for step in piece.ids.tolist()
    for f in range(len(step))
    if step[f]
  ]
  asked = {k: v for k, v in LEVELS._asdict().items() if v is not None}
  assert set(asked) == {'key', 'density', 'polyphony', 'register'}
  for name, level in asked.items():
    assert any(event[0] == name and event[1] == level for event in told)
  with pytest.raises(RequestError, match=r'like nope\.mid cannot be read'):
    composer.check(Request(bars=1, like=Like('nope.mid')))


def test_a_model_that_cannot_follow_says_so():
  model, params = writers.model_of('grid')
  plain = Composer(
    model=model, params=params, tokenizer=writers.TOKENIZERS['grid']
  )
  with pytest.raises(RequestError, match='neither latents nor controls'):
    plain.check(Request(bars=1, like=Like(REFERENCE)))
