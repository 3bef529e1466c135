import numpy as np

from aurl_jax.tokens.compound import Compound
from tests.tokens import sampler

COMPOUND = Compound()
FIELDS = [field.name for field in COMPOUND.codec.fields]


def step(kind='eos', **events):
  """Returns a step from event -> value; the rest of the fields is unused."""
  ids = np.zeros(len(FIELDS), np.int32)
  ids[0] = COMPOUND.codec.id(kind)
  if kind == 'bar':
    events = {'whole': 0} | events if 'cut' not in events else events
    events = {'same': 0} | events if 'meter' not in events else events
  for f, field in enumerate(COMPOUND.codec.fields[1:], start=1):
    for event in events.keys() & field.starts.keys():
      ids[f] = COMPOUND.codec.id(event, events[event], f)
  return ids


def walk(*steps, budget=100):
  return sampler.walk(COMPOUND, steps, budget)


def allowed(state, field, partial):
  """Returns the (event, value) pairs that may stand."""
  f = FIELDS.index(field)
  mask = sampler.mask(COMPOUND, state, f, partial)
  return {COMPOUND.codec.event(i, f) for i in np.flatnonzero(mask).tolist()}


METERS = COMPOUND.grid.meters
FOUR, THREE = METERS.index((4, 4)), METERS.index((3, 4))
START = (
  step('bos'),
  step('bar', meter=FOUR),
  step('tempo', tempo=9, position=0),
)
NOTE = {'duration': 3, 'velocity': 4}


def test_the_first_bar_has_a_meter_and_a_tempo():
  bar = step('bar')
  state = walk(START[0])
  assert {kind for kind, _ in allowed(state, 'kind', bar)} == {'bar', 'eos'}
  assert not {('pad', 0), ('same', 0)} & allowed(state, 'value', bar)
  state = walk(*START[:2])
  assert allowed(state, 'kind', bar) == {('tempo', 0)}
  assert allowed(state, 'position', step('tempo')) == {('position', 0)}


def test_a_meter_is_longer_than_the_cut_before_it():
  partial = step('bar', cut=47)
  values = allowed(walk(*START), 'value', partial)
  cells = {
    COMPOUND.grid.meter_cells(*METERS[m]) for e, m in values if e == 'meter'
  }
  assert min(cells) == 48
  # The meter in force has a bar of 48 cells, so it may stay.
  assert ('same', 0) in values
  assert ('pad', 0) not in values
  values = allowed(walk(*START), 'value', step('bar', cut=48))
  assert ('same', 0) not in values


def test_a_cut_bar_is_followed_by_another_meter():
  state = walk(*START, step('bar', cut=10), step('tempo', position=9, tempo=3))
  kinds = {kind for kind, _ in allowed(state, 'kind', step())}
  assert kinds == {'bar', 'note'}
  values = allowed(state, 'value', step('bar'))
  assert not {('pad', 0), ('same', 0)} & values
  assert ('meter', FOUR) not in values
  assert ('meter', THREE) in values


def test_the_same_voice_leaves_higher_pitches_only():
  note = NOTE | {'position': 0, 'program': 7}
  state = walk(*START, step('note', **note, pitch=60, voice=2))
  head = step('note', position=0)
  assert ('program', 6) not in allowed(state, 'value', head)
  head = step('note', **note)
  assert min(allowed(state, 'voice', head)) == ('voice', 2)
  same = step('note', **note, voice=2)
  assert min(allowed(state, 'pitch', same)) == ('pitch', 61)
  above = step('note', **note, voice=3)
  assert min(allowed(state, 'pitch', above)) == ('pitch', 0)
  later = step('note', **(note | {'position': 1}), voice=0)
  assert min(allowed(state, 'voice', later)) == ('voice', 0)
  assert min(allowed(state, 'pitch', later)) == ('pitch', 0)


def test_a_voice_whose_highest_pitch_was_struck_is_over():
  note = NOTE | {'position': 0, 'program': 7}
  state = walk(*START, step('note', **note, pitch=127, voice=2))
  assert min(allowed(state, 'voice', step('note', **note))) == ('voice', 3)
  last = COMPOUND.voices - 1
  full = walk(*START, step('note', **note, pitch=127, voice=last))
  values = allowed(full, 'value', step('note', position=0))
  assert min(values) == ('program', 8)


def test_drums_have_pitches_of_their_own():
  partial = step('note', **NOTE, position=3, program=128)
  events = {event for event, _ in allowed(walk(*START), 'pitch', partial)}
  assert events == {'drum'}


def test_a_cut_costs_a_step_of_the_budget():
  bar = step('bar')
  assert {e for e, _ in allowed(walk(*START, budget=5), 'position', bar)} == {
    'whole'
  }
  assert ('cut', 1) in allowed(walk(*START, budget=6), 'position', bar)
