"""Pieces have all their bars, and no note sounds on behind the last one."""

import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.generation import constraints, ending
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.request import Request
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.remi import Remi
from tests import recogniser
from tests.generation import walks, writers

COMPOUND, REMI = Compound(cells_per_beat=4), Remi(cells_per_beat=4)


def step(tokenizer, **told):
  """Returns a step of compound from event -> value."""
  ids = np.zeros(len(tokenizer.codec.fields), np.int32)
  for event, value in told.items():
    for f, field in enumerate(tokenizer.codec.fields):
      # `tempo` is a kind and a value: what is told is the value.
      if event in field.starts and (f > 0 or not field.tells(event)):
        ids[f] = tokenizer.codec.id(event, value if f else 0, f)
  return ids


def longest(tokenizer, constraint, state, field, partial):
  mask = np.asarray(constraint.mask(state, field, jnp.asarray(partial)))
  part = tokenizer.codec.fields[field]
  held = part.holds('duration', np.arange(part.size))
  assert mask[~held].all()
  return tokenizer.grid.durations[part.values[held & mask]].max()


def test_durations_of_compound_reach_the_end_of_the_last_bar():
  three = COMPOUND.grid.meters.index((3, 4))
  length = constraints.bars(COMPOUND, COMPOUND.bos()[None], 2, 50)
  (within,) = ending.within(COMPOUND, length.most)
  names = [field.name for field in COMPOUND.codec.fields]
  duration = names.index('duration')
  state = within.advance(within.init(), jnp.asarray(COMPOUND.bos()))
  found = []
  for told in ({'meter': three, 'whole': 0}, {'same': 0, 'whole': 0}):
    state = within.advance(state, jnp.asarray(step(COMPOUND, bar=0, **told)))
    for position in (0, 5, 11):
      note = step(COMPOUND, note=0, position=position)
      found.append(longest(COMPOUND, within, state, duration, note))
  # Two bars of twelve 16ths: what is left of them from each place on.
  assert found == [24, 19, 13, 12, 7, 1]


def test_durations_of_remi_follow_its_positions():
  length = constraints.bars(REMI, REMI.bos()[None], 1, 50)
  (within,) = ending.within(REMI, length.most)
  four = REMI.grid.meters.index((4, 4))
  state = within.init()
  told = [('bos', 0), ('bar', 0), ('meter', four), ('position', 6)]
  for event, value in told:
    state = within.advance(state, jnp.array([REMI.codec.id(event, value)]))
  assert longest(REMI, within, state, 0, np.zeros(1, np.int32)) == 10


@pytest.mark.parametrize('kind', ['compound', 'remi'])
def test_pieces_end_with_their_last_bar(kind):
  model, params = writers.model_of(kind)
  tokenizer = writers.TOKENIZERS[kind]
  composer = Composer(model=model, params=params, tokenizer=tokenizer)
  written = composer.generate(Request(n=6, bars=2, steps=100, seed=3))
  for piece in written:
    bars = tokenizer.bar_steps(piece.ids)
    events = [
      tokenizer.codec.event(int(id_), f)
      for row in piece.ids
      for f, id_ in enumerate(row)
    ]
    changed = sum(name == 'meter' for name, _ in events) > 1
    cut = any(name == 'cut' for name, _ in events)
    if len(piece.notes) and not (changed or cut):
      meter = piece.notes.meters[0]
      bar = 4 * int(meter['numerator']) / int(meter['denominator'])
      end = piece.notes.end / piece.notes.ticks_per_beat
      assert end <= 2 * bar
      assert len(bars) == 3


@pytest.mark.parametrize(
  ('tokenizer', 'steps'),
  [
    (Compound(voices=2, cells_per_beat=4, bar_beats=4), 40),
    # Hardly more than empty bars and the tempo take; none is for controls.
    (Compound(voices=2, cells_per_beat=4, bar_beats=4, controls=True), 18),
    pytest.param(
      Remi(voices=2, cells_per_beat=4, bar_beats=4),
      90,
      marks=pytest.mark.slow,
    ),
  ],
)
def test_steps_last_for_all_bars_however_many_notes_are_wanted(
  tokenizer, steps
):
  pieces, _ = walks.walk(tokenizer, None, 12, steps, rows=4, seed=1, more=6)
  for ids in pieces:
    assert recogniser.fault(tokenizer, ids.tolist()) == ''
    assert len(ids) > steps - 12
    assert len(tokenizer.bar_steps(ids)) == 13


def test_more_bars_than_there_are_steps_for_are_refused():
  with pytest.raises(RequestError, match='12 bars take at least 15 steps'):
    constraints.bars(COMPOUND, COMPOUND.bos()[None], 12, 14)
