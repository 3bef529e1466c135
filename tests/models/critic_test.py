"""The critic: what it reads, how it scores, and that gradients reach ids."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.models import critic as critic_lib
from aurl_jax.models.critic import Critic, CriticConfig
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.marks import Marks
from aurl_jax.tokens.places import Places
from tests.tokens import pieces

TOKENIZER = Compound()
CONFIG = CriticConfig(width=16, layers=2, heads=2, beats=8, bars=3)
CRITIC = Critic(
  CONFIG,
  TOKENIZER.codec.sizes,
  Places.of(TOKENIZER),
  Marks.of(TOKENIZER),
)
STEPS = 24


@pytest.fixture(scope='module')
def variables():
  return jax.jit(CRITIC.init)(jax.random.key(0))


@pytest.fixture(scope='module')
def rows():
  ids = np.zeros((2, STEPS, len(TOKENIZER.codec.sizes)), np.int32)
  segments = np.zeros((2, STEPS), np.int32)
  for row, length in enumerate((STEPS, STEPS - 9)):
    found = TOKENIZER.encode(pieces.chorale(row, bars=8))[:length]
    ids[row, :length], segments[row, :length] = found, 1
  return jnp.asarray(ids), jnp.asarray(segments)


@pytest.fixture(scope='module')
def of_ids():
  return jax.jit(CRITIC.of_ids)


def test_what_is_not_a_number_of_parts_is_refused():
  with pytest.raises(ConfigError, match=r'critic\.bars must be at least 1'):
    CriticConfig(bars=0)


def test_scores_are_means_over_what_is_there(variables, rows, of_ids):
  found = of_ids(variables, *rows)
  note, bar, phrase = found.scales
  np.testing.assert_allclose(note.share.sum(1), 1, rtol=1e-6)
  np.testing.assert_array_equal(note.share[1] > 0, rows[1][1] > 0)
  bars = {
    min(b, 2) for b in np.asarray(CRITIC.places(*rows)[1, : STEPS - 9, 0])
  }
  assert (np.asarray(bar.share[1]) > 0).sum() == len(bars)
  assert phrase.score.shape == (2, 1)
  by_hand = [(s.score * s.share).sum(1) for s in (note, bar, phrase)]
  np.testing.assert_allclose(found.score, np.mean(by_hand, axis=0), rtol=1e-5)
  assert len(found.features) == CONFIG.layers


def test_padding_tells_nothing(variables, rows, of_ids):
  ids, segments = rows
  other = ids.at[1, STEPS - 9 :].set(3)
  one, two = (
    of_ids(variables, ids, segments),
    of_ids(variables, other, segments),
  )
  np.testing.assert_allclose(one.score, two.score, rtol=1e-5)


def test_what_comes_later_changes_what_is_said_of_a_step(
  variables, rows, of_ids
):
  ids, segments = rows
  other = ids.at[0, STEPS - 1].set(ids[0, 3])
  one, two = (
    of_ids(variables, ids, segments),
    of_ids(variables, other, segments),
  )
  assert abs(one.scales[0].score[0, 0] - two.scales[0].score[0, 0]) > 1e-6


def test_gradients_reach_the_distributions(variables, rows):
  ids, segments = rows
  soft = CRITIC.one_hot(ids)

  @jax.jit
  def score(soft):
    reading = CRITIC.read(variables, soft, ids, segments)
    return CRITIC.verdict(variables, reading).score.sum()

  grads = jax.jit(jax.grad(score))(soft)
  rng = np.random.default_rng(1)
  for field in (0, 4):
    step = jnp.asarray(rng.normal(size=soft[field].shape), jnp.float32)
    moved = lambda size, f=field, s=step: tuple(  # noqa: E731
      x + size * s if i == f else x for i, x in enumerate(soft)
    )
    numeric = (score(moved(1e-2)) - score(moved(-1e-2))) / 2e-2
    slope = float((grads[field] * step).sum())
    assert abs(slope) > 1e-4
    assert slope == pytest.approx(float(numeric), rel=3e-2)


def test_sides_by_hand():
  marks = np.zeros((1, 4, 13), np.float32)
  marks[0, 0, [0, 1]] = 1  # a C in beat 0
  marks[0, 1, [0, 5]] = 1  # an E in beat 0
  marks[0, 2, [0, 1]] = 0.5  # half a C in beat 1
  marks[0, 3, [0, 1]] = 9  # padding
  beat, real = np.array([[0, 0, 1, 1]]), np.array([[True, True, True, False]])
  told = critic_lib.beat_sides(*map(jnp.asarray, (marks, beat, real)), 2)
  # Lengths are softened by 0.1: root(1 + 1 + 0.1) and root(0.25 + 0.1).
  one, other = 2.1**-0.5, 0.5 * 0.35**-0.5
  np.testing.assert_allclose(told[0, 0, 0], 2 / 4)
  np.testing.assert_allclose(told[0, 1, 1:6], [one, 0, 0, 0, one], rtol=1e-5)
  np.testing.assert_allclose(told[0, 2, 1:3], [other, 0], rtol=1e-5)
  np.testing.assert_allclose(told[0, 0, 13:], [2 / 2.1, one * other], rtol=1e-5)
  np.testing.assert_allclose(
    told[0, 2, 13:], [one * other, 0.25 / 0.35], rtol=1e-5
  )
  np.testing.assert_array_equal(told[0, 3], 0)


def test_vectors_follow_and_maps_stay_within_one(variables):
  moved = {
    'params': jax.tree.map(lambda x: 2 * x, variables['params']),
    'aux': variables['aux'],
  }
  found = jax.jit(CRITIC.iterated)(moved)
  kernel = np.asarray(variables['params']['side']['kernel'])
  assert np.linalg.svd(kernel, compute_uv=False)[0] == pytest.approx(
    1, rel=0.01
  )
  assert found['aux'].keys() == variables['aux'].keys()
