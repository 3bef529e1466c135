"""What all grammars promise, judged by a recogniser that shares no code."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.tokens import controls
from aurl_jax.tokens import grammar as lib
from aurl_jax.tokens.codec import Field, Range
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.performance import Performance
from aurl_jax.tokens.remi import Remi
from tests import recogniser
from tests.tokens import judge, pieces, sampler

ALL = [
  Remi(chords=True),
  Compound(chords=True),
  Compound(micro=5, pedal=True, controls=True),
  Remi(controls=True),
  VoiceGrid(),
  Performance(),
]
ODD = [
  Remi(voices=1, cells_per_beat=1, bar_beats=2),
  Compound(voices=2, cells_per_beat=1, bar_beats=2),
  Performance(velocity_bins=1, shift_steps=2, drums=True),
]
"""Few cells, voices and meters: every limit is met often."""
ROWS = 1000
STEPS = 40


def named(tokenizer):
  width = len(tokenizer.codec.fields)
  told = getattr(tokenizer, 'controls', False)
  meters = len(tokenizer.grid.meters)
  return f'{type(tokenizer).__name__}-{width}-{meters}' + '-c' * told


@pytest.mark.parametrize('tokenizer', [*ALL, *ODD], ids=named)
def test_samples_are_legal_and_end_within_their_budget(tokenizer):
  rows = ROWS if tokenizer in ALL else ROWS // 4
  budgets = np.random.default_rng(0).integers(2, STEPS + 1, rows)
  ids, alive = sampler.sample(tokenizer, 0, budgets, STEPS)
  assert alive.all()
  whole = [sampler.whole(tokenizer, row) for row in ids]
  faults = [recogniser.fault(tokenizer, row) for row in whole]
  assert faults == [''] * rows
  lengths = np.array([len(row) for row in whole])
  assert (lengths <= budgets).all()
  # Many used the budget up, and were led to a legal end in time.
  assert (lengths == budgets).mean() > 0.1
  ended = np.arange(STEPS) >= lengths[:, None]
  assert not ids[ended].any()
  if tokenizer in ALL:
    assert_every_event(tokenizer, whole)


def assert_every_event(tokenizer, rows):
  """Samples show all that the vocabulary has."""
  for f, field in enumerate(tokenizer.codec.fields):
    seen = {
      tokenizer.codec.event(step[f], f)[0] for row in rows for step in row
    }
    own = {part.event for part in field.ranges}
    if isinstance(tokenizer, VoiceGrid) and f:
      own -= {'bos', 'eos'}
    assert own <= seen


def encoded(tokenizer, seed):
  """Returns the ids of some music, its controls told where they can be."""
  notes = music(tokenizer, seed)
  if not getattr(tokenizer, 'controls', False):
    return tokenizer.encode(notes)
  told = controls.of(notes, tokenizer.grid, bars=seed % 2 == 0, style=seed)
  return tokenizer.encode(notes, told)


def music(tokenizer, seed):
  if isinstance(tokenizer, VoiceGrid):
    return pieces.chorale(seed, bars=2, pickup=4 * (seed % 3))
  return pieces.pedalled(seed, notes=25)


@pytest.mark.parametrize('tokenizer', ALL, ids=named)
def test_music_is_legal_at_each_step_with_no_step_to_spare(tokenizer):
  for seed in range(40):
    ids = encoded(tokenizer, seed)
    assert sampler.accepts(tokenizer, ids, budget=len(ids)).all()


@pytest.mark.parametrize('tokenizer', ALL, ids=named)
def test_grammar_and_recogniser_agree_on_torn_music(tokenizer):
  legal = 0
  for seed in range(150):
    ids = encoded(tokenizer, seed % 40)
    ids = judge.shuffled(ids, seed)
    if seed % 2:
      rng = np.random.default_rng(seed)
      step, field = rng.integers(len(ids)), rng.integers(ids.shape[1])
      # Often a neighbour's id, which is harder to tell from a legal one.
      near = ids[rng.integers(len(ids)), field]
      size = tokenizer.codec.sizes[field]
      ids[step, field] = near if seed % 4 == 1 else rng.integers(size)
    ends = bool(tokenizer.is_end(ids[-1]))
    accepted = sampler.accepts(tokenizer, ids, budget=1000).all() and ends
    assert accepted == (recogniser.fault(tokenizer, ids.tolist()) == '')
    legal += accepted
  assert legal < 100


@pytest.mark.parametrize('tokenizer', ALL, ids=named)
def test_after_the_end_only_padding_stands(tokenizer):
  codec = tokenizer.codec
  pad = np.zeros(len(codec.fields), np.int32)
  eos = pad.copy()
  eos[0] = codec.id('eos')
  for last in (eos, pad):
    state = sampler.walk(tokenizer, [tokenizer.bos(), last, pad])
    assert tokenizer.grammar.distance(state) == 0
    for f in range(len(codec.fields)):
      mask = sampler.mask(tokenizer, state, f, pad)
      assert np.flatnonzero(mask).tolist() == [0]


@pytest.mark.parametrize('tokenizer', ALL, ids=named)
def test_beyond_the_budget_only_the_way_to_the_end_is_open(tokenizer):
  ids = encoded(tokenizer, 9)
  state = sampler.walk(tokenizer, ids[: len(ids) // 2], budget=3)
  assert state.left < 0
  left = int(tokenizer.grammar.distance(state))
  assert left > 0
  for _ in range(left):
    step = np.zeros(ids.shape[1], np.int32)
    for f in range(ids.shape[1]):
      mask = np.asarray(sampler.mask(tokenizer, state, f, step))
      assert mask.any()
      step[f] = mask.argmax()
    state = sampler.advance(tokenizer, state, step)
  assert tokenizer.is_end(step)


@pytest.mark.parametrize('tokenizer', ALL, ids=named)
def test_states_are_int32_and_keep_their_shapes(tokenizer):
  grammar = tokenizer.grammar
  state = grammar.init(jnp.int32(5))
  after = sampler.advance(tokenizer, state, tokenizer.bos())
  for old, new in zip(*map(jax.tree.leaves, (state, after)), strict=True):
    assert (new.shape, new.dtype) == (old.shape, old.dtype)
    assert new.dtype == jnp.int32
  distance = grammar.distance(after)
  assert (distance.shape, distance.dtype) == ((), jnp.int32)


@pytest.mark.parametrize('tokenizer', ALL, ids=named)
def test_grammars_of_equal_tokenizers_are_equal(tokenizer):
  # A compiled decoder takes them as static arguments.
  again = dataclasses.replace(tokenizer)
  assert again.grammar == tokenizer.grammar
  assert hash(again.grammar) == hash(tokenizer.grammar)


def test_mask_leaves_an_interval_less_one_value():
  field = Field('event', (Range('a', 3, 9), Range('b', 0, 2), Range('c', 0, 0)))
  mask = lib.mask(
    field, {'a': lib.Span(True, 4, 7, 5), 'b': lib.Span(), 'd': lib.Span()}
  )
  assert np.flatnonzero(mask).tolist() == [2, 4, 5, 8, 9, 10]
  shut = lib.mask(field, {'a': lib.Span(False)}, reserved=True)
  assert np.flatnonzero(shut).tolist() == [0]


def test_relation_reads_rules():
  table = lib.relation(('a', 'b'), {'a': 'a b', 'b': ''})
  assert table.tolist() == [[True, True], [False, False]]
