"""Several steps at once are those steps one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.models.config import ModelConfig
from aurl_jax.models.functional import Model
from tests.models.counting import Counting

STARTS, STEPS, PROMPT, ROOM = (0, 3), 12, 6, 16


@pytest.mark.parametrize(
  'changes',
  [
    {'lead': 1, 'positions': 'barwise', 'heads': 4, 'kv_heads': 2},
    {'positions': 'relative', 'relative': 5, 'heads': 4, 'kv_heads': 2},
    {'window': 4, 'pattern': 'window', 'metrical': 4},
  ],
)
def test_steps_read_together_are_steps_read_in_turn(changes):
  values = {'width': 16, 'layers': 1, 'heads': 2, 'context': 32} | changes
  config = ModelConfig(head_width=8, **values)
  model = Model.build(config, (23, 11), Counting.of((23, 11)))
  ids = jax.random.randint(jax.random.key(1), (2, STEPS + 1, 2), 1, 11)
  params = model.init(jax.random.key(0))
  cache = model.init_cache(2, ROOM, jnp.array(STARTS))
  prompts = ids[:, :PROMPT], ids[:, 1 : PROMPT + 1]
  _, cache = jax.jit(model.prefill)(params, cache, *prompts)
  extend, step = jax.jit(model.extend), jax.jit(model.step)
  alone, wanted = cache, []
  for index in range(PROMPT, STEPS):
    hidden, alone = step(
      params, alone, ids[:, index], jnp.int32(index), ids[:, index + 1]
    )
    wanted.append(hidden)
  # Three of four are kept, and what stood behind them is read again.
  first = slice(PROMPT, PROMPT + 4), slice(PROMPT + 1, PROMPT + 5)
  wrong = ids.at[:, PROMPT + 3].set(9)
  read = extend(
    params, cache, wrong[:, first[0]], jnp.int32(PROMPT), wrong[:, first[1]]
  )
  found = [read.hidden[:, i] for i in range(2)]
  cache = read.kept(jnp.int32(2))
  rest = slice(PROMPT + 2, STEPS), slice(PROMPT + 3, STEPS + 1)
  read = extend(
    params, cache, ids[:, rest[0]], jnp.int32(PROMPT + 2), ids[:, rest[1]]
  )
  found += [read.hidden[:, i] for i in range(4)]
  np.testing.assert_allclose(jnp.stack(found), jnp.stack(wanted), atol=2e-5)
  last = read.kept(jnp.int32(4))
  for one, other in zip(
    jax.tree.leaves(last), jax.tree.leaves(alone), strict=True
  ):
    np.testing.assert_allclose(one, other, atol=2e-5)
