import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.models.config import LatentConfig, ModelConfig

VAE = {'mode': 'vae', 'latent': LatentConfig(slot=4)}


def test_default_is_the_base_page_s_model():
  config = ModelConfig()
  assert (config.head_dim, config.mlp_width) == (64, 1024)


@pytest.mark.parametrize('width', [32, 64, 256, 512])
def test_swiglu_has_about_as_many_parameters_as_gelu(width):
  gelu = 2 * ModelConfig(width=width).mlp_width
  swiglu = 3 * ModelConfig(width=width, mlp='swiglu').mlp_width
  assert swiglu == pytest.approx(gelu, rel=0.15)


def test_what_is_left_at_zero_is_resolved():
  config = ModelConfig(heads=8, context=100)
  assert (config.key_heads, config.distances) == (8, 100)
  config = ModelConfig(heads=8, kv_heads=2, relative=5, context=100)
  assert (config.key_heads, config.distances) == (2, 5)
  assert config.head_dim == 32


@pytest.mark.parametrize(
  ('changes', 'needs'),
  [
    ({}, False),
    ({'positions': 'relative', 'window': 8}, False),
    ({'positions': 'musical'}, True),
    ({'pattern': 'bars'}, True),
    ({'pattern': 'hierarchy'}, True),
    ({'metrical': 8}, True),
    ({'shared_pitch': True}, True),
    ({'lead': 2}, False),
    (VAE, True),
  ],
)
def test_only_what_reads_the_music_needs_places(changes, needs):
  assert ModelConfig(**changes).needs_places == needs


def test_hidden_is_taken_as_given():
  assert ModelConfig(hidden=96, mlp='swiglu').mlp_width == 96


@pytest.mark.parametrize(
  ('changes', 'said'),
  [
    ({'mode': 'vae'}, "model.latent: 'vae' without latents"),
    ({'latent': LatentConfig(slot=4)}, "or set the mode to 'vae'"),
    (VAE | {'context': 7}, 'model.latent.slots: 8 slots are more than the 7'),
    (VAE | {'pattern': 'bars'}, "'bars' has no place where model.mode is"),
    ({'lead': -1}, 'model.lead'),
    ({'pattern': 'hierarchy', 'lead': 1}, 'model.lead: 1 has no place'),
    ({'mode': 'vae_gan'}, "'vae_gan' without latents is a transformer"),
    ({'mode': 'rnn'}, 'choose one of transformer'),
    ({'heads': 3}, 'model.heads: 3 does not divide model.width 256'),
    ({'width': 12, 'heads': 4}, 'odd width 3'),
    ({'width': 0}, 'model.width: must be at least 1'),
    ({'layers': 0}, 'model.layers'),
    ({'hidden': -1}, 'model.hidden'),
    ({'dropout': 1.0}, 'model.dropout'),
    ({'dtype': 'float64'}, 'model.dtype'),
    ({'remat': 'some'}, 'model.remat'),
    ({'attention': 'flash'}, 'model.attention'),
    ({'mlp': 'relu'}, 'model.mlp'),
    ({'rope_base': 1.0}, 'model.rope_base'),
    ({'kv_heads': 3}, 'model.kv_heads: 3 does not divide model.heads 4'),
    ({'kv_heads': 8}, 'model.kv_heads: 8 does not divide model.heads 4'),
    ({'kv_heads': -1}, 'model.kv_heads'),
    ({'window': 513}, '513 is more than model.context 512; take at most'),
    ({'relative': 513, 'positions': 'relative'}, 'more than model.context'),
    ({'pattern': 'window'}, 'say how many steps a step sees'),
    ({'pattern': 'bars', 'window': 4}, 'model.window: 4 has no meaning'),
    ({'horizon': 4}, 'model.horizon: 4 has no meaning'),
    (
      {'pattern': 'bars', 'positions': 'relative'},
      "'rope', 'barwise' or 'musical'",
    ),
    ({'pattern': 'bars', 'kv_heads': 2}, 'model.kv_heads: 2 has no place'),
    ({'pattern': 'bars', 'attention': 'splash'}, "'splash' knows no bars"),
    ({'pattern': 'hierarchy', 'attention': 'splash'}, 'knows no bars'),
    ({'pattern': 'hierarchy', 'scan': True}, 'model.scan: True has no place'),
    ({'pattern': 'hierarchy', 'positions': 'musical'}, "set it to 'rope'"),
    ({'pattern': 'hierarchy', 'piece_layers': 0}, 'must be at least 1'),
    ({'pattern': 'dense'}, 'choose one of full, window, bars'),
    ({'positions': 'sine'}, 'choose one of rope, barwise, musical'),
    ({'positions': 'relative', 'attention': 'splash'}, "set it to 'auto'"),
    ({'positions': 'relative', 'attention': 'fused'}, "set it to 'auto'"),
    ({'positions': 'musical', 'width': 8}, 'choose fewer heads'),
  ],
)
def test_a_bad_value_names_its_key_and_the_remedy(changes, said):
  with pytest.raises(ConfigError, match='model') as caught:
    ModelConfig(**changes)
  assert said in str(caught.value)
  assert caught.value.code == 'model_config'


@pytest.mark.parametrize(
  ('changes', 'said'),
  [
    ({'dials': 'density,mood'}, 'mood: there are density, polyphony'),
    ({'dials': 'density, density'}, 'names one twice'),
    ({'dials': 'density', 'slot': 1}, 'needs others, too'),
    ({'blur': 1.5}, 'model.latent.blur: must lie in [0, 1]'),
  ],
)
def test_a_bad_latent_names_its_key(changes, said):
  with pytest.raises(ConfigError, match=r'model\.latent') as caught:
    LatentConfig(**{'slot': 4, **changes})
  assert said in str(caught.value)


def test_dials_have_names():
  assert LatentConfig().dial_names == ()
  latent = LatentConfig(slot=4, dials='register, density')
  assert latent.dial_names == ('register', 'density')
