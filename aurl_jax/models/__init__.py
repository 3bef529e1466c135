"""Networks: flax modules as parameter containers, used as pure functions."""

from aurl_jax.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(
  __name__,
  {
    'Model': 'aurl_jax.models.functional',
    'ModelConfig': 'aurl_jax.models.config',
    'MusicTransformerVAEGAN': 'aurl_jax.models.vaegan',
    'Outputs': 'aurl_jax.models.functional',
    'attend': 'aurl_jax.models.attention',
  },
)
