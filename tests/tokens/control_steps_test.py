import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.core.errors import ConfigError, TokenError
from aurl_jax.tokens import control_steps
from aurl_jax.tokens import controls as controls_lib
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.controls import Controls, Levels
from aurl_jax.tokens.remi import Remi
from tests import recogniser
from tests.tokens import judge, pieces, sampler

SEEDS = st.integers(0, 2**32 - 1)
CASES = [Remi(controls=True), Compound(controls=True, micro=4, pedal=True)]
PLAIN = [Remi(), Compound(micro=4, pedal=True)]
BOTH = list(zip(CASES, PLAIN, strict=True))
STUDIED = [
  Remi(controls=True, studied=True),
  Compound(controls=True, studied=True),
]
HEARD = Controls(
  piece=Levels(key=14),
  style=7,
  form=7,
  bars=(
    Levels(section=0, harmony=168, contour=8),
    Levels(density=3, section=15, contour=0),
  ),
)


def spelled(tokenizer, ids):
  """Returns the events of each step, unused fields left out."""
  return [
    [tokenizer.codec.event(i, f) for f, i in enumerate(step) if i]
    for step in ids.tolist()
  ]


@pytest.mark.parametrize('tokenizer', CASES)
@hypothesis.given(seed=SEEDS)
def test_controls_come_back_and_change_no_music(tokenizer, seed):
  notes = pieces.pedalled(seed)
  given = controls_lib.of(notes, tokenizer.grid, bars=True, style=seed % 64)
  ids = tokenizer.encode(notes, given)
  assert tokenizer.decode(ids) == judge.rounded(tokenizer, notes)
  assert recogniser.fault(tokenizer, ids.tolist()) == ''
  back = tokenizer.read_controls(ids)
  bars = len(tokenizer.bar_steps(ids))
  told = given.bars[:bars] + (Levels(),) * (bars - len(given.bars))
  assert back == Controls(
    piece=given.piece,
    instruments=given.instruments,
    style=given.style,
    bars=told,
  )


@pytest.mark.parametrize(('tokenizer', 'plain'), BOTH)
def test_without_controls_ids_are_those_of_the_plain_vocabulary(
  tokenizer, plain
):
  for seed in range(5):
    notes = pieces.pedalled(seed)
    ids = tokenizer.encode(notes)
    assert (ids == plain.encode(notes)).all()
    assert tokenizer.read_controls(ids).piece == Levels()
  for mine, before in zip(
    tokenizer.codec.fields, plain.codec.fields, strict=True
  ):
    assert mine.ranges[: len(before.ranges)] == before.ranges


def test_they_stand_behind_bos_and_bars():
  notes = pieces.chorale(1, bars=2)
  given = Controls(
    piece=Levels(key=14, register=5),
    instruments=(2, 0),
    style=7,
    bars=(Levels(density=3), Levels(polyphony=4)),
  )
  rows = spelled(CASES[0], CASES[0].encode(notes, given))
  assert rows[1:6] == [
    [('key', 14)],
    [('register', 5)],
    [('family', 0)],
    [('family', 2)],
    [('style', 7)],
  ]
  assert rows[6:8] == [[('bar', 0)], [('density', 3)]]
  second = [i for i, row in enumerate(rows) if row == [('bar', 0)]][1]
  assert rows[second + 1] == [('polyphony', 4)]
  compound = spelled(CASES[1], CASES[1].encode(notes, given))
  assert compound[1] == [('control', 0), ('key', 14)]


@pytest.mark.parametrize('tokenizer', CASES)
@hypothesis.given(seed=SEEDS)
def test_decode_takes_any_ids(tokenizer, seed):
  ids = judge.noise(tokenizer, seed, 300)
  judge.assert_canonical(tokenizer, tokenizer.decode(ids))
  assert isinstance(tokenizer.read_controls(ids), Controls)


def test_what_cannot_be_told_is_refused():
  notes = pieces.chorale(1)
  with pytest.raises(TokenError, match='controls=True') as caught:
    Remi().encode(notes, Controls())
  assert caught.value.code == 'controls'
  with pytest.raises(TokenError, match=r'key 24 not in 0\.\.23'):
    CASES[0].encode(notes, Controls(piece=Levels(key=24)))
  assert Remi().read_controls(Remi().encode(notes)) == Controls()


def test_more_bars_than_the_piece_has_are_left_out():
  notes = pieces.chorale(1, bars=2)
  many = Controls(bars=(Levels(density=1),) * 50)
  ids = CASES[0].encode(notes, many)
  extra = len(ids) - len(CASES[0].encode(notes))
  assert extra == len(CASES[0].bar_steps(ids))
  assert np.isin(1, ids)


@pytest.mark.parametrize('tokenizer', CASES)
def test_every_level_there_is_can_be_told(tokenizer):
  notes = pieces.pedalled(0)
  most = {
    'key': 23,
    'density': len(controls_lib.DENSITY),
    'polyphony': len(controls_lib.POLYPHONY),
    'register': 10,
  }
  for name, level in most.items():
    given = Controls(piece=Levels(**{name: level}))
    back = tokenizer.read_controls(tokenizer.encode(notes, given))
    assert getattr(back.piece, name) == level


def test_strange_ids_become_0_without_controls():
  base = Compound().codec
  steps = control_steps.ControlSteps(base, 2)
  rows = np.zeros((3, len(base.sizes)), np.int32)
  rows[0] = np.array(base.sizes) - 1
  rows[1] = base.sizes
  found = steps.without(rows)
  np.testing.assert_array_equal(found[0], rows[0])
  np.testing.assert_array_equal(found[1], 0)


@pytest.mark.parametrize('tokenizer', STUDIED)
def test_what_studies_hear_comes_back(tokenizer):
  notes = pieces.chorale(1, bars=2)
  ids = tokenizer.encode(notes, HEARD)
  assert recogniser.fault(tokenizer, ids.tolist()) == ''
  assert tokenizer.read_controls(ids) == HEARD
  assert tokenizer.decode(ids) == judge.rounded(tokenizer, notes)


@pytest.mark.parametrize('tokenizer', STUDIED)
def test_grammars_allow_what_studies_hear_where_it_may_stand(tokenizer):
  ids, alive = sampler.sample(tokenizer, 3, [60] * 64, 60)
  assert alive.all()
  told = set()
  for row in ids:
    real = row[: np.flatnonzero(row[:, 0])[-1] + 1]
    assert recogniser.fault(tokenizer, real.tolist()) == ''
    names = ('section', 'harmony', 'contour', 'form')
    for f in range(len(tokenizer.codec.fields)):
      held = tokenizer.codec.fields[f].holds
      told |= {name for name in names if held(name, row[:, f]).any()}
  assert len(told) == 4


def test_vocabularies_without_studies_are_as_they_were():
  """Ids of kept models are numbers: none may move."""
  names = ('key', 'density', 'polyphony', 'register', 'family', 'style')
  for tokenizer in CASES:
    fields = tokenizer.codec.fields
    field = fields[0 if len(fields) == 1 else 2]
    assert tuple(r.event for r in field.ranges)[-len(names) :] == names


def test_a_vocabulary_without_studies_refuses_what_they_hear():
  notes = pieces.chorale(1, bars=2)
  for told in (Controls(form=1), Controls(bars=(Levels(contour=2),))):
    with pytest.raises(TokenError, match='studied=True') as caught:
      CASES[0].encode(notes, told)
    assert caught.value.code == 'controls'
  with pytest.raises(ConfigError, match='controls=True'):
    Compound(studied=True)
