import hashlib

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from aurl_jax.core import random

KEY = jax.random.key(3)


def data(key: jax.Array) -> list[int]:
  return np.asarray(jax.random.key_data(key)).tolist()


def test_fold_is_fold_in_part_by_part():
  word = int(hashlib.sha256(b'dropout').hexdigest()[:8], 16)
  expected = jax.random.fold_in(jax.random.fold_in(KEY, word), 7)
  assert data(random.fold(KEY, 'dropout', 7)) == data(expected)


@hypothesis.given(
  st.lists(
    st.lists(st.integers(0, 2**32 - 1) | st.text(max_size=4), max_size=3),
    min_size=2,
    max_size=6,
    unique_by=tuple,
  )
)
def test_other_parts_give_other_keys(uses):
  keys = {tuple(data(random.fold(KEY, *parts))) for parts in uses}
  assert len(keys) == len(uses)


def test_fold_takes_traced_and_negative_numbers():
  traced = jax.jit(lambda n: random.fold(KEY, 'epoch', n))(jnp.int32(5))
  assert data(traced) == data(random.fold(KEY, 'epoch', 5))
  assert data(random.fold(KEY, -1)) == data(random.fold(KEY, 2**32 - 1))
  assert data(random.fold(KEY)) == data(KEY)
