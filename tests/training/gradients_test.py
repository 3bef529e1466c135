"""A batch in parts: which rows are in which, and what does not divide."""

import jax
import jax.numpy as jnp
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.training import gradients


def test_rows_are_dealt_in_turn_whatever_their_shape():
  keys = jax.random.split(jax.random.key(0), 6)
  rows = {
    'ids': jnp.arange(12).reshape(6, 2),
    # The latent of a piece may have no dims.
    'none': jnp.zeros((6, 0)),
  }
  dealt = gradients.parts((rows, keys), 3)
  assert [part['ids'][:, 0].tolist() for part, _ in dealt] == [
    [0, 6],
    [2, 8],
    [4, 10],
  ]
  assert all(part['none'].shape == (2, 0) for part, _ in dealt)
  told = [jax.random.key_data(part).tolist() for _, part in dealt]
  data = jax.random.key_data(keys)
  assert told == [data[i::3].tolist() for i in range(3)]


def test_one_part_is_all_rows():
  rows = ({'ids': jnp.zeros((3, 1))}, jax.random.split(jax.random.key(0), 3))
  assert gradients.parts(rows, 1) == [rows]


def test_parts_that_do_not_divide_a_batch_are_refused():
  rows = ({'ids': jnp.zeros((3, 1))}, jax.random.split(jax.random.key(0), 3))
  with pytest.raises(ConfigError, match='2 parts do not divide a batch of 3'):
    gradients.parts(rows, 2)
