"""States that are asked: the answers, and what they do not change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.functional import Model
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.places import Places
from tests.tokens import pieces

TOKENIZER = Compound(controls=True, studied=True)
SMALL = {'width': 16, 'layers': 1, 'heads': 2, 'context': 64, 'head_width': 16}
ASKED = ModelConfig(**SMALL, heard='harmony, contour', dropout=0.0)


def built(config, tokenizer=TOKENIZER):
  return Model.build(config, tokenizer.codec.sizes, Places.of(tokenizer))


def rows():
  ids = TOKENIZER.encode(pieces.chorale(3, bars=6))[None, :48]
  segments = jnp.ones(ids.shape[:2], jnp.int32)
  positions = jnp.arange(ids.shape[1])[None]
  targets = jnp.pad(ids[:, 1:], ((0, 0), (0, 1), (0, 0)))
  return jnp.asarray(ids), segments, positions, targets


def test_answers_are_a_linear_map_of_the_states():
  model = built(ASKED)
  params = model.init(jax.random.key(1))
  out = model.apply(params, *rows())
  assert {k: v.shape for k, v in out.aux.items()} == {
    'harmony': (1, 48, 169),
    'contour': (1, 48, 9),
  }
  ids, segments, positions, targets = rows()
  hidden = model.bind(params).hidden(
    ids, segments, positions, following=targets
  )
  for name, logits in out.aux.items():
    kernel = np.asarray(params['heard']['kinds'][name]['kernel'])
    np.testing.assert_allclose(
      logits, np.asarray(hidden) @ kernel, rtol=1e-4, atol=1e-5
    )


def test_to_be_asked_changes_no_other_parameter_and_no_logit():
  plain, asked = built(ModelConfig(**SMALL, dropout=0.0)), built(ASKED)
  first = plain.init(jax.random.key(1))
  second = asked.init(jax.random.key(1))
  beside = second.pop('heard')
  assert set(beside['kinds']) == {'harmony', 'contour'}
  jax.tree.map(np.testing.assert_array_equal, first, second)
  one = plain.apply(first, *rows()).logits
  other = asked.apply(second | {'heard': beside}, *rows()).logits
  jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize(
  ('heard', 'tokenizer', 'said'),
  [
    ('mood', TOKENIZER, 'tells no mood'),
    ('harmony', Compound(controls=True), 'tells no harmony'),
    ('family', TOKENIZER, 'tells no family'),
    ('key,key', TOKENIZER, 'twice'),
  ],
)
def test_what_has_no_labels_is_refused(heard, tokenizer, said):
  with pytest.raises(ConfigError, match=said) as caught:
    built(ModelConfig(**SMALL, heard=heard), tokenizer)
  assert caught.value.code == 'model_config'
