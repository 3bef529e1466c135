"""The guard's verdicts against statistics worked out in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.training import guard as guard_lib
from aurl_jax.training.guard import GuardConfig

CONFIG = GuardConfig(spike=8.0, rollback_after=4)


def _follow(losses, config=CONFIG, norms=None, **kwargs):
  """Returns the causes of a sequence of losses, and the guard at its end."""
  judge = jax.jit(
    lambda guard, loss, norm: guard_lib.judge(
      config, guard, loss, norm, jnp.isfinite(loss), **kwargs
    )
  )
  guard, causes = guard_lib.init(), []
  norms = [1.0] * len(losses) if norms is None else norms
  for loss, norm in zip(losses, norms, strict=True):
    cause, guard = judge(guard, jnp.float32(loss), jnp.float32(norm))
    causes.append(int(cause))
  return causes, jax.device_get(guard)


def _noise(count, seed=0):
  return 2 + 0.1 * np.random.default_rng(seed).standard_normal(count)


def test_usual_noise_is_no_spike_and_a_jump_is():
  losses = [*_noise(400), 4.0, *_noise(20)]
  causes, guard = _follow(losses)
  assert np.flatnonzero(causes).tolist() == [400]
  assert causes[400] == guard_lib.SPIKE
  assert (guard['skipped'], guard['streak']) == (1, 0)
  assert guard['updates'] == 420


def test_a_gradient_can_be_the_spike():
  norms = [*_noise(100), 9.0]
  causes, _ = _follow([1.0] * 101, norms=norms)
  assert causes == [0] * 100 + [guard_lib.SPIKE]


def test_what_is_remembered_is_the_mean_and_the_mean_deviation():
  losses = _noise(3000)
  _, guard = _follow(losses)
  assert guard['centre'][0] == pytest.approx(2.0, abs=0.05)
  # Of a normal distribution; winsorised, so a little less.
  expected = 0.1 * np.sqrt(2 / np.pi)
  assert guard['spread'][0] == pytest.approx(expected, rel=0.25)


def test_a_spike_is_not_remembered():
  _, before = _follow(_noise(100))
  _, after = _follow([*_noise(100), 50.0])
  for name in ('centre', 'spread', 'seen', 'updates'):
    np.testing.assert_array_equal(before[name], after[name])


def test_no_spike_is_told_from_a_few_values_or_below_the_mean():
  assert not any(_follow([2.0, 2.1, 50.0, 2.0])[0])
  assert not any(_follow([*_noise(100), -50.0])[0])


def test_without_a_threshold_only_what_is_not_finite_is_bad():
  losses = [*_noise(50), 1e6, np.nan, np.inf, 2.0]
  causes, guard = _follow(losses, GuardConfig())
  assert causes[50:] == [0, guard_lib.NOT_FINITE, guard_lib.NOT_FINITE, 0]
  assert (guard['skipped'], guard['seen']) == (2, 0)


def test_after_a_streak_the_guard_stays_shut():
  losses = [2.0, *[np.nan] * 4, 2.0, 2.0]
  causes, guard = _follow(losses)
  bad, waits = guard_lib.NOT_FINITE, guard_lib.WAITING
  assert causes == [0, bad, bad, bad, bad, waits, waits]
  assert (guard['streak'], guard['updates']) == (6, 1)


def test_it_may_be_told_never_to_shut():
  config = GuardConfig(rollback_after=0)
  causes, guard = _follow([*[np.nan] * 30, 2.0], config)
  assert causes[-1] == guard_lib.FINE
  assert guard['streak'] == 0


def test_what_scaling_may_mend_is_skipped_but_is_no_streak():
  losses = [np.nan, *[np.inf] * 9]
  causes, guard = _follow(losses, mendable=True)
  assert set(causes) == {guard_lib.OVERFLOW}
  assert (guard['streak'], guard['skipped']) == (0, 10)


@pytest.mark.parametrize(
  'wrong', [{'spike': -1.0}, {'rollback_after': -1}, {'rollbacks': -1}]
)
def test_a_negative_value_names_its_key(wrong):
  with pytest.raises(ConfigError, match=next(iter(wrong))):
    GuardConfig(**wrong)
