import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.generation import guidance
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid


def chances(logits):
  logits = np.asarray(logits, np.float64)
  raised = np.exp(logits - logits.max())
  return raised / raised.sum()


@pytest.mark.parametrize(
  ('weight', 'expected'),
  [
    (0.0, [0.25, 0.75]),
    (1.0, [0.5, 0.5]),
    # 1/4 * (2)^2 against 3/4 * (2/3)^2: 1 against 1/3.
    (2.0, [0.75, 0.25]),
  ],
)
def test_odds_are_raised_to_the_weight(weight, expected):
  conditional = jnp.log(jnp.array([0.5, 0.5])) + 7
  unconditional = jnp.log(jnp.array([0.25, 0.75])) - 3
  found = guidance.guided(conditional, unconditional, weight)
  np.testing.assert_allclose(chances(found), expected, rtol=1e-5)


def test_rows_are_guided_each_by_itself():
  rng = np.random.default_rng(0)
  a, b = rng.normal(size=(2, 3, 5)).astype(np.float32)
  found = guidance.guided(a, b, 1.7)
  for row in range(3):
    one, other = np.log(chances(a[row])), np.log(chances(b[row]))
    np.testing.assert_allclose(
      chances(found[row]), chances(other + 1.7 * (one - other)), rtol=1e-4
    )


@pytest.mark.parametrize(
  'tokenizer', [Compound(infill=True, controls=True), VoiceGrid(infill=True)]
)
def test_masks_are_not_written(tokenizer):
  codec = tokenizer.codec
  rule = guidance.Without(codec)
  assert rule == guidance.Without(codec)
  assert hash(rule) == hash(guidance.Without(codec))
  none = jnp.zeros(len(codec.fields), jnp.int32)
  for f, field in enumerate(codec.fields):
    wanted = np.asarray(rule.mask(rule.init(), f, none))
    names = ['pad'] + [codec.event(i, f)[0] for i in range(1, field.size)]
    assert [not w for w in wanted] == [n in ('mask', 'fill') for n in names]
