"""A collapse on purpose: the run ends by itself and says why."""

import json

import pytest

from aurl_jax.experiment import pages, train
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.training.metrics import TrainingError
from tests.integration import victim

SETTINGS = (
  victim.SETTINGS
  | victim.LATENTS
  | {
    'train.steps': 500,
    'train.evaluate_every': 20,
    'optimizer.learning_rate': 0.01,
    'elbo.patience': 2,
  }
)


def run(tmp_path, **changes):
  songs = victim.songs(tmp_path / 'songs', count=16)
  settings = SETTINGS | {'data.source': songs} | changes
  texts = [f'{name}={value}' for name, value in settings.items()]
  folder = Workdir(tmp_path / 'run')
  return folder, lambda: train.run(
    pages.load(pages.find('tiny:test'), texts), folder
  )


def test_a_large_beta_ends_the_run(tmp_path, monkeypatch):
  monkeypatch.setenv('AURL_CACHE', str(tmp_path / 'cache'))
  folder, start = run(tmp_path, **{'elbo.beta': 50.0})
  with pytest.raises(TrainingError, match=r'latents/') as info:
    start()
  assert info.value.code == 'collapse'
  lines = folder.metrics.read_text().splitlines()
  assert json.loads(lines[-1])['step'] < 500


def test_a_sound_run_logs_its_latents(tmp_path, monkeypatch):
  monkeypatch.setenv('AURL_CACHE', str(tmp_path / 'cache'))
  _, start = run(
    tmp_path,
    **{'elbo.beta': 0.01, 'train.steps': 60, 'model.latent.drop': 0.3},
  )
  found = start()
  assert found['valid/latents/units'] >= 1
  assert found['valid/latents/gap'] > 0.01
  assert found['valid/kl'] > 0
