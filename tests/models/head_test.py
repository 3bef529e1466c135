import jax
import jax.numpy as jnp
import numpy as np

from aurl_jax.models.head import FieldHead
from aurl_jax.models.layers import Embedding

KEY = jax.random.key(0)
SIZES = (7, 5, 4)


def parts(sizes=SIZES, width=8):
  embedding = Embedding(sizes, width, KEY)
  head = FieldHead(len(sizes), width, 6, jax.random.key(1))
  hidden = jax.random.normal(jax.random.key(2), (2, 3, width))
  return embedding, head, hidden


def test_one_field_is_the_tied_projection_alone():
  embedding, head, hidden = parts((7,))
  logits = head.field_logits(embedding, hidden, jnp.zeros((2, 3, 1), int), 0)
  expected = np.asarray(hidden) @ np.asarray(embedding.table(0)).T
  np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)
  assert not jax.tree.leaves(head.fields)


def test_a_field_reads_the_fields_before_it_and_no_others():
  embedding, head, hidden = parts()
  ids = jnp.ones((2, 3, 3), jnp.int32)
  for field, size in enumerate(SIZES):
    logits = head.field_logits(embedding, hidden, ids, field)
    assert logits.shape == (2, 3, size)
    for other in range(len(SIZES)):
      changed = head.field_logits(
        embedding, hidden, ids.at[..., other].set(2), field
      )
      assert bool((changed != logits).any()) == (other < field)


def test_logits_are_float32():
  embedding, head, hidden = parts()
  ids = jnp.ones((2, 3, 3), jnp.int32)
  for field in range(3):
    logits = head.field_logits(
      embedding, hidden.astype(jnp.bfloat16), ids, field
    )
    assert logits.dtype == jnp.float32
