import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.generation import guidance
from aurl_jax.generation.decode import decode
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.sampling import Sampler
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.functional import Model
from aurl_jax.tokens import control_dropout
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.controls import Controls, Levels
from aurl_jax.tokens.grid import VoiceGrid
from tests.generation import writers


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
  found = guidance.guided(jnp.asarray(a), jnp.asarray(b), 1.7)
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


TOKENIZER = Compound(voices=2, controls=True)


def small():
  """Returns a model, its parameters, and a prompt with its twin."""
  config = ModelConfig(width=16, layers=1, heads=2, context=64, head_width=8)
  model = Model.build(config, TOKENIZER.codec.sizes)
  params = jax.tree.map(
    lambda x: 4 * x if x.ndim > 1 else x, model.init(jax.random.key(0))
  )
  asked = Controls(piece=Levels(key=3, density=2), instruments=(0,))
  ids = TOKENIZER.encode(writers.piece().notes, asked)[:8]
  return model, params, ids, control_dropout.unconditional(TOKENIZER.codec, ids)


def greedy(model, params, prompt, twin, weight, steps):
  """Guides by full forwards over both, the likeliest legal id at a time."""
  grammar, fields = TOKENIZER.grammar, len(model.vocabulary)
  state = grammar.init(steps)
  rows = [prompt.tolist(), twin.tolist()]
  for step in rows[0]:
    state = grammar.advance(state, jnp.asarray(step))
  while grammar.distance(state) > 0:
    step = [0] * fields
    for field in range(fields):
      scores = []
      for row in rows:
        ids = np.zeros((steps, fields), np.int32)
        ids[: len(row)] = row
        logits = writers._logits(
          model, params, jnp.asarray(ids), len(row), jnp.asarray(step)
        )
        scores.append(np.log(chances(logits[field])))
      mixed = scores[1] + weight * (scores[0] - scores[1])
      mask = grammar.mask(state, field, jnp.asarray(step))
      step[field] = int(np.where(mask, mixed, -np.inf).argmax())
    state = grammar.advance(state, jnp.asarray(step))
    for row in rows:
      row.append(step)
  return rows[0]


@pytest.mark.slow
def test_guided_decoding_equals_a_loop_over_full_forwards():
  model, params, prompt, twin = small()
  assert len(twin) < len(prompt)
  given = {'steps': 16, 'sampler': Sampler(temperature=0)}

  def run(prompts):
    grammar = TOKENIZER.grammar
    return decode(model, params, grammar, prompts, **given)[0].ids.tolist()

  guided = lambda weight: guidance.Guided([prompt], [twin], weight)  # noqa: E731
  found = run(guided(4.0))
  assert found == greedy(model, params, prompt, twin, 4.0, 16)
  plain = run([prompt])
  assert run(guided(1.0)) == plain
  assert found != plain


def test_a_twin_of_each_prompt_is_needed():
  model, params, prompt, twin = small()
  for twins in ([], [twin[:0]], [np.concatenate([prompt, twin])]):
    given = guidance.Guided([prompt], twins, 2.0)
    with pytest.raises(RequestError, match='a twin of each') as caught:
      decode(model, params, TOKENIZER.grammar, given, steps=16)
    assert caught.value.code == 'prompt'
