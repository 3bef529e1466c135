"""Averages, and going back, wired through a whole run."""

import re

import jax
import numpy as np
import pytest

from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.deploy import bundle as bundle_lib
from aurl_jax.experiment import build, bundle, evaluate, pages, sections, train
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.music import midi
from aurl_jax.training.metrics import TrainingError
from tests.experiment.run_test import melody


@pytest.fixture(scope='module')
def page(tmp_path_factory):
  """Returns what makes a page of a tiny run, with overrides."""
  songs = tmp_path_factory.mktemp('songs')
  for number in range(14):
    midi.write(melody(number), songs / f'song_{number}.mid')
  fixed = [
    f'data.source={songs}',
    'mesh.data=1',
    'logging.console=False',
    'logging.tensorboard=False',
    'logging.page=False',
    'train.checkpoint_every=1',
    'model.context=64',
  ]
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('AURL_CACHE', str(tmp_path_factory.mktemp('cache')))
    yield lambda *more: pages.load(pages.find('tiny:test'), [*fixed, *more])


@pytest.mark.slow
def test_what_is_judged_and_exported_is_the_average(page, tmp_path):
  folder = Workdir(tmp_path / 'run')
  result = train.run(
    page(
      'train.steps=6',
      'train.ema=0.9',
      'train.average_from=3',
      'train.average_every=2',
      'logging.keep_checkpoints=6',
    ),
    folder,
  )
  parts = build.here(sections.parse(folder.read_config()))
  with Checkpoints(folder.checkpoints, keep=6) as kept:
    like = parts.abstract_state()
    states = [kept.restore(like, step).state for step in (2, 3, 5)]
    early = parts.restore_params(kept, 2)
    last = parts.restore_params(kept)
  mean = jax.tree.map(
    lambda a, b: (np.array(a, np.float64) + np.array(b)) / 2,
    states[1]['params'],
    states[2]['params'],
  )
  near = lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6)  # noqa: E731
  assert last[0] == 6
  jax.tree.map(near, last[1], mean)
  assert early[0] == 2
  jax.tree.map(np.testing.assert_array_equal, early[1], states[0]['ema'])
  assert evaluate.run(None, folder)['valid/loss'] == result['valid/loss']
  bundle.from_run(str(folder.root), str(tmp_path / 'bundle'))
  jax.tree.map(near, bundle_lib.load(tmp_path / 'bundle').params, mean)


def test_a_run_that_cannot_learn_goes_back_and_ends(page, tmp_path, caplog):
  folder = Workdir(tmp_path)
  with pytest.raises(TrainingError, match='after 1 rollbacks') as caught:
    train.run(
      page(
        'train.steps=60',
        'optimizer.name=sgd',
        'optimizer.learning_rate=1e30',
        'optimizer.warmup_steps=0',
        'train.rollback_after=2',
        'train.rollbacks=1',
      ),
      folder,
    )
  assert caught.value.code == 'non_finite'
  assert 'that is not finite: ' in str(caught.value)
  assert 'going back to the parameters of step' in caplog.text
  text = folder.metrics.read_text()
  assert 'NaN' not in text
  assert 'Infinity' not in text


def test_the_console_says_how_long_it_takes_and_what_is_missing(
  page, tmp_path, capsys
):
  songs = tmp_path / 'songs'
  songs.mkdir()
  midi.write(melody(0), songs / 'song.mid')
  asked = [f'data.source={songs}', 'train.steps=4', 'logging.console=True']
  train.run(page(*asked), Workdir(tmp_path / 'run'))
  told = capsys.readouterr().err
  assert 'no piece is left to judge the model by' in told
  assert re.search(r'a step takes \S+ s; .* \(steps: 1\) takes', told)
  assert told.index('a step takes') < told.index('step 4/4')
  assert told.index('step 4/4') < told.index('trained; judging')
