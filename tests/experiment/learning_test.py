"""What a model with latents cannot be trained with is refused at once."""

import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.experiment import learning, pages, sections

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


def test_a_one_shot_decoder_and_its_losses_go_together():
  page = pages.find('base')
  asked = [*VAE, 'model.latent.oneshot=1', 'tokenizer.infill=False']
  losses = 'loss.auxiliary=frames=0.1,frames_key=0.2'
  run = sections.parse(pages.load(page, [*asked, losses]))
  balance = run.step_options.balance
  assert balance.names == ('frames', 'frames_key')
  assert balance.weights == (0.1, 0.2)
  with pytest.raises(ConfigError, match='nothing would train the one-shot'):
    sections.parse(pages.load(page, asked))
  with pytest.raises(ConfigError, match='nothing would train the one-shot'):
    sections.parse(pages.load(page, [*asked, 'loss.auxiliary=frames=0']))
  for changes in (VAE, ()):
    with pytest.raises(ConfigError, match='frames, frames_key is of a one'):
      sections.parse(pages.load(page, [*changes, losses]))
  wrong = 'loss.auxiliary=frames=0.1,frames_mood=1'
  with pytest.raises(ConfigError, match='frames_mood'):
    sections.parse(pages.load(page, [*asked, wrong]))


HEARD = (
  'tokenizer.name=aurl_jax.tokens.compound:Compound',
  'tokenizer.controls=True',
  'tokenizer.studied=True',
  'data.controls=studied',
)
ASKED = 'loss.auxiliary=harmony=0.2,section=0.1'


def test_what_is_asked_of_states_is_taken_out_of_the_ids():
  page = pages.find('base')
  run = sections.parse(
    pages.load(page, [*HEARD, 'model.heard=harmony,section', ASKED])
  )
  assert run.rows['objective'].heard == ('harmony', 'section')
  judged = learning.unheard(run.model, run.tokenizer)
  assert judged.heard == ('harmony', 'section')
  assert judged.config.control_dropout == 0
  plain = sections.parse(pages.load(page, HEARD))
  assert learning.unheard(plain.model, plain.tokenizer) is None


@pytest.mark.parametrize(
  ('changes', 'said'),
  [
    (('model.heard=harmony', ASKED), 'must name the same kinds'),
    (('model.heard=harmony,section',), 'must name the same kinds'),
    ((ASKED,), 'must name the same kinds'),
    (
      ('model.heard=harmony,section', ASKED, 'data.controls=none'),
      'data.controls fills in the labels',
    ),
  ],
)
def test_what_is_asked_of_states_has_labels_and_a_weight(changes, said):
  page = pages.find('base')
  with pytest.raises(ConfigError, match=said):
    sections.parse(pages.load(page, [*HEARD, *changes]))


def test_latents_have_no_place_in_a_transformer():
  with pytest.raises(ConfigError, match=r'model\.latent'):
    sections.parse(pages.load(pages.find('base'), ['model.latent.slot=4']))


GAN = (*VAE, 'model.mode=vae_gan', 'train.checkpoint_every=100')


@pytest.mark.parametrize(
  ('changes', 'said'),
  [
    (('model.mode=vae',), "no critic where model.mode is 'vae'"),
    (('gan.warmup=400', 'train.steps=400'), 'leaves no step of the 400'),
    (('gan.warmup=0',), 'a critic that has seen nothing would teach'),
    (('train.evaluate_every=0',), 'evaluations open its gate'),
    (('train.checkpoint_every=0',), 'goes back to checkpoints'),
    (('train.checkpoint_every=101',), 'train.checkpoint_every to that or less'),
    (('gan.loss=js',), 'choose hinge or wgan'),
    (('gan.first=16',), 'set both, or none'),
  ],
)
def test_a_critic_that_cannot_learn_or_be_judged_is_refused(changes, said):
  page = pages.find('base')
  asked = [*GAN, 'gan.weight=0.3', 'train.evaluate_every=100']
  run = sections.parse(pages.load(page, asked))
  assert run.gan.weight == 0.3
  with pytest.raises(ConfigError) as info:
    sections.parse(pages.load(page, [*asked, *changes]))
  assert said in str(info.value)
  assert info.value.code == 'gan_config'
