"""The adversarial half of a step: who learns what, how much, and when not."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aurl_jax.core import random
from aurl_jax.training import state as state_lib
from aurl_jax.training import steps as steps_lib
from aurl_jax.training.game import Game
from aurl_jax.training.options import StepConfig
from tests.training import players

OPTIMIZER = optax.sgd(0.05)
GAN = players.gan(latents=0.25)
OPTIONS = StepConfig(gan=GAN)


def fresh(options=OPTIONS):
  return state_lib.create(players.MODEL, OPTIMIZER, seed=0, options=options)


def stepper(options=OPTIONS):
  return steps_lib.make_train_step(
    players.MODEL, OPTIMIZER, lambda _: 0.05, options
  )


@pytest.fixture(scope='module')
def step():
  return stepper()


def flat(tree):
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return {jax.tree_util.keystr(path): np.array(x) for path, x in leaves}


def norm(tree, name):
  return np.sqrt(
    sum((x**2).sum() for path, x in flat(tree).items() if f"'{name}'" in path)
  )


def played(state, grads, gan=GAN):
  game = Game(gan, None)
  return jax.jit(lambda s, b, g: game(s, b, g, jnp.int32(40)))(
    state, players.batch(), grads
  )


def test_lessons_are_as_long_as_the_weight_says_and_go_where_they_should():
  state = players.ajar(fresh()) | {'step': jnp.int32(3)}
  grads = jax.tree.map(
    lambda x: 40 * jnp.ones_like(x) / x.size, state['params']
  )
  found = played(state, grads)
  added = jax.tree.map(jnp.subtract, found.grads, grads)
  # Half of the ramp of two steps, times the weight of a half.
  assert norm(added, 'decoder') == pytest.approx(
    0.25 * norm(grads, 'decoder'), rel=1e-4
  )
  # The encoder hears nothing but the critic of latents.
  assert norm(added, 'encoder') == pytest.approx(
    0.25 * norm(grads, 'encoder'), rel=1e-4
  )
  assert float(found.sums['ratio/gan/weight'][0]) == pytest.approx(0.25)
  ratio = found.sums['ratio/gan/gradient_ratio']
  assert ratio[0] > 0
  assert ratio[1] == 1
  assert (int(found.gan['since']), int(found.gan['on'])) == (1, 1)
  assert bool(found.finite)


def test_behind_a_shut_gate_the_critic_learns_alone():
  state = fresh()
  grads = jax.tree.map(jnp.ones_like, state['params'])
  found = played(state, grads)
  for name, grad in flat(found.grads).items():
    np.testing.assert_array_equal(grad, 1, err_msg=name)
  before, after = flat(state['gan']['critic']), flat(found.gan['critic'])
  assert all((before[name] != after[name]).any() for name in before)
  assert (int(found.gan['since']), int(found.gan['on'])) == (0, 0)
  assert found.sums['ratio/gan/accuracy'][1] == 2 * (players.ROWS - 1)


def test_drawn_rows_are_no_reconstructions():
  gan = players.gan(drawn=1.0, latents=0.25)
  state, rows = fresh(StepConfig(gan=gan)), players.batch()
  game = Game(gan, None)
  keys = random.by_row(jax.random.key(1), players.ROWS)
  write = jax.jit(lambda p, b: game.written(p, b, keys, jnp.int32(0)))
  found = write(state['params'], rows)
  other = write(state['params'], players.batch(seed=7))
  assert np.asarray(found['drawn']).all()
  # Nothing of the music is in them.
  np.testing.assert_array_equal(found['made'].ids, other['made'].ids)
  grads = jax.tree.map(jnp.ones_like, state['params'])
  sums = played(players.ajar(state), grads, gan).sums
  assert sums['ratio/gan/features'].tolist() == [0, 0]
  # Of latents that are drawn anyway, their critic learns nothing.
  assert sums['ratio/gan/latents/accuracy'][1] == 0


def test_a_step_that_is_not_finite_leaves_the_critics_alone(step):
  state = players.ajar(fresh())
  bad = state['gan']['critic']['params']['norm']['scale'].at[0].set(jnp.nan)
  state['gan']['critic']['params']['norm']['scale'] = bad
  kept = flat({name: state[name] for name in ('params', 'opt', 'gan')})
  state, metrics = step(state, players.batch())
  assert int(metrics['skipped']) == 1
  now = flat({name: state[name] for name in ('params', 'opt', 'gan')})
  for name, array in kept.items():
    np.testing.assert_array_equal(now[name], array, err_msg=name)
  assert all(np.isfinite(x).all() for x in flat(metrics).values())
