"""A run that overfits on purpose: it stops, and hands back its best model."""

import json

import jax
import numpy as np
import pytest

import aurl_jax
from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.core.errors import AurlError, CheckpointError, ConfigError
from aurl_jax.experiment import (
  bundle,
  evaluate,
  generate,
  pages,
  sections,
  train,
)
from aurl_jax.experiment.keeping import Pick
from aurl_jax.experiment.workdir import Workdir
from tests.integration import victim

EVERY, PATIENCE = 4, 3


@pytest.fixture(scope='module')
def page(tmp_path_factory):
  """Returns what makes a config; noise, of which nothing can be learned."""
  home = tmp_path_factory.mktemp('home')
  songs = victim.songs(home / 'songs', count=16)

  def function(*overrides):
    settings = victim.SETTINGS | {
      'data.source': songs,
      'train.steps': 400,
      'train.evaluate_every': EVERY,
      'train.evaluate_batches': 0,
      'train.checkpoint_every': 10,
      'optimizer.learning_rate': 0.03,
      'checkpoint.patience': PATIENCE,
      'logging.keep_checkpoints': 2,
    }
    texts = [f'{name}={value}' for name, value in settings.items()]
    return pages.load(pages.find('tiny:test'), [*texts, *overrides])

  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('AURL_CACHE', str(home / 'cache'))
    yield function


@pytest.fixture(scope='module')
def run(page, tmp_path_factory):
  folder = Workdir(tmp_path_factory.mktemp('run'))
  return folder, train.run(page(), folder)


def judged(folder):
  """Returns step -> loss of each evaluation that the log has."""
  lines = folder.metrics.read_text().splitlines()
  found = [json.loads(line) for line in lines]
  return {r['step']: r['valid/loss'] for r in found if 'valid/loss' in r}


def weights(folder, step):
  """Returns the parameters that a checkpoint holds, read step by step."""
  parts = generate.build.here(sections.parse(folder.read_config()))
  like = {'params': parts.abstract_state()['params']}
  kept = Checkpoints(folder.checkpoints)
  return kept.restore(like, step, partial=True).state['params']


def test_it_ends_within_one_patience_of_its_best_step(run):
  losses = judged(run[0])
  best = min(losses, key=lambda step: (losses[step], step))
  assert max(losses) < 400
  assert max(losses) == best + PATIENCE * EVERY
  assert Checkpoints(run[0].checkpoints).best('valid/loss') == best


def test_it_hands_back_the_best_model(run, tmp_path):
  folder, result = run
  losses = judged(folder)
  best = min(losses, key=lambda step: (losses[step], step))
  assert result['valid/loss'] == losses[best]
  found = evaluate.run(None, folder)
  assert (found['step'], found['valid/loss']) == (best, losses[best])
  wanted = victim.digest(weights(folder, best))
  assert victim.digest(generate.from_run(folder).params) == wanted
  bundle.from_run(str(folder.root), str(tmp_path / 'bundle'))
  loaded = aurl_jax.load(tmp_path / 'bundle')
  assert victim.digest(loaded.params) == wanted


def test_an_ended_run_starts_nothing_again(run):
  folder, result = run
  before = folder.metrics.read_text()
  assert train.run(None, folder)['valid/loss'] == result['valid/loss']
  assert folder.metrics.read_text() == before


def test_another_model_than_the_best_can_be_asked_for(run):
  folder, _ = run
  steps = Checkpoints(folder.checkpoints).steps()
  last = generate.from_run(folder, pick=Pick(step=steps[-1])).params
  assert victim.digest(last) == victim.digest(weights(folder, steps[-1]))
  mean = generate.from_run(folder, pick=Pick(average=2)).params
  pair = [jax.tree.leaves(weights(folder, step)) for step in steps[-2:]]
  for found, a, b in zip(jax.tree.leaves(mean), *pair, strict=True):
    wanted = (np.asarray(a, np.float64) + np.asarray(b, np.float64)) / 2
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)
  with pytest.raises(CheckpointError, match='choose one of'):
    Pick(best=True, average=2)


@pytest.mark.slow
def test_two_runs_of_one_seed_leave_equal_checkpoints(run, page, tmp_path):
  other = Workdir(tmp_path / 'other')
  train.run(page(), other)
  found = []
  for folder in (run[0], other):
    parts = generate.build.here(sections.parse(folder.read_config()))
    kept = Checkpoints(folder.checkpoints)
    states = {s: kept.restore(parts.abstract_state(), s) for s in kept.steps()}
    found.append(
      {s: (victim.digest(r.state), r.extra) for s, r in states.items()}
    )
  assert found[0] == found[1]
  assert len(found[0]) >= 2


def test_a_second_trainer_is_refused(run, page):
  folder, _ = run
  with (
    folder.claim(),
    pytest.raises(AurlError, match='in use by process') as caught,
  ):
    train.run(page(), folder)
  assert caught.value.code == 'in_use'


def test_a_best_needs_something_to_go_by(page, run, tmp_path):
  with pytest.raises(ConfigError, match='evaluate_every'):
    sections.parse(page('train.evaluate_every=0'))
  for wrong in ('mode=least', 'keep_best=-1', 'patience=-1', 'min_delta=-1.0'):
    with pytest.raises(ConfigError, match='checkpoint'):
      sections.parse(page(f'checkpoint.{wrong}'))
  with pytest.raises(ConfigError, match='valid/lost is none'):
    train.run(page('checkpoint.metric=valid/lost'), Workdir(tmp_path / 'x'))
