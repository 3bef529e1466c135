"""Models keep wishes that can be kept, and refuse those that nothing keeps.

`tools/constraint_trial.py` runs the same over thousands of pieces.
"""

import numpy as np
import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.remi import Remi
from tests.generation import hearing, trial, witnesses, writers
from tests.generation.witnesses import COMPOUND, GRID, KINDS, REMI

SMALL = {'voices': 2, 'cells_per_beat': 4, 'bar_beats': 4}
TOKENIZERS = {
  'compound': Compound(**SMALL),
  'remi': Remi(**SMALL),
  'grid': VoiceGrid(),
}
SLOW = pytest.mark.slow


def composer_of(name):
  model, params = writers.small(TOKENIZERS[name])
  return Composer(model=model, params=params, tokenizer=TOKENIZERS[name])


@pytest.mark.parametrize('room', [COMPOUND, REMI, GRID])
def test_witnesses_keep_what_is_wished_and_hold_what_is_given(room):
  told, notes, given = set(), 0, 0
  for kind in set(KINDS) - {'soft'}:
    for seed in range(40):
      witness = witnesses.draw(room, seed, kind)
      rest, (count, missing) = trial.without(witness.notes, witness.given)
      heard = hearing.adherence(rest, witness.bars, **witness.judged)
      assert {name for name, (_, broken) in heard.items() if broken} == set()
      assert bool(count) == (kind == 'given')
      assert missing == 0
      told |= set(witness.judged)
      notes += len(rest)
      given += count
  assert told == set(hearing.COUNTED)
  assert notes > 1000
  assert given > 50


def test_a_seed_draws_a_witness_again_and_others_differ():
  one, two = (witnesses.draw(COMPOUND, 7, 'tracks') for _ in range(2))
  assert one == two
  wishes = {witnesses.draw(COMPOUND, seed, 'voices').wish for seed in range(50)}
  assert len(wishes) > 45


@pytest.mark.parametrize(
  ('name', 'spoil'),
  [
    ('key', {'pitch': 1}),
    ('chords', {'pitch': 1}),
    ('instruments', {'pitch': 40}),
    ('rhythm', {'onset': 1}),
    ('polyphony', {'duration': 30}),
  ],
)
def test_the_ear_hears_what_is_broken(name, spoil):
  heard = 0
  for seed in range(40):
    witness = witnesses.draw(COMPOUND, seed, 'voices')
    (column, change), notes = *spoil.items(), witness.notes
    if name not in witness.judged or not len(notes):
      continue
    values = np.clip(getattr(notes, column) + change, 0, 127)
    moved = notes.replace(**{column: values})
    judged = {name: witness.judged[name]}
    heard += hearing.adherence(moved, witness.bars, **judged)[name][1]
  assert heard > 10


@pytest.mark.parametrize('name', TOKENIZERS)
def test_what_nothing_can_keep_is_refused_by_its_name(name):
  tally = trial.Tally()
  trial.refuse(composer_of(name), range(120), tally)
  assert tally.failures == []
  assert tally.refused == tally.infeasible == 120


@pytest.mark.parametrize(
  ('name', 'kind'),
  [
    ('grid', 'voices'),
    ('compound', 'tracks'),
    *(pytest.param('grid', kind, marks=SLOW) for kind in KINDS[:1] + KINDS[3:]),
    *(pytest.param('compound', kind, marks=SLOW) for kind in KINDS[:2]),
    *(pytest.param('compound', kind, marks=SLOW) for kind in KINDS[3:]),
    *(pytest.param('remi', kind, marks=SLOW) for kind in KINDS[:3]),
    pytest.param('remi', 'soft', marks=SLOW),
  ],
)
def test_wishes_with_a_witness_are_kept_and_told_as_they_are_heard(name, kind):
  composer, tally, seed = composer_of(name), trial.Tally(), 0
  for _ in range(3):
    seed = trial.write(composer, kind, seed, 16, tally)
  assert tally.failures == []
  good = dict(tally.good)
  kept = good.pop('kept', 0)
  assert good == dict.fromkeys(('grammatical', 'ended', 'equal'), 48)
  assert kept == tally.hard == 48 * (kind != 'soft')
  assert sum(tally.rules.values()) > 100
