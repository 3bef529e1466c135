import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.tokens.remi import Remi
from tests.tokens import pieces, sampler

REMI = Remi(chords=True)


@functools.partial(jax.jit, static_argnums=0)
def next_distances(tokenizer, state):
  """Returns the distance after each id, int32 [v]."""
  grammar = tokenizer.grammar
  ids = jnp.arange(tokenizer.codec.sizes[0], dtype=jnp.int32)[:, None]
  after = jax.vmap(grammar.advance, (None, 0))(state, ids)
  return jax.vmap(grammar.distance)(after)


@pytest.mark.parametrize('seed', [9, 0])
def test_distance_is_one_more_than_that_of_the_best_next_step(seed):
  grammar = REMI.grammar
  distance, partial = jax.jit(grammar.distance), np.zeros(1, np.int32)
  state = grammar.init(10_000)
  for step in REMI.encode(pieces.piece(seed))[:150]:
    legal = np.asarray(sampler.mask(REMI, state, 0, partial))
    after = np.asarray(next_distances(REMI, state))
    assert after[legal].min() == distance(state) - 1
    state = sampler.advance(REMI, state, step)


def test_the_budget_decides_how_much_may_still_be_told():
  codec, partial = REMI.codec, np.zeros(1, np.int32)
  told = ('bos', 0), ('bar', 0), ('meter', 3), ('position', 0), ('tempo', 5)
  state = sampler.walk(REMI, [[codec.id(*event)] for event in told])
  events = {}
  for left in range(1, 7):
    state = state._replace(left=jnp.int32(left))
    mask = sampler.mask(REMI, state, 0, partial)
    ids = np.flatnonzero(mask).tolist()
    events[left] = {codec.event(id_)[0] for id_ in ids}
  assert events[1] == {'eos'}
  assert events[2] == {'eos', 'bar', 'chord'}
  assert events[3] == events[4] == events[2] | {'position'}
  assert events[5] == events[6] == events[4] | {'program'}
