import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.generation import constraints
from aurl_jax.generation.constraints import Length, Rules
from aurl_jax.generation.decode import decode
from aurl_jax.generation.errors import RequestError
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.performance import Performance
from tests import recogniser
from tests.generation import writers


@dataclasses.dataclass(frozen=True)
class Only:
  """Wants ids below a limit in field 0, which falls by one a step."""

  limit: int

  def init(self):
    return jnp.int32(self.limit)

  def mask(self, state, field, partial):
    return jnp.arange(4) < state if field == 0 else jnp.bool_(True)

  def advance(self, state, step):
    return state - 1


@dataclasses.dataclass(frozen=True)
class Except(Only):
  """Wants the ids that `Only` does not, for any limit."""

  def mask(self, state, field, partial):
    return jnp.arange(4) >= state


@dataclasses.dataclass(frozen=True)
class Upwards:
  """A grammar of ids 0..3 that allows those above the last one."""

  def init(self, budget):
    return jnp.int32(0)

  def mask(self, state, field, partial):
    return jnp.arange(4) > state

  def advance(self, state, step):
    return step[0]

  def distance(self, state):
    return 3 - state


def test_rules_want_what_all_want():
  rules = Rules(Upwards(), (Only(3), Only(4)))
  state, none = rules.init(jnp.int32(9)), jnp.zeros(2, int)
  assert rules.mask(state, 0, none).tolist() == [False, True, True, False]
  assert rules.mask(state, 1, none).tolist() == [False, True, True, True]


@pytest.mark.parametrize('limits', [(3, 4), (4, 3)])
def test_a_constraint_that_leaves_nothing_is_not_heard_and_the_others_are(
  limits,
):
  rules = Rules(Upwards(), tuple(Only(limit) for limit in limits))
  state, none = rules.init(jnp.int32(9)), jnp.zeros(2, int)
  assert rules.judged(state, 0, none)[1]
  state = rules.advance(state, jnp.array([1, 0]))
  # Above 1 nothing is below 2, the one limit; below the other one is 2.
  mask, met = rules.judged(state, 0, none)
  assert mask.tolist() == [False, False, True, False]
  assert not met
  assert rules.legal(state, 0, none).tolist() == [False, False, True, True]
  assert rules.distance(state) == 2
  state = rules.advance(state, jnp.array([2, 0]))
  # Nothing is below either limit any more: the grammar stands alone.
  assert rules.mask(state, 0, none).tolist() == [False, False, False, True]


def test_of_two_that_exclude_each_other_the_first_is_kept():
  rules = Rules(Upwards(), (Only(2), Except(2)))
  state, none = rules.init(jnp.int32(9)), jnp.zeros(2, int)
  assert rules.mask(state, 0, none).tolist() == [False, True, False, False]
  rules = Rules(Upwards(), (Except(2), Only(2)))
  state = rules.init(jnp.int32(9))
  assert rules.mask(state, 0, none).tolist() == [False, False, True, True]


def test_length_counts_its_kind_and_then_wants_the_end():
  length = Length(
    most=2, low=1, high=3, eos=3, plain=((True,) * 5, (True, False))
  )
  state = length.init()
  for id_, rest in ((1, True), (4, True), (2, False)):
    step = jnp.array([id_, 0])
    assert length.mask(state, 0, step).tolist() == [True] * 3 + [False, True]
    # The last one of its kind shall leave out what it can.
    assert length.mask(state, 1, step).tolist() == [True, rest]
    state = length.advance(state, step)
  assert length.mask(state, 0, step).tolist() == [False] * 3 + [True, False]


def write(name, prompt, bars, steps=120, n=4):
  tokenizer = writers.TOKENIZERS[name]
  model, params = writers.model_of(name)
  wanted = constraints.bars(tokenizer, prompt, bars, steps)
  return decode(
    model,
    params,
    tokenizer.grammar,
    [prompt] * n,
    steps=steps,
    seed=1,
    constraints=(wanted,),
  )


def test_cells_stop_where_the_next_bar_would_start():
  tokenizer = writers.TOKENIZERS['grid']
  for meter, pickup, cells in (((4, 4), 0, 48), ((3, 4), 4, 4 + 24)):
    bos = tokenizer.bos(meter, pickup=pickup)[None]
    for piece in write('grid', bos, 3):
      assert len(piece.ids) == 1 + cells + 1
      assert len(tokenizer.bar_steps(piece.ids)) == 3
      assert recogniser.fault(tokenizer, piece.ids.tolist()) == ''


@pytest.mark.parametrize('name', ['remi', 'compound'])
def test_bars_end_with_the_event_of_the_next_one_or_with_the_budget(name):
  tokenizer = writers.TOKENIZERS[name]
  pieces = write(name, tokenizer.bos()[None], 2, n=16)
  complete = 0
  for piece in pieces:
    assert recogniser.fault(tokenizer, piece.ids.tolist()) == ''
    starts = tokenizer.bar_steps(piece.ids)
    if len(starts) == 3:
      # BOS … Bar [Meter] EOS; a meter is due after a bar that was cut.
      assert len(piece.ids) - starts[-1] <= 3
      complete += 1
    else:
      assert len(starts) < 3
      assert len(piece.ids) > 115
  assert complete > 2


def test_pieces_may_end_in_their_last_bar_where_that_is_learnt():
  tokenizer = writers.TOKENIZERS['compound']
  prompt = tokenizer.bos()[None]
  eos, (low, _) = tokenizer.codec.id('eos'), tokenizer.codec.span('bar')
  bar = jnp.zeros(len(tokenizer.codec.fields), jnp.int32).at[0].set(low)
  allowed = {}
  for early in (False, True):
    length = constraints.bars(tokenizer, prompt, 2, 100, early=early)
    state, found = length.init(), []
    for _ in range(4):
      mask = np.asarray(length.mask(state, 0, jnp.zeros_like(bar)))
      found.append((bool(mask[eos]), bool(mask[low])))
      state = length.advance(state, bar)
    allowed[early] = found
  # Before the first bar, in it, in the second, behind the third one's event.
  no_end, either, end = (False, True), (True, True), (True, False)
  assert allowed[False] == [no_end, no_end, no_end, end]
  assert allowed[True] == [no_end, no_end, either, end]


def test_bars_are_added_to_those_of_the_prompt():
  tokenizer = writers.TOKENIZERS['grid']
  voice = np.arange(4)
  music = Notes.build(
    4, {'onset': 0, 'duration': 24, 'pitch': 72 - 5 * voice, 'track': voice}
  )
  prompt = tokenizer.encode(music)[:-1]
  assert len(tokenizer.bar_steps(prompt)) == 2
  # The second bar of the prompt is half over; two more follow it.
  for piece in write('grid', prompt, 2):
    assert len(piece.ids) == 1 + 4 * 16 + 1


def test_bars_that_cannot_fit_are_refused():
  tokenizer = writers.TOKENIZERS['grid']
  bos = tokenizer.bos()[None]
  with pytest.raises(RequestError, match='8 bars take at least 130 steps'):
    constraints.bars(tokenizer, bos, 8, 129)
  assert constraints.bars(tokenizer, bos, 8, 130).most == 129


def test_bars_are_refused_where_there_are_none():
  tokenizer = Performance()
  with pytest.raises(RequestError, match='has no bars'):
    constraints.bars(tokenizer, tokenizer.bos()[None], 2, 100)
