"""Named sizes have about the parameters that they are said to have."""

import jax
import pytest

from aurl_jax.configs import base, sizes
from aurl_jax.experiment import sections
from aurl_jax.models import Model


@pytest.mark.parametrize(
  ('size', 'millions'),
  [('tiny', 2), ('small', 12), ('base', 100), ('large', 350)],
)
def test_sizes_are_as_they_are_called(size, millions):
  run = sections.parse(sizes.get_config(size).to_dict())
  model = Model.build(run.model, run.tokenizer.codec.sizes)
  params = jax.eval_shape(model.init, jax.random.key(0))
  count = sum(leaf.size for leaf in jax.tree.leaves(params))
  assert count == pytest.approx(millions * 1e6, rel=0.1)
  assert run.model.context == 2048


def test_an_unknown_size_is_answered_with_those_there_are():
  with pytest.raises(LookupError, match='tiny, small, base, large'):
    sizes.apply(base.get_config(), 'huge')
