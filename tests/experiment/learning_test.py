"""What a model with latents cannot be trained with is refused at once."""

import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.experiment import pages, sections

VAE = ('model.mode=vae', 'model.latent.slot=4', 'data.batching=pad')


@pytest.mark.parametrize(
  ('changes', 'said'),
  [
    (('data.batching=pack',), "data.batching: 'pack' puts several pieces"),
    (('data.batching=crop',), "'pad' or 'bucket'"),
    (
      ('loss.auxiliary=key=0.1', 'loss.balance=gradnorm'),
      "loss.balance: 'gradnorm' does not weigh",
    ),
    (
      ('tokenizer.infill=True', 'objective.bars=0.5'),
      'set bars, tracks and given to 0',
    ),
  ],
)
def test_refused_with_the_remedy(changes, said):
  page = pages.find('base')
  sections.parse(pages.load(page, VAE))
  with pytest.raises(ConfigError) as info:
    sections.parse(pages.load(page, [*VAE, *changes]))
  assert said in str(info.value)


def test_latents_have_no_place_in_a_transformer():
  with pytest.raises(ConfigError, match=r'model\.latent'):
    sections.parse(pages.load(pages.find('base'), ['model.latent.slot=4']))
