import numpy as np

from aurl_jax.tokens.grid import VoiceGrid
from tests.tokens import sampler

GRID = VoiceGrid()
CODEC, GRAMMAR = GRID.codec, GRID.grammar


def step(*events):
  ids = [CODEC.id(*event, field=f) for f, event in enumerate(events)]
  return np.array(ids + [0] * (4 - len(ids)), np.int32)


def names(state, field, partial):
  mask = sampler.mask(GRID, state, field, partial)
  return {CODEC.event(i, field)[0] for i in np.flatnonzero(mask).tolist()}


def test_only_what_sounds_is_held():
  rest, low = ('rest', 0), ('pitch', 50)
  state = sampler.walk(GRID, [GRID.bos()], 9)
  state = sampler.advance(GRID, state, step(rest, low, rest, low))
  partial = step(rest)
  assert names(state, 0, partial) == {'eos', 'rest', 'pitch'}
  for voice, sounds in ((1, True), (2, False), (3, True)):
    found = names(state, voice, partial)
    assert found == {'rest', 'pitch'} | ({'hold'} if sounds else set())
  mask = sampler.mask(GRID, state, 1, partial)
  held = [CODEC.event(i, 1) for i in np.flatnonzero(mask).tolist()]
  assert [event for event in held if event[0] == 'hold'] == [('hold', 50)]


def test_the_first_step_tells_meter_tempo_and_a_short_pickup():
  state = GRAMMAR.init(9)
  assert names(state, 0, step()) == {'bos'}
  partial = step(('bos', 0), ('meter', GRID.grid.meters.index((3, 8))))
  assert names(state, 1, partial) == {'meter'}
  assert names(state, 2, partial) == {'tempo'}
  mask = sampler.mask(GRID, state, 3, partial)
  pickups = [CODEC.event(i, 3) for i in np.flatnonzero(mask).tolist()]
  assert pickups == [('pickup', cells) for cells in range(6)]


def test_the_last_step_of_the_budget_is_the_end():
  state = sampler.walk(GRID, [GRID.bos()], 3)
  assert names(state, 0, step()) == {'eos', 'rest', 'pitch'}
  state = sampler.advance(GRID, state, step(*[('rest', 0)] * 4))
  assert names(state, 0, step()) == {'eos'}
  assert names(state, 1, step(('eos', 0))) == {'pad'}
