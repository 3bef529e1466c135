"""A run with a critic, whole: it goes on from a `vae`, opens, stops, resumes.

And the critic that it leaves chooses among pieces.
"""

import importlib.util
import json
import shutil

import numpy as np
import pytest

from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.core.errors import ConfigError
from aurl_jax.evaluation import overlap
from aurl_jax.experiment import (
  beginning,
  build,
  latents,
  pages,
  ranking,
  sections,
  train,
)
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.generation.errors import RequestError
from tests.integration import victim

VAE = (
  victim.SETTINGS
  | victim.LATENTS
  | {
    'train.steps': 20,
    'train.evaluate_every': 10,
  }
)
GAN = VAE | {
  'model.mode': 'vae_gan',
  'gan.critic.width': 8,
  'gan.critic.layers': 1,
  'gan.steps': 2,
  'gan.warmup': 2,
  'gan.accuracy': 0.5,
  'gan.ramp': 2,
  'gan.learning_rate': 0.003,
  'train.steps': 12,
  'train.evaluate_every': 3,
  'train.checkpoint_every': 3,
}


def values(songs, settings):
  texts = [f'{name}={value}' for name, value in settings.items()]
  return pages.load(pages.find('tiny:test'), [*texts, f'data.source={songs}'])


@pytest.fixture(scope='module')
def home(tmp_path_factory):
  folder = tmp_path_factory.mktemp('critic')
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('AURL_CACHE', str(folder / 'cache'))
    victim.songs(folder / 'songs', count=16)
    train.run(values(folder / 'songs', VAE), Workdir(folder / 'vae'))
    yield folder


@pytest.fixture(scope='module')
def gan(home):
  config = values(home / 'songs', GAN)
  config = beginning.like(config, str(home / 'vae'))
  folder = Workdir(home / 'gan')
  return folder, config, train.run(config, folder)


def records(folder):
  return [json.loads(line) for line in folder.metrics.read_text().splitlines()]


@pytest.mark.slow
def test_the_critic_learns_and_the_gate_opens(gan):
  folder, _, result = gan
  told = records(folder)
  assert [r['step'] for r in told if 'valid/gan/accuracy' in r] == [3, 6, 9, 12]
  # Scores are held out: half of them right is what chance gives.
  opened = [r['step'] for r in told if r.get('valid/gan/open') == 1]
  right = [r['step'] for r in told if r.get('valid/gan/accuracy', 0) > 0.5]
  assert right
  assert opened
  assert opened[0] == right[0]
  before = [r for r in told if r['step'] <= opened[0]]
  assert all(r['gan/weight'] == 0 for r in before)
  after = [r for r in told if r['step'] > opened[0]]
  assert after[0]['gan/weight'] == pytest.approx(0.25)
  assert np.isfinite(result['valid/loss'])


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_as_one_that_was_not(gan, home):
  whole, config, _ = gan
  folder = Workdir(home / 'stopped')
  train.run(config, folder)
  # As if it had been killed behind its second checkpoint.
  for step in (9, 12):
    shutil.rmtree(folder.checkpoints / str(step))
  train.run(None, folder)
  like = build.build(sections.parse(config)).abstract_state()
  states = [
    Checkpoints(each.checkpoints).restore(like, 12).state
    for each in (whole, folder)
  ]
  assert int(states[0]['gan']['on']) > 0
  assert victim.digest(states[0]) == victim.digest(states[1])


@pytest.mark.slow
def test_its_critic_chooses_among_pieces(gan, repository):
  folder, _, _ = gan
  ranker = ranking.opened(folder.root)
  space, cache = latents.opened(folder.root)
  pieces = space.decode(space.standard(6, 0), temperature=1.0)
  scores = ranker.scores([piece.ids for piece in pieces])
  chosen = ranker.best([piece.ids for piece in pieces], 3)
  assert chosen.tolist() == [scores[:3].argmax(), 3 + scores[3:].argmax()]
  path = repository / 'tools' / 'rerank.py'
  spec = importlib.util.spec_from_file_location('rerank', path)
  tool = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(tool)
  others = [space.composer.tokenizer.decode(ids) for ids in cache['train']][:9]
  found = tool.report(ranker, pieces, others, 3, 20)
  assert found['groups'] == 2
  assert set(found['gain']) == set(overlap.USUAL)
  with pytest.raises(RequestError, match='make no groups'):
    ranker.best([piece.ids for piece in pieces], 4)


def test_a_run_without_a_critic_cannot_choose(home):
  with pytest.raises(ConfigError, match='has no critic'):
    ranking.opened(home / 'vae')
