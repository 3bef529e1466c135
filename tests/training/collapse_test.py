"""A run whose latents say nothing stops, and says what shows it."""

import pytest

from aurl_jax.training.collapse import Collapse, shown
from aurl_jax.training.metrics import TrainingError
from tests.training import toy

SOUND = {
  'valid/latents/units': 16.0,
  'valid/latents/units_of': 16.0,
  'valid/latents/gap': 4.0,
}
FLAT = SOUND | {'valid/latents/units': 0.0}
UNHEARD = SOUND | {'valid/latents/gap': 0.004}


def at(step, record):
  return toy.context(step, record=record)


def test_signals_are_named():
  assert shown(SOUND) == []
  assert 'none of 16 dims is active' in shown(FLAT)[0]
  assert '0.40 % more nats' in shown(UNHEARD)[0]
  assert len(shown(FLAT | {'valid/latents/gap': float('nan')})) == 2


def test_it_stops_after_so_many_in_a_row():
  watch = Collapse(patience=2)
  assert not watch.due(at(5, {'loss': 1.0}))
  assert watch.due(at(10, SOUND))
  for step, record in ((10, FLAT), (20, SOUND), (30, UNHEARD)):
    watch(at(step, record))
  with pytest.raises(TrainingError) as info:
    watch(at(40, UNHEARD))
  assert info.value.code == 'collapse'
  for words in ('step 40', 'latents/gap', 'elbo.beta', 'free_bits'):
    assert words in str(info.value)


def test_it_remembers():
  watch = Collapse(patience=2)
  watch(at(10, FLAT))
  other = Collapse(patience=2)
  other.load(watch.save())
  with pytest.raises(TrainingError):
    other(at(20, FLAT))
