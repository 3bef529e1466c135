import math

import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.data import curriculum as lib
from aurl_jax.data import gather
from tests.data import streams

SIZES = [40, 8, 100, 25, 60, 12, 90, 33]


@pytest.fixture(scope='module')
def tokens(tmp_path_factory):
  return streams.write(
    tmp_path_factory.mktemp('tokens'), streams.corpus(SIZES), bar=10
  )


def test_competence_is_that_of_the_paper():
  course = lib.Curriculum(by='length', first=0.01, ramp=1000, power=2.0)
  for t in (0, 1, 250, 999):
    # Platanios et al. 2019, equation 6.
    expected = min(1, math.sqrt(t * (1 - 0.01**2) / 1000 + 0.01**2))
    assert course.competence(t, 0) == pytest.approx(expected)
  assert course.competence(1000, 0) == 1


def test_a_line_and_steps():
  course = lib.Curriculum(
    by='length', first=0.2, ramp=10, power=1.0, unit='steps'
  )
  assert course.competence(77, 0) == pytest.approx(0.2)
  assert course.competence(0, 5) == pytest.approx(0.6)
  assert course.competence(0, 10) == 1


def test_no_curriculum_takes_all_at_once():
  assert lib.Curriculum().competence(0, 0) == 1


def test_short_pieces_come_first(tokens):
  order = lib.Curriculum(by='length', ramp=1).order(tokens['train'])
  assert [SIZES[piece] for piece in order] == sorted(SIZES)


def test_density_is_notes_a_bar(tokens):
  bars = [len(range(1, size, 10)) for size in SIZES]
  expected = [size / bar for size, bar in zip(SIZES, bars, strict=True)]
  np.testing.assert_allclose(lib.density(tokens['train']), expected)
  order = lib.Curriculum(by='density', ramp=1).order(tokens['train'])
  found = [expected[piece] for piece in order]
  assert found == sorted(found)


def test_both_is_between(tokens):
  order = lib.Curriculum(by='both', ramp=1).order(tokens['train']).tolist()
  assert sorted(order) == list(range(len(SIZES)))


@pytest.mark.parametrize('unit', ['epochs', 'steps'])
@pytest.mark.parametrize('mode', gather.MODES)
def test_an_epoch_holds_the_easiest_pieces_and_no_others(tokens, mode, unit):
  course = lib.Curriculum(by='length', first=0.25, ramp=5, unit=unit)
  options = {'batch_size': 4, 'context': 16, 'mode': mode}
  line = gather.timeline(tokens['train'], {**options, 'curriculum': course})
  order = np.argsort(SIZES, kind='stable')
  begin, held = 0, []
  for epoch in range(9):
    done = epoch if unit == 'epochs' else begin
    count = max(1, math.ceil(course.competence(done, done) * len(SIZES)))
    plan = line.plan(epoch)
    chunks = plan.rows.reshape(-1, 3)
    pieces = set(chunks[chunks[:, 2] > 0, 0].tolist())
    assert pieces == set(order[:count].tolist())
    assert line.begin(epoch) == begin
    for index in range(len(plan)):
      place = line.locate(begin + index)
      assert (place.epoch, place.index, place.count) == (
        epoch,
        index,
        len(plan),
      )
    begin += len(plan)
    held.append(count)
  assert held == sorted(held)
  assert held[0] == 2
  assert held[-1] == len(SIZES)


def test_a_late_batch_is_found_without_those_before(tokens):
  course = lib.Curriculum(by='length', first=0.25, ramp=5)
  options = {'batch_size': 4, 'context': 16, 'curriculum': course}
  one = gather.timeline(tokens['train'], options)
  late = one.locate(100_000)
  two = gather.timeline(tokens['train'], options)
  assert [two.locate(n) for n in range(60)] == [
    one.locate(n) for n in range(60)
  ]
  assert two.locate(100_000) == late
  assert two.begin(late.epoch) + late.index == 100_000


@pytest.mark.parametrize(
  ('wrong', 'told'),
  [
    ({'by': 'size'}, 'curriculum.by'),
    ({'unit': 'batches'}, 'curriculum.unit'),
    ({'first': 0.0}, 'curriculum.first'),
    ({'by': 'length'}, 'ramp is 0'),
    ({'ramp': -1}, 'ramp'),
    ({'power': 0.0}, 'power'),
  ],
)
def test_a_wrong_curriculum_is_refused(wrong, told):
  with pytest.raises(ConfigError, match=told):
    lib.Curriculum(**wrong)
