import jax

from aurl_jax.models.config import ModelConfig
from aurl_jax.models.vaegan import MusicTransformerVAEGAN


def test_a_transformer_has_these_parts_and_no_others():
  config = ModelConfig(width=8, heads=2, layers=1)
  module = MusicTransformerVAEGAN(config, (5, 4), jax.random.key(0))
  parts = {name for name in vars(module) if not name.startswith('_')}
  assert parts == {'embed', 'decoder', 'head', 'config'}
