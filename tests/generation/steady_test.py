"""No other meter and no other tempo is told than those asked for."""

import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.generation import wishes
from aurl_jax.generation.wish import Wish
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.remi import Remi

COMPOUND, REMI = (
  kind(cells_per_beat=4, bar_beats=4, controls=True)
  for kind in (Compound, Remi)
)
THREE, FOUR = (COMPOUND.grid.meters.index((n, 4)) for n in (3, 4))
WISH = Wish(meter=((3, 4), (3, 4), (4, 4)), tempo=(120, 120, 60))
FAST = 144
"""Bin of 120 bpm; an octave has 48 of them."""
SLOW = FAST - 48


def steady_of(tokenizer):
  return wishes.constraints(tokenizer, WISH, 3)[1]


def told(tokenizer, steady, state, field, partial=()):
  """Events (name, value) of a field that may stand."""
  step = np.zeros(len(tokenizer.codec.fields), np.int32)
  step[: len(partial)] = partial
  mask = np.asarray(steady.mask(state, field, jnp.asarray(step)))
  return {tokenizer.codec.event(int(i), field) for i in np.flatnonzero(mask)}


def named(found, *names):
  return {(event, value) for event, value in found if event in names}


def test_steps_of_compound_tell_what_is_asked_where_a_bar_begins():
  steady, codec = steady_of(COMPOUND), COMPOUND.codec
  state = steady.init()
  bar, tempo = codec.id('bar'), codec.id('tempo')
  turns = [
    (('meter', THREE), ('tempo', FAST)),
    (('same', 0), None),
    (('meter', FOUR), ('tempo', SLOW)),
  ]
  for meter, pace in turns:
    assert named(told(COMPOUND, steady, state, 2, [bar]), 'meter', 'same') == {
      meter
    }
    whole = named(told(COMPOUND, steady, state, 1, [bar]), 'whole', 'cut')
    assert whole == {('whole', 0)}
    step = np.zeros(len(codec.fields), np.int32)
    step[:3] = bar, codec.id('whole', 0, 1), codec.id(*meter, 2)
    state = steady.advance(state, jnp.asarray(step))
    kinds = {event for event, _ in told(COMPOUND, steady, state, 0)}
    if pace is None:
      assert 'note' in kinds
      assert 'tempo' not in kinds
      continue
    assert kinds & {'bar', 'note', 'tempo', 'eos', 'control'} == {
      *('tempo', 'control')
    }
    place = named(told(COMPOUND, steady, state, 1, [tempo]), 'position')
    assert place == {('position', 0)}
    value = named(told(COMPOUND, steady, state, 2, [tempo, 1]), 'tempo')
    assert value == {pace}
    step[:3] = tempo, codec.id('position', 0, 1), codec.id(*pace, 2)
    state = steady.advance(state, jnp.asarray(step))
    kinds = {event for event, _ in told(COMPOUND, steady, state, 0)}
    assert 'note' in kinds
    assert 'tempo' not in kinds


def test_ids_of_remi_tell_it_one_after_the_other():
  steady, codec = steady_of(REMI), REMI.codec
  state = steady.init()

  def after(state, *event):
    return steady.advance(state, jnp.array([codec.id(*event)], jnp.int32))

  state = after(state, 'bar')
  found = told(REMI, steady, state, 0)
  assert named(found, 'meter', 'position', 'bar', 'eos', 'cut') == {
    ('meter', THREE)
  }
  state = after(state, 'key', 3)
  assert named(told(REMI, steady, state, 0), 'position') == set()
  state = after(state, 'meter', THREE)
  found = told(REMI, steady, state, 0)
  assert named(found, 'meter', 'position', 'bar', 'eos') == {('position', 0)}
  state = after(state, 'position', 0)
  found = told(REMI, steady, state, 0)
  assert named(found, 'tempo', 'program') == {('tempo', FAST)}
  state = after(state, 'tempo', FAST)
  found = told(REMI, steady, state, 0)
  assert named(found, 'tempo', 'meter', 'bar') == {('bar', 0)}
  # The second bar is as the first; the third has another meter and tempo.
  state = after(state, 'bar')
  found = told(REMI, steady, state, 0)
  assert named(found, 'meter', 'tempo', 'cut') == set()
  assert len(named(found, 'position')) == REMI.grid.bar_cells
  state = after(state, 'bar')
  assert named(told(REMI, steady, state, 0), 'meter') == {('meter', FOUR)}


@pytest.mark.parametrize(
  ('meters', 'tempos', 'broken'),
  [
    ([(0, 3, 4), (24, 4, 4)], [(0, 500_000), (24, 1_000_000)], (0, 0)),
    ([(0, 3, 4)], [(0, 500_000)], (2, 2)),
    ([(0, 3, 4), (24, 4, 4)], [(0, 500_000), (4, 600_000)], (0, 3)),
  ],
)
def test_reports_count_bars_of_another_meter_or_tempo(meters, tempos, broken):
  notes = Notes.build(
    4,
    {'onset': [0, 39], 'duration': 1, 'pitch': 60},
    meters=meters,
    tempos=tempos,
  )
  report = wishes.made_out(COMPOUND, WISH, 4 - 1).report(notes)
  # The fourth bar of 3/4 alone lies behind the bars that are asked for.
  expected = tuple(min(b, 1) if len(meters) < 2 else b for b in broken)
  assert (report['meter'].broken, report['tempo'].broken) == expected
