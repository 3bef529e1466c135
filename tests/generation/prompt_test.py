"""Prompts of requests, judged by what they say when they are decoded."""

import numpy as np
import pytest

from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.opening import opening
from aurl_jax.generation.prompt import Prompts
from aurl_jax.generation.request import Request
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.controls import Controls, Levels
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.remi import Remi
from tests.tokens import pieces

CONTROLS = Controls(piece=Levels(key=7, density=5), instruments=(0,), style=3)


def events(tokenizer, ids):
  """Names of the events of each step, field by field."""
  codec = tokenizer.codec
  return [
    tuple(codec.event(id_, f)[0] for f, id_ in enumerate(step) if id_)
    for step in ids.tolist()
  ]


@pytest.mark.parametrize('kind', [Remi, Compound])
def test_controls_stand_behind_bos_and_before_the_rest(kind):
  tokenizer = kind(controls=True)
  prompts = Prompts(tokenizer)
  request = Request(meter=(3, 4), tempo=90, controls=CONTROLS)
  prompt = prompts.prompt(request)
  told = [step[-1] for step in events(tokenizer, prompt)]
  assert told[:5] == ['bos', 'key', 'density', 'family', 'style']
  plain = opening(tokenizer, (3, 4), 90)
  np.testing.assert_array_equal(prompts.twin(prompt), plain)
  np.testing.assert_array_equal(np.delete(prompt, range(1, 5), 0), plain)
  notes = pieces.pedalled(3)
  ids = tokenizer.encode(notes, CONTROLS)
  going_on = prompts.prompt(Request(prompt=notes, controls=CONTROLS))
  np.testing.assert_array_equal(going_on, ids[:-1])


@pytest.mark.parametrize('tokenizer', [Remi(), VoiceGrid()])
def test_controls_are_refused_where_nothing_tells_them(tokenizer):
  with pytest.raises(RequestError, match='knows no controls') as caught:
    Prompts(tokenizer).prompt(Request(controls=CONTROLS))
  assert caught.value.code == 'controls'
  notes = pieces.chorale(1)
  with pytest.raises(RequestError, match='knows no controls'):
    Prompts(tokenizer).prompt(Request(prompt=notes, controls=CONTROLS))


def test_controls_that_no_music_has_are_refused():
  prompts = Prompts(Compound(controls=True))
  wrong = Controls(piece=Levels(key=99))
  with pytest.raises(RequestError, match='key') as caught:
    prompts.prompt(Request(controls=wrong))
  assert caught.value.code == 'controls'


@pytest.mark.parametrize('kind', [Remi, Compound])
def test_controls_of_a_bar_that_the_opening_begins_stand_in_it(kind):
  tokenizer = kind(controls=True)
  levels = Levels(density=3), Levels(density=4)
  request = Request(meter=(3, 4), tempo=90, controls=Controls(bars=levels))
  prompt = Prompts(tokenizer).prompt(request)
  found = tokenizer.read_controls(prompt)
  assert found.bars == levels[: len(tokenizer.bar_steps(prompt))]
  assert len(found.bars) == 1


def test_guidance_needs_controls():
  prompts = Prompts(Compound(controls=True))
  with pytest.raises(RequestError, match='this request has none') as caught:
    prompts.twin(prompts.prompt(Request(meter=(4, 4))))
  assert caught.value.code == 'guidance'


@pytest.mark.parametrize(
  'tokenizer', [Compound(infill=True), VoiceGrid(infill=True)]
)
def test_bars_to_rewrite_are_masked_and_all_else_is_there(tokenizer):
  notes = pieces.chorale(2, bars=4)
  ids = tokenizer.encode(notes)
  bars = [*tokenizer.bar_steps(ids).tolist(), len(ids) - 1]
  request = Request(prompt=notes, rewrite=(1, 3))
  prompt = Prompts(tokenizer).prompt(request)
  told = events(tokenizer, prompt)
  assert told[-1][0] == 'fill'
  masked = [i for i, step in enumerate(told) if 'mask' in step]
  if isinstance(tokenizer, VoiceGrid):
    assert masked == list(range(bars[1], bars[3]))
    assert {told[i] for i in masked} == {('mask',) * 4}
  else:
    assert len(masked) == 2
  kept = np.concatenate([ids[: bars[1]], ids[bars[3] : -1]])
  after = prompt[bars[3] - bars[4] - 1 : -1]
  around = np.concatenate([prompt[: masked[0]], after])
  np.testing.assert_array_equal(around, kept)


def test_what_is_given_stays():
  tokenizer = VoiceGrid(infill=True)
  notes = pieces.chorale(2, bars=3)
  request = Request(prompt=notes, rewrite=(0, 3), tracks=((0, 1), (0, 2)))
  prompt = Prompts(tokenizer).prompt(request)[1:-1]
  whole = tokenizer.encode(notes)[1:-1]
  for voice in (0, 3):
    np.testing.assert_array_equal(prompt[:, voice], whole[:, voice])
  for voice in (1, 2):
    mask = tokenizer.codec.id('mask', field=voice)
    assert set(prompt[:, voice].tolist()) == {mask}


@pytest.mark.parametrize(
  ('tokenizer', 'changes', 'match'),
  [
    (Compound(), {}, 'cannot rewrite bars: .*infill=True'),
    (Compound(infill=True), {'rewrite': (2, 99)}, 'rewrite: bars 2..99 of'),
    (Compound(infill=True), {'given': 'chords'}, 'no chords can be given'),
  ],
)
def test_rewriting_what_cannot_be_is_refused(tokenizer, changes, match):
  values = {'prompt': pieces.chorale(2, bars=3), 'rewrite': (0, 1)} | changes
  with pytest.raises(RequestError, match=match) as caught:
    Prompts(tokenizer).prompt(Request(**values))
  assert caught.value.code == 'rewrite'
