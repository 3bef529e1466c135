import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import programs
from aurl_jax.deploy.hosted.rules import Rules
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.functional import Model
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.performance import Performance
from aurl_jax.tokens.places import Places
from aurl_jax.tokens.remi import Remi

TOKENIZERS = {
  'grid': VoiceGrid(),
  'grid_infill': VoiceGrid(infill=True),
  'compound': Compound(voices=4, controls=True, infill=True),
  'compound_pedal': Compound(voices=2, micro=4, pedal=True),
  'remi': Remi(voices=2),
  'performance': Performance(),
}


def build(tokenizer, **changes):
  config = ModelConfig(
    width=16, heads=2, layers=1, context=64, head_width=8, **changes
  )
  return Model.build(config, tokenizer.codec.sizes, Places.of(tokenizer))


def rules_of(tokenizer, folder, **changes):
  told = programs.program(build(tokenizer, **changes), tokenizer.grammar)
  (folder / 'grammar.json').write_text(programs.to_json(told))
  return Rules(folder / 'grammar.json')


@pytest.mark.parametrize('name', sorted(TOKENIZERS))
def test_a_program_allows_and_counts_what_the_grammar_does(name, tmp_path):
  tokenizer = TOKENIZERS[name]
  rules = rules_of(tokenizer, tmp_path, positions='barwise', metrical=9)
  grammar, places = tokenizer.grammar, Places.of(tokenizer)
  fields = len(tokenizer.codec.fields)
  masks = jax.jit(
    lambda state, step: [grammar.mask(state, f, step) for f in range(fields)]
  )
  advance = jax.jit(
    lambda s, p, x: (grammar.advance(s, x), places.advance(p, x))
  )
  budget, rng = 40, np.random.default_rng(5)
  state, clock = grammar.init(jnp.int32(budget)), places.init(())
  mine, ticks = rules('init', budget), rules('start')
  left = budget
  while left > 0:
    step = np.zeros(fields, np.int32)
    for field in range(fields):
      may = rules(f'mask_{field}', *mine, step)[0]
      assert may.dtype == np.bool_
      np.testing.assert_array_equal(may, masks(state, step)[field])
      # Late ids, so that pieces do not end at once.
      choices = np.flatnonzero(may)
      step[field] = rng.choice(choices[len(choices) // 3 :])
    state, clock = advance(state, clock, step)
    mine, ticks = rules('advance', *mine, step), rules('tick', *ticks, step)
    for one, other in zip(mine, jax.tree.leaves(state), strict=True):
      np.testing.assert_array_equal(one, np.ravel(other))
    bar, position, _, _, order = np.asarray(places.coordinates(clock)).tolist()
    assert rules('where', *ticks)[0].tolist() == [
      64 * bar + min(order, 63),
      min(position, 8),
    ]
    left = int(rules('distance', *mine)[0][0])
    assert left == int(grammar.distance(state))


def test_places_by_index_count_steps(tmp_path):
  rules = rules_of(TOKENIZERS['grid'], tmp_path)
  clock, found = rules('start'), []
  for step in ([1, 270, 390, 260], [3, 3, 3, 3], [70, 65, 60, 50]):
    clock = rules('tick', *clock, step)
    found.append(rules('where', *clock)[0].tolist())
  assert found == [[0, 0], [1, 0], [2, 0]]


def test_a_grammar_that_weighs_says_so(tmp_path):
  rules = rules_of(TOKENIZERS['compound'], tmp_path)
  grammar = TOKENIZERS['compound'].grammar
  logits = np.linspace(-2, 2, rules('init', 9)[0].size and 10).astype(
    np.float32
  )
  size = TOKENIZERS['compound'].codec.sizes[0]
  logits = np.linspace(-2, 2, size).astype(np.float32)
  (found,) = rules('weighed', *rules('init', 9), logits)
  wanted = grammar.weighed(grammar.init(jnp.int32(9)), jnp.asarray(logits))
  np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
  assert 'weighed' not in rules_of(TOKENIZERS['grid'], tmp_path)


class Strange:
  """A grammar that sorts."""

  def __getattr__(self, name):
    return getattr(TOKENIZERS['grid'].grammar, name)

  def mask(self, state, field, partial):
    return jnp.sort(partial)[0] > jnp.zeros(3)


def test_what_no_program_tells_is_named():
  with pytest.raises(BundleError, match=r"mask_0 .* does 'sort'") as caught:
    programs.program(build(TOKENIZERS['grid']), Strange())
  assert caught.value.code == 'program'
