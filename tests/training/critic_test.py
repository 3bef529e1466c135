"""Losses of critics by hand, and their gradients by differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.models.critic import Scale, Verdict
from aurl_jax.training import critic

SHARE = jnp.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
ONE = jnp.ones((2, 1))


def verdict(notes, phrase, features=()):
  """Two scales: steps of which some are padding, and the whole."""
  return Verdict(
    (
      Scale(jnp.asarray(notes, jnp.float32), SHARE),
      Scale(jnp.asarray(phrase, jnp.float32), ONE),
    ),
    tuple(jnp.asarray(x, jnp.float32) for x in features),
  )


REAL = verdict([[2.0, 0.5, 9.0], [-1.0, 9.0, 9.0]], [[0.0], [3.0]])
FAKE = verdict([[-3.0, 0.0, 9.0], [1.0, 9.0, 9.0]], [[-0.5], [-2.0]])


def test_hinge_by_hand():
  # Row 0: steps 0 + .5 over 2, and 0 + 1 over 2; whole 1 and .5.
  # Row 1: step 2 and 2; whole 0 and 0.
  wanted = [(0.25 + 0.5 + 1.5) / 2, (2 + 2 + 0) / 2]
  found = critic.critic_loss('hinge', REAL, FAKE)
  np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_wasserstein_and_the_generator_by_hand():
  # Scores: real (1.25 + 0) / 2 and (-1 + 3) / 2; fake (-1.5 - .5) / 2 and
  # (1 - 2) / 2.
  found = critic.critic_loss('wgan', REAL, FAKE)
  np.testing.assert_allclose(found, [-1 - 0.625, -0.5 - 1], rtol=1e-6)
  np.testing.assert_allclose(critic.generator_loss(FAKE), [1.0, 0.5])


def test_features_by_hand():
  one = verdict(*_any(), features=[np.zeros((2, 2, 2)), np.ones((2, 1, 4))])
  other = verdict(
    *_any(),
    features=[
      np.array([[[1, -1], [0, 0]], [[2, 2], [2, 2]]]),
      np.full((2, 1, 4), 3),
    ],
  )
  found = critic.feature_loss(one, other)
  np.testing.assert_allclose(found, [(0.5 + 2) / 2, (2 + 2) / 2])


def _any():
  return [[0.0, 0.0, 0.0]] * 2, [[0.0]] * 2


W = jnp.array([[3.0, 0.0], [0.0, 4.0]])


def linear(x):
  """Slopes 3 and 4 in each row, whatever `x` is."""
  return (x * W).sum(axis=(1, 2))


def square(x):
  return (x**2).sum(axis=(1, 2))


def test_penalties_by_hand():
  x = jnp.array([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 0.0], [0.0, 1.0]]])
  np.testing.assert_allclose(critic.r1(linear, x), [12.5, 12.5])
  # The slope of a square is twice itself.
  np.testing.assert_allclose(critic.r1(square, x), [10, 2])
  flat = jnp.zeros_like(x)
  share = jnp.array([1.0, 0.5])
  found = critic.gradient_penalty(square, x, flat, share)
  np.testing.assert_allclose(
    found, [(np.sqrt(20) - 1) ** 2, (1 - 1) ** 2], atol=1e-5
  )


@pytest.mark.parametrize('kind', ['hinge', 'wgan', 'features', 'r1', 'penalty'])
def test_gradients_are_the_numeric_ones(kind):
  rng = np.random.default_rng(2)
  kernel, step, x, y = (
    jnp.asarray(rng.normal(size=size), jnp.float32)
    for size in ((3, 3), (3, 3), (2, 3, 3), (2, 3, 3))
  )

  def seen(kernel, x):
    inside = jnp.tanh(x @ kernel)
    scale = Scale(inside.mean(-1), SHARE)
    return Verdict((scale,), (inside[:, :2],))

  @jax.jit
  def loss(kernel):
    score = lambda x: seen(kernel, x).score  # noqa: E731
    found = {
      'features': lambda: critic.feature_loss(seen(kernel, x), seen(kernel, y)),
      'r1': lambda: critic.r1(score, x),
      'penalty': lambda: critic.gradient_penalty(
        score, x, y, jnp.array([0.3, 0.6])
      ),
    }
    other = lambda: critic.critic_loss(kind, seen(kernel, x), seen(kernel, y))  # noqa: E731
    return found.get(kind, other)().sum()

  slope = float((jax.jit(jax.grad(loss))(kernel) * step).sum())
  numeric = (
    float(loss(kernel + 3e-3 * step) - loss(kernel - 3e-3 * step)) / 6e-3
  )
  assert abs(slope) > 1e-2
  assert slope == pytest.approx(numeric, rel=3e-2, abs=3e-3)


def test_right_counts_sides_whatever_the_zero_is():
  yes = jnp.array([True, True, True])
  real, fake = jnp.array([3.0, 4.0, 5.0]), jnp.array([0.0, 1.0, 2.0])
  np.testing.assert_allclose(critic.right(real + 50, fake + 50, yes), [6, 6])
  np.testing.assert_allclose(critic.right(fake, real, yes), [0, 6])
  np.testing.assert_allclose(critic.right(real, real, yes), [3, 6])
  some = jnp.array([True, False, True])
  np.testing.assert_allclose(critic.right(real, fake, some), [4, 4])


def test_the_ratio_is_of_what_the_pattern_names():
  one = {'decoder': {'a': jnp.array([3.0, 4.0])}, 'embed': jnp.array([100.0])}
  other = {'decoder': {'a': jnp.array([0.0, 2.0])}, 'embed': jnp.array([0.1])}
  found = critic.gradient_ratio(one, other, r'(^|/)decoder/')
  assert float(found) == pytest.approx(2.5)
  with pytest.raises(ConfigError, match='no parameter matches'):
    critic.gradient_ratio(one, other, 'encoder')
