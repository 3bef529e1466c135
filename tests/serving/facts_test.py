import pytest

from aurl_jax.deploy import bundle
from aurl_jax.serving import facts
from aurl_jax.serving.settings import Settings
from tests.serving import stage

SETTINGS = Settings(tokens=('x' * 16,))


@pytest.mark.parametrize(
  ('name', 'can', 'dials', 'controls'),
  [
    ('chorale', {'generate', 'continue'}, 0, False),
    ('pop', {'generate', 'continue', 'infill', 'vary'}, 0, True),
    (
      'pop_dials',
      {'generate', 'continue', 'vary', 'interpolate', 'turn'},
      4,
      False,
    ),
  ],
)
def test_shipped_models_tell_what_they_can(name, can, dials, controls):
  composer = bundle.load(name)
  told = facts.of(composer, SETTINGS)
  assert {way for way, why in told['can'].items() if not why} == can
  assert len(told['dials']) == dials
  assert bool(told['controls']) == controls
  assert told['defaults'] == composer.defaults
  for why in told['can'].values():
    assert why.isprintable()


def test_a_model_without_defaults_or_index():
  told = facts.of(stage.composer('grid'), SETTINGS)
  assert told['context'] == 128
  assert told['tokenizer'] == 'VoiceGrid'
  assert told['limits']['bytes'] == SETTINGS.midi.bytes
