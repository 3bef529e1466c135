"""Runs that stand twice, found by comparing all pairs of places."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aurl_jax.deploy.composer import Composer
from aurl_jax.generation import repeats
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.request import Request
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.remi import Remi
from tests.generation import writers

REMI, COMPOUND = Remi(cells_per_beat=4), Compound(voices=2, cells_per_beat=4)


def longest(rows):
  """Length of the longest run that stands at two places, and each such end."""
  most = 0
  for one in range(len(rows)):
    for other in range(one):
      length = 0
      while length <= other and rows[one - length] == rows[other - length]:
        length += 1
      most = max(most, length)
  return most


@settings(max_examples=15)
@given(
  ids=st.lists(st.integers(3, 6), min_size=1, max_size=24),
  most=st.integers(1, 4),
)
def test_what_would_make_a_run_too_long_is_not_wanted(ids, most):
  rule = repeats.no_repeat(REMI, most, 32)
  state = rule.init()
  for id_ in ids:
    state = rule.advance(state, jnp.array([id_], jnp.int32))
  allowed = np.asarray(rule.mask(state, 0, jnp.zeros(1, jnp.int32)))
  assert allowed[7:].all()
  for id_ in range(3, 7):
    tail = (*ids, id_)[-most - 1 :]
    ends = range(most + 1, len(ids) + 1)
    again = any(tuple(ids[e - most - 1 : e]) == tail for e in ends)
    assert allowed[id_] == (not again)


def test_a_copy_with_other_velocities_is_a_copy():
  rule = repeats.no_repeat(COMPOUND, 1, 16)
  fields = [field.name for field in COMPOUND.codec.fields]
  pitch, velocity = fields.index('pitch'), fields.index('velocity')
  duration = fields.index('duration')
  steps = np.ones((3, len(fields)), np.int32) * 4
  steps[1, pitch] = 9
  steps[2, velocity] = 7
  state = rule.init()
  for step in steps:
    state = rule.advance(state, jnp.asarray(step))
  # Step 2 is step 0: what came behind that is not wanted but for velocity.
  partial = jnp.asarray(steps[1])
  for field in range(len(fields)):
    mask = np.asarray(rule.mask(state, field, partial))
    assert mask.all() == (field != duration)
  assert not np.asarray(rule.mask(state, duration, partial))[4]
  other = partial.at[pitch].set(10)
  assert np.asarray(rule.mask(state, duration, other)).all()


def test_pieces_do_not_loop():
  model, params = writers.small(REMI)
  composer = Composer(model=model, params=params, tokenizer=REMI)
  # The likeliest ids of a model that has learnt nothing go round and round.
  asked = {'bars': 12, 'steps': 250, 'temperature': 0}
  runs = []
  for repeat in (0, 2):
    (piece,) = composer.generate(Request(**asked, repeat=repeat))
    assert piece.grammatical
    runs.append(longest([tuple(row) for row in piece.ids.tolist()]))
  assert runs[0] > 6
  # Where all else leaves one id only, that is written.
  assert runs[1] <= 4


def test_no_steps_at_all_is_refused():
  with pytest.raises(RequestError, match='1 step or more'):
    repeats.no_repeat(REMI, 0, 10)
