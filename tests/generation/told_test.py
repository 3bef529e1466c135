"""What is asked of bars stands where they begin, whatever the model wants."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.generation import told
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.request import Request
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.controls import Controls, Levels
from aurl_jax.tokens.infill import Infill
from aurl_jax.tokens.remi import Remi
from tests.generation import writers
from tests.tokens import pieces

KINDS = {'compound': Compound, 'remi': Remi}
ASKED = (
  Levels(density=7),
  Levels(polyphony=3, register=5),
  Levels(),
  Levels(density=1, register=2),
)


@pytest.fixture(scope='module', params=KINDS)
def composer(request):
  tokenizer = KINDS[request.param](
    voices=2, cells_per_beat=4, controls=True, infill=True
  )
  model, params = writers.small(tokenizer)
  return Composer(model=model, params=params, tokenizer=tokenizer)


def kept(levels, asked):
  pairs = zip(levels, asked, strict=True)
  return all(want is None or got == want for got, want in pairs)


def test_bars_are_told_what_is_asked_of_them(composer):
  controls = Controls(bars=ASKED, piece=Levels(key=3))
  request = Request(n=3, bars=4, steps=250, seed=1, controls=controls)
  for piece in composer.generate(request):
    assert piece.grammatical
    assert piece.ended
    found = composer.tokenizer.read_controls(piece.ids)
    assert found.piece.key == 3
    begun = len(composer.tokenizer.bar_steps(piece.ids))
    for levels, asked in zip(found.bars[:begun], ASKED, strict=False):
      assert kept(levels, asked)


def test_controls_count_bars_of_the_prompt_and_of_what_is_rewritten(composer):
  notes = pieces.chorale(2, bars=4)
  controls = Controls(bars=ASKED)
  request = Request(prompt=notes, rewrite=(1, 3), controls=controls, n=3)
  for piece in composer.generate(request):
    assert piece.grammatical
    found = composer.tokenizer.read_controls(_put_back(composer, piece))
    for levels, asked in zip(found.bars, ASKED, strict=False):
      assert kept(levels, asked)


def _put_back(composer, piece):
  return Infill(composer.tokenizer.codec).put_back(piece.ids)


@pytest.mark.parametrize('kind', KINDS.values())
@pytest.mark.parametrize('own', [True, False])
def test_ids_that_may_stand_are_those_asked_or_left_to_the_model(kind, own):
  tokenizer = kind(controls=True)
  codec = tokenizer.codec
  field = [part.tells('density') for part in codec.fields].index(True)
  (rule,) = told.told(tokenizer, (Levels(polyphony=4),), own)
  state = rule.init()
  partial = np.zeros(len(codec.fields), np.int32)
  assert bool(rule.mask(state, 0, jnp.asarray(partial)).all()) or not own
  bar = partial.copy()
  bar[0] = codec.id('bar')
  state = rule.advance(state, jnp.asarray(bar))
  if field:
    first = np.asarray(rule.mask(state, 0, jnp.asarray(partial)))
    assert np.flatnonzero(first).tolist() == [codec.id('control')]
    partial[0] = codec.id('control')
  mask = np.asarray(rule.mask(state, field, jnp.asarray(partial)))
  allowed = {codec.event(int(i), field) for i in np.flatnonzero(mask)}
  assert ('polyphony', 4) in allowed
  events = {event for event, _ in allowed}
  assert events == ({'key', 'density', 'polyphony'} if own else {'polyphony'})
  assert sum(event == 'polyphony' for event, _ in allowed) == 1
  # Once it stands nothing more is due; what is left open is free, or is not.
  step = partial.copy()
  step[field] = codec.id('polyphony', 4, field)
  state = rule.advance(state, jnp.asarray(step))
  first = np.asarray(rule.mask(state, 0, jnp.zeros_like(partial)))
  control = codec.id('control') if field else codec.id('register', 2)
  assert first[control] == own
  assert first[bar[0]]


@pytest.mark.parametrize('lead', [pytest.param(0, marks=pytest.mark.slow), 3])
def test_twins_of_guided_rows_have_read_no_controls(lead):
  tokenizer = Compound(voices=2, cells_per_beat=4, controls=True)
  model, params = writers.small(tokenizer, lead=lead, metrical=16)
  request = Request(
    bars=3,
    steps=32,
    temperature=0,
    guidance=3.0,
    controls=Controls(bars=ASKED[:2]),
  )
  composer = Composer(model=model, params=params, tokenizer=tokenizer)
  found = composer.generate(request)[0].ids
  prompt = tokenizer.bos()[None]
  rules = composer._wanted(request, prompt, 32)
  expected = guided_loop(model, params, tokenizer, rules, 32)
  assert found.tolist() == expected
  assert len(tokenizer.read_controls(found).bars) > 1


def guided_loop(model, params, tokenizer, rules, steps, weight=3.0):
  """Takes the likeliest id by full forwards over a row and its twin.

  The twin is the row without its control steps, made anew each time.
  """
  grammar, codec = tokenizer.grammar, tokenizer.codec
  fields = len(codec.fields)
  scored = jax.jit(functools.partial(writers._logits, model, params))
  masks = [
    jax.jit(lambda states, step, f=f: _mask(grammar, rules, states, step, f))
    for f in range(fields)
  ]
  states = [grammar.init(steps), *(rule.init() for rule in rules)]
  row, step = [], tokenizer.bos().tolist()
  while True:
    row.append(step)
    states = [
      part.advance(state, jnp.asarray(step))
      for part, state in zip([grammar, *rules], states, strict=True)
    ]
    if grammar.distance(states[0]) <= 0:
      return row
    plain = [ids for ids in row if ids[0] != codec.id('control')]
    step = [0] * fields
    for field in range(fields):
      logs = []
      for ids in (row, plain):
        padded = np.zeros((steps, fields), np.int32)
        padded[: len(ids)] = ids
        logits = scored(jnp.asarray(padded), len(ids), jnp.asarray(step))
        logs.append(jax.nn.log_softmax(logits[field]))
      told = field > 0 and step[0] == codec.id('control')
      mixed = logs[0] if told else logs[1] + weight * (logs[0] - logs[1])
      mask = masks[field](states, jnp.asarray(step))
      step[field] = int(np.where(mask, mixed, -np.inf).argmax())


def _mask(grammar, rules, states, step, field):
  legal = grammar.mask(states[0], field, step)
  wanted = legal
  for rule, state in zip(rules, states[1:], strict=True):
    wanted &= rule.mask(state, field, step)
  return jnp.where(wanted.any(), wanted, legal)


def test_guidance_by_bars_needs_attention_to_all_steps():
  tokenizer = Compound(voices=2, cells_per_beat=4, controls=True)
  model, params = writers.small(tokenizer, pattern='window', window=8)
  composer = Composer(model=model, params=params, tokenizer=tokenizer)
  controls = Controls(bars=ASKED)
  with pytest.raises(RequestError, match='ask with guidance 1') as caught:
    composer.generate(Request(guidance=2, controls=controls, steps=60))
  assert caught.value.code == 'guidance'


def test_nothing_asked_is_no_constraint_and_levels_are_checked():
  tokenizer = Compound(controls=True)
  assert told.told(tokenizer, (Levels(), Levels())) == ()
  with pytest.raises(RequestError, match='density 99') as caught:
    told.told(tokenizer, (Levels(density=99),))
  assert caught.value.code == 'controls'


def test_places_of_bars_that_no_one_asks_for_are_free():
  tokenizer = Compound(controls=True)
  (rule,) = told.told(tokenizer, (Levels(density=3),))
  bar = np.zeros(len(tokenizer.codec.fields), np.int32)
  bar[0] = tokenizer.codec.id('bar')
  state = rule.init()
  for _ in range(2):
    state = rule.advance(state, jnp.asarray(bar))
  assert bool(rule.mask(state, 0, jnp.zeros_like(bar)).all())
