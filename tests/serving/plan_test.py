import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.serving.plan import Plan
from aurl_jax.serving.settings import Settings


@pytest.mark.parametrize(
  'wrong',
  [{'slots': 0}, {'room': 8}, {'waiting': 0}, {'seconds': 0}, {'lanes': 100}],
)
def test_numbers_have_ranges(wrong):
  with pytest.raises(ConfigError, match=next(iter(wrong))):
    Plan(**wrong)


@pytest.mark.parametrize('tokens', [(), ('',), ('short',), ('x' * 16, 'y')])
def test_there_is_a_token_and_it_is_long(tokens):
  with pytest.raises(ConfigError, match='token'):
    Settings(tokens=tokens)
