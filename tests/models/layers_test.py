import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.models import layers
from aurl_jax.models.config import ModelConfig

KEY = jax.random.key(0)


def test_norm_has_unit_mean_square_and_keeps_the_dtype():
  x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 16)) * 7, 'bfloat16')
  norm = layers.RMSNorm(16)
  out = norm(x)
  assert out.dtype == jnp.bfloat16
  np.testing.assert_allclose((norm(x.astype('f')) ** 2).mean(-1), 1, rtol=1e-5)


def test_gelu_is_the_tanh_form_with_its_gradient():
  x = np.linspace(-5, 5, 41)
  inner = lambda x: np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)  # noqa: E731
  expected = lambda x: 0.5 * x * (1 + np.tanh(inner(x)))  # noqa: E731
  ours = jax.vmap(jax.value_and_grad(layers.gelu))(jnp.asarray(x))
  slope = (expected(x + 1e-5) - expected(x - 1e-5)) / 2e-5
  np.testing.assert_allclose(ours[0], expected(x), atol=1e-6)
  np.testing.assert_allclose(ours[1], slope, atol=1e-5)


def test_swiglu_is_gated():
  config = ModelConfig(width=8, heads=2, mlp='swiglu', hidden=6)
  mlp = layers.MLP(config, KEY)
  x = np.random.default_rng(0).normal(size=(4, 8))
  x = jnp.asarray(x, 'f')
  wide, gate, narrow = (
    np.asarray(part.kernel[...]) for part in (mlp.wide, mlp.gate, mlp.narrow)
  )
  x, out = np.asarray(x), mlp(x)
  gated = (x @ gate) / (1 + np.exp(-(x @ gate))) * (x @ wide)
  np.testing.assert_allclose(out, gated @ narrow, rtol=1e-4, atol=1e-7)


def test_embedding_adds_up_over_fields():
  embedding = layers.Embedding((5, 3), 4, KEY)
  ids = jnp.array([[[4, 2], [0, 1]]])
  first, second = (np.asarray(embedding.table(f)) for f in range(2))
  np.testing.assert_allclose(
    embedding(ids), [[first[4] + second[2], first[0] + second[1]]]
  )


def test_ids_of_one_pitch_share_rows():
  pitches = ((0, 60, 72, 61), (0, 0, 60))
  embedding = layers.Embedding((4, 3), 8, KEY, pitches)
  own = [np.asarray(embedding.tables[str(f)][...]) for f in (0, 1)]
  pitch = np.asarray(embedding.shared['pitch'][...])
  class_ = np.asarray(embedding.shared['class'][...])
  expected = own[0][[1, 2, 3]] + pitch[[60, 72, 61]] + class_[[0, 0, 1]]
  np.testing.assert_allclose(embedding.table(0)[1:], expected, rtol=1e-6)
  np.testing.assert_array_equal(embedding.table(0)[0], own[0][0])
  np.testing.assert_array_equal(embedding.table(1)[:2], own[1][:2])
  step = embedding(jnp.array([1, 2]))
  one, other = own[0][1] + pitch[60] + class_[0], own[1][2] + pitch[60]
  np.testing.assert_allclose(step, one + other + class_[0], rtol=1e-5)


def test_embedding_gradient_adds_up_over_steps():
  table = np.zeros((5, 4), 'f')
  ids = jnp.array([[1, 3, 1]])
  weight = np.random.default_rng(0).normal(size=(1, 3, 4)).astype('f')
  grad = jax.grad(lambda t: jnp.sum(jnp.take(t, ids, axis=0) * weight))(table)
  expected = np.zeros((5, 4))
  for at, row in enumerate([1, 3, 1]):
    expected[row] += weight[0, at]
  np.testing.assert_allclose(grad, expected, rtol=1e-6)


@pytest.mark.parametrize('rate', [0.1, 0.5])
def test_dropout_keeps_the_expectation(rate):
  x = jnp.ones((200, 200))
  out = layers.dropout(x, rate, KEY)
  assert float((out == 0).mean()) == pytest.approx(rate, abs=0.01)
  assert float(out.mean()) == pytest.approx(1, abs=0.02)
  np.testing.assert_array_equal(out, layers.dropout(x, rate, KEY))


def test_no_key_or_no_rate_drops_nothing():
  x = jnp.ones((3, 3))
  assert layers.dropout(x, 0.5, None) is x
  assert layers.dropout(x, 0.0, KEY) is x
