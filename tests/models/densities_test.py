"""Mixtures and flows: what they integrate to, invert and draw."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from aurl_jax.models import densities
from aurl_jax.models.densities import Flow, Mixture

WIDTH = 3


def made(kind, dims, scale=1.5):
  """A density far from its start, so that everything in it matters."""
  key = jax.random.key(dims)
  if kind == 'flow':
    module = Flow(dims, WIDTH, 4, 8, key)
  else:
    module = Mixture(dims, WIDTH, 3, key)
  graph, state = nnx.split(module)
  leaves, tree = jax.tree.flatten(state)
  keys = jax.random.split(jax.random.key(7), len(leaves))
  moved = [
    x + scale * 0.1 * jax.random.normal(k, x.shape)
    for x, k in zip(leaves, keys, strict=True)
  ]
  return nnx.merge(graph, jax.tree.unflatten(tree, moved))


STATE = jnp.array([1.0, -0.5, 0.3])


def grid(dims, reach=12.0, count=241):
  axis = np.linspace(-reach, reach, count)
  points = np.stack(np.meshgrid(*[axis] * dims, indexing='ij'), -1)
  cell = (axis[1] - axis[0]) ** dims
  return points.reshape(-1, dims), cell


def weighed(density, dims):
  """Points and what share of the probability lies around each."""
  points, cell = grid(dims)
  told = jnp.broadcast_to(STATE, (len(points), WIDTH))
  log = jax.jit(density.log_prob)(jnp.asarray(points, jnp.float32), told)
  return points, np.exp(np.asarray(log, np.float64)) * cell


@pytest.mark.parametrize('kind', ['mixture', 'flow'])
@pytest.mark.parametrize('dims', [1, 2])
def test_a_density_integrates_to_one(kind, dims):
  _, shares = weighed(made(kind, dims, scale=0.7), dims)
  assert shares.sum() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize('kind', ['mixture', 'flow'])
def test_draws_have_the_moments_of_the_density(kind):
  density = made(kind, 2, scale=0.7)
  points, shares = weighed(density, 2)
  mean = shares @ points
  cover = (points - mean).T @ ((points - mean) * shares[:, None])
  told = jnp.broadcast_to(STATE, (40_000, WIDTH))
  drawn = np.asarray(density.sample(told, jax.random.key(1)))
  error = np.sqrt(np.diag(cover).max() / len(drawn))
  np.testing.assert_allclose(drawn.mean(0), mean, atol=5 * error)
  np.testing.assert_allclose(np.cov(drawn.T), cover, atol=0.05 * cover.max())


def test_a_mixture_is_the_sum_of_its_normals():
  density = made('mixture', 2)
  weights, means, logs = (np.asarray(x) for x in density.parameters(STATE))
  x = np.array([0.3, -1.1])
  total = 0.0
  for weight, mean, log in zip(weights, means, logs, strict=True):
    part = math.exp(weight)
    for place, middle, spread in zip(x, mean, log, strict=True):
      deviation = math.exp(spread / 2)
      away = (place - middle) / deviation
      part *= math.exp(-away * away / 2) / (deviation * math.sqrt(2 * math.pi))
    total += part
  found = density.log_prob(jnp.asarray(x, jnp.float32), STATE)
  assert float(found) == pytest.approx(math.log(total), abs=1e-5)
  assert np.exp(weights).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize('dims', [1, 2, 5, 16])
def test_a_flow_goes_back_where_it_came_from(dims):
  flow = made('flow', dims, scale=1.0)
  x = jax.random.normal(jax.random.key(3), (20, dims))
  told = jnp.broadcast_to(STATE, (20, WIDTH))
  y, _ = flow.forward(x, told)
  assert float(jnp.abs(y - x).max()) > 0.1
  np.testing.assert_allclose(flow.inverse(y, told), x, atol=1e-5)


@pytest.mark.parametrize('dims', [1, 2, 5])
def test_the_volume_is_that_of_the_numeric_jacobian(dims):
  flow = made('flow', dims)
  told = STATE

  def bent(x):
    return flow.forward(x, told)[0]

  for key in jax.random.split(jax.random.key(4), 5):
    x = jax.random.normal(key, (dims,))
    columns = []
    for i in range(dims):
      step = 1e-2 * np.eye(dims, dtype=np.float32)[i]
      # Four points: the error falls with the fourth power of the step.
      near = np.asarray(bent(x + step)) - np.asarray(bent(x - step))
      far = np.asarray(bent(x + 2 * step)) - np.asarray(bent(x - 2 * step))
      columns.append((8 * near - far) / 0.12)
    sign, log = np.linalg.slogdet(np.stack(columns, 1).astype(np.float64))
    assert sign > 0
    assert float(flow.forward(x, told)[1]) == pytest.approx(log, abs=5e-3)


@pytest.mark.parametrize('kind', ['mixture', 'flow'])
def test_the_state_moves_the_density(kind):
  density = made(kind, 4)
  x = jnp.zeros((4,))
  one, other = (float(density.log_prob(x, s * STATE)) for s in (1, -1))
  assert abs(one - other) > 0.01


def test_every_dim_of_a_flow_depends_on_every_other():
  dims = 16
  reach = np.eye(dims, dtype=bool)
  for number in range(2 * dims.bit_length() - 2):
    stays = densities.halves(dims, number)
    assert stays.sum() == dims // 2
    changed = np.where(stays[:, None], False, reach[stays].any(0))
    reach |= changed
  assert reach.all()


def test_normals_of_independent_dims():
  rng = np.random.default_rng(0)
  x, mean, log = rng.normal(size=(3, 5))
  wanted = sum(
    -0.5 * (a - b) ** 2 / math.exp(c) - 0.5 * c - 0.5 * math.log(2 * math.pi)
    for a, b, c in zip(x, mean, log, strict=True)
  )
  arrays = [jnp.asarray(v, jnp.float32) for v in (x, mean, log)]
  found = functools.partial(densities.normal_log_prob)(*arrays)
  assert float(found) == pytest.approx(wanted, abs=1e-5)
