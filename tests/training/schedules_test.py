"""Learning rates at the points where their value is known."""

import math

import jax.numpy as jnp
import pytest

from aurl_jax.training.schedules import SCHEDULES


@pytest.mark.parametrize('name', sorted(SCHEDULES))
def test_warms_up_in_equal_steps_to_the_peak(name):
  schedule = SCHEDULES[name](0.8, 4, 20, 0.1)
  rates = [float(schedule(step)) for step in range(4)]
  assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8])


@pytest.mark.parametrize('name', sorted(SCHEDULES))
def test_without_warm_up_begins_at_the_peak(name):
  assert float(SCHEDULES[name](0.8, 0, 20, 0.1)(0)) == pytest.approx(0.8)


def test_cosine_is_half_way_in_the_middle_and_low_at_the_end():
  schedule = SCHEDULES['cosine'](1.0, 10, 110, 0.1)
  assert float(schedule(10)) == pytest.approx(1.0)
  assert float(schedule(60)) == pytest.approx(0.55)
  quarter = 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi / 4))
  assert float(schedule(35)) == pytest.approx(quarter)
  assert float(schedule(110)) == pytest.approx(0.1)
  assert float(schedule(1000)) == pytest.approx(0.1)


def test_wsd_stays_and_then_falls_to_its_end():
  schedule = SCHEDULES['wsd'](1.0, 10, 200, 0.1, 0.25)
  assert [float(schedule(step)) for step in (9, 10, 80, 150)] == [1.0] * 4
  # A quarter of the way down the 50 steps, its root is a half.
  assert float(schedule(162.5)) == pytest.approx(1 - 0.9 * 0.5)
  assert float(schedule(200)) == pytest.approx(0.1)
  assert float(schedule(10**6)) == pytest.approx(0.1)


def test_constant_stays():
  schedule = SCHEDULES['constant'](0.3, 2, 10, 0.1)
  assert float(schedule(9_999)) == pytest.approx(0.3)


def test_rsqrt_halves_when_steps_quadruple_down_to_its_floor():
  schedule = SCHEDULES['rsqrt'](1.0, 100, 0, 0.1)
  assert float(schedule(99)) == pytest.approx(1.0)
  assert float(schedule(399)) == pytest.approx(0.5)
  assert float(schedule(10**7)) == pytest.approx(0.1)


def test_takes_the_traced_counter_of_a_state():
  schedule = SCHEDULES['cosine'](1.0, 0, 10, 0.0)
  assert schedule(jnp.int32(5)) == pytest.approx(0.5)
