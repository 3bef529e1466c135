"""A whole run in this process: train, go on, judge, generate, bundle."""

import json
import shutil
import signal

import numpy as np
import pytest

import aurl_jax
from aurl_jax.core import logline
from aurl_jax.core.errors import (
  CheckpointError,
  ConfigError,
  DataError,
  Interrupted,
)
from aurl_jax.experiment import (
  bundle,
  evaluate,
  generate,
  pages,
  status,
  train,
)
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes
from aurl_jax.training import callbacks

PIECES = 14


def melody(number):
  """Returns 32 beats of a scale that differs from piece to piece."""
  pitch = 60 + (np.arange(64) * (number % 5 + 1)) % 12 + number % 3
  columns = {'onset': np.arange(64) * 240, 'duration': 240, 'pitch': pitch}
  return Notes.build(480, columns | {'velocity': 40 + number})


@pytest.fixture(scope='module')
def songs(tmp_path_factory):
  folder = tmp_path_factory.mktemp('songs')
  for number in range(PIECES):
    midi.write(melody(number), folder / f'song_{number}.mid')
  (folder / 'broken.mid').write_bytes(b'MThd nothing')
  return folder


@pytest.fixture(scope='module')
def home(tmp_path_factory):
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('AURL_CACHE', str(tmp_path_factory.mktemp('cache')))
    yield


def page(songs, *overrides):
  fixed = [
    f'data.source={songs}',
    'mesh.data=1',
    'logging.console=False',
    'train.steps=6',
    'train.evaluate_every=3',
    'train.checkpoint_every=2',
    'model.context=96',
    'generate.n=2',
  ]
  return pages.load(pages.find('tiny:test'), [*fixed, *overrides])


@pytest.fixture(scope='module')
def run(songs, home, tmp_path_factory):
  folder = Workdir(tmp_path_factory.mktemp('run'))
  return folder, train.run(page(songs), folder)


def records(folder):
  return [json.loads(line) for line in folder.metrics.read_text().splitlines()]


def test_a_run_leaves_what_it_promises(run):
  folder, result = run
  assert [r['step'] for r in records(folder)] == [1, 2, 3, 4, 5, 6]
  assert all(np.isfinite(r['loss']) for r in records(folder))
  assert [r['step'] for r in records(folder) if 'valid/loss' in r] == [3, 6]
  assert result['valid/loss'] > 0
  for name in ('config.json', 'MODEL_CARD.md', 'logs', 'checkpoints', 'tb'):
    assert (folder.root / name).exists(), name
  card = folder.card.read_text()
  assert f'{result["valid/loss"]:.4f}' in card
  assert 'train' in card


def test_its_log_tells_each_record_with_real_numbers(run):
  folder, _ = run
  text = (folder.root / 'logs' / 'run.log').read_text()
  told = [e for e in logline.parse(text) if e.module == 'aurl_jax.training']
  written = records(folder)
  assert len(told) == len(written) == 6
  # Nothing of what was logged is lost on the way back.
  again = '\n'.join(map(logline.render, logline.parse(text))) + '\n'
  assert again == text
  for entry, record in zip(told, written, strict=True):
    assert entry.message.startswith(f'step {record["step"]}/6: loss ')
    found, batches = entry.details, record['data/batches']
    epoch, batch = divmod(record['step'] - 1, batches)
    epochs = -(-6 // batches)
    assert found.position == (epoch + 1, epochs, batch + 1, batches)
    assert found.losses == {'recon': pytest.approx(record['loss'], abs=0.0051)}
    assert found.ram * 1e9 == pytest.approx(
      record['system/host_bytes'] + record['system/children_bytes'], abs=6e7
    )
    assert found.files[0] == record['data/files'] <= 8 * epochs
    assert found.files[1] == 0
    assert record['system/flops'] > 0
    # The first step of a process has none before it to be timed by.
    known = 'system/data_wait' in record
    assert known == (record['step'] > 1)
    assert not known or 0 <= record['system/data_wait'] <= 1
  samples = [e.details.samples for e in logline.parse(text) if e.details]
  assert samples[-1] == ('samples/piece_1.mid', 'samples/piece_2.mid')


def test_it_leaves_curves_and_says_that_it_is_finished(run):
  folder, _ = run
  names = {path.name for path in (folder.root / 'plots').iterdir()}
  assert {'loss.svg', 'learning_rate.svg'} <= names
  assert not (folder.root / 'exports').exists()
  assert status.read(folder.root)['state'] == 'finished'
  card = folder.card.read_text()
  for expected in ('Intended use', 'licence', '6 of 6 steps', 'model.width'):
    assert expected in card
  # The folder's name, not where it lies.
  assert str(folder.read_config()['data']['source']) not in card


def test_a_stopped_run_leaves_a_card_and_goes_on(
  songs, home, tmp_path, monkeypatch
):
  folder = Workdir(tmp_path)
  asked = page(
    songs, 'train.sample_every=2', 'logging.tensorboard=True', 'generate.n=1'
  )
  written = []
  original = callbacks.Log.__call__

  def log(self, context):
    original(self, context)
    written.append(context.step)
    if context.step == 4:
      signal.raise_signal(signal.SIGTERM)

  monkeypatch.setattr(callbacks.Log, '__call__', log)
  with pytest.raises(Interrupted):
    train.run(asked, folder)
  assert status.read(folder.root)['state'] == 'stopped'
  steps = max(folder.saved)
  assert steps < 6
  card = folder.card.read_text()
  assert f'**Stopped** after step {steps} of 6' in card
  assert '| valid/loss |' in card
  sampled = [r['samples'] for r in records(folder) if 'samples' in r]
  assert sampled[0] == ['samples/step_2/piece_1.mid']
  assert midi.read(folder.root / sampled[0][0]).issues == ()
  (events,) = (folder.root / 'tb').iterdir()
  content = events.read_bytes()
  for tag in (b'samples/piece_1', b'audio/wav', b'\x89PNG', b'config'):
    assert tag in content
  monkeypatch.undo()
  train.run(None, folder)
  assert status.read(folder.root)['state'] == 'finished'
  assert 'Stopped' not in folder.card.read_text()


def test_its_samples_are_music_and_its_page_shows_them(run):
  folder, result = run
  assert str(folder.samples / 'index.html') == result['page']
  text = (folder.samples / 'index.html').read_text()
  for name in ('piece_1', 'piece_2'):
    assert midi.read(folder.samples / f'{name}.mid').issues == ()
    assert (folder.samples / f'{name}.png').read_bytes().startswith(b'\x89PNG')
    assert f'{name}.mid' in text


def test_a_finished_run_starts_nothing_again(run):
  folder, result = run
  before = folder.metrics.read_text()
  again = train.run(None, folder)
  assert again['valid/loss'] == result['valid/loss']
  assert folder.metrics.read_text() == before


def test_more_steps_go_on_from_the_last(songs, run, tmp_path):
  whole = Workdir(tmp_path / 'whole')
  train.run(page(songs, 'optimizer.schedule=constant'), whole)
  part = Workdir(tmp_path / 'part')
  for steps in (3, 6):
    train.run(
      page(songs, 'optimizer.schedule=constant', f'train.steps={steps}'), part
    )
  losses = [[r['loss'] for r in records(f)] for f in (whole, part)]
  assert losses[0] == losses[1]


def test_evaluate_judges_both_splits(run):
  folder, result = run
  found = evaluate.run(None, folder)
  assert found['step'] == 6
  assert found['valid/loss'] == result['valid/loss']
  assert found['test/perplexity'] == pytest.approx(np.exp(found['test/loss']))


def test_generate_takes_the_runs_own_request_and_changes(run, tmp_path):
  written = generate.to_folder(str(run[0].root), str(tmp_path), {'seed': 5})
  assert len(written['rows']) == 2
  again = generate.to_folder(
    str(run[0].root), str(tmp_path / 'b'), {'seed': 5, 'n': 1}
  )
  assert len(again['rows']) == 1
  first = [path / 'piece_1.mid' for path in (tmp_path, tmp_path / 'b')]
  assert first[0].read_bytes() == first[1].read_bytes()


def test_a_bundle_plays_what_the_run_plays(run, tmp_path):
  folder, _ = run
  told = bundle.from_run(str(folder.root), str(tmp_path / 'bundle'))
  assert 'weights.safetensors' in told['files']
  request = aurl_jax.Request(n=1, seed=3, steps=40)
  ours = generate.from_run(folder).generate(request)
  theirs = aurl_jax.load(tmp_path / 'bundle').generate(request)
  assert ours[0].midi() == theirs[0].midi()


def test_the_machine_that_plays_need_not_be_the_one_that_trained(run, tmp_path):
  """Another mesh, and hosts that are not here any more."""
  folder, _ = run
  away = Workdir(tmp_path / 'away')
  shutil.copytree(folder.root, away.root)
  config = away.read_config()
  config['mesh'] |= {'data': 8, 'coordinator': 'gone:1', 'processes': 2}
  away.store(config)
  request = aurl_jax.Request(n=1, seed=3, steps=40)
  ours, theirs = (
    generate.from_run(f).generate(request) for f in (folder, away)
  )
  assert ours[0].midi() == theirs[0].midi()


@pytest.mark.slow
def test_an_optimizer_without_a_limit_goes_on_from_one_with(
  songs, run, tmp_path
):
  folder, _ = run
  copy = Workdir(tmp_path / 'copy')
  shutil.copytree(folder.root, copy.root)
  more = page(songs, 'optimizer.clip_norm=0.0', 'train.steps=7')
  assert train.run(more, copy)['steps'] == 7


def test_a_run_without_checkpoints_cannot_generate(songs, home, tmp_path):
  folder = Workdir(tmp_path)
  folder.store(page(songs))
  with pytest.raises(CheckpointError, match='no complete checkpoint'):
    generate.from_run(folder)


def test_bad_data_is_refused_before_training(tmp_path, home):
  (tmp_path / 'music').mkdir()
  with pytest.raises(DataError, match='music'):
    train.run(page(tmp_path / 'music'), Workdir(tmp_path / 'run'))
  with pytest.raises(DataError, match='nowhere'):
    train.run(page(tmp_path / 'nowhere'), Workdir(tmp_path / 'run2'))
  # The folders are free for a better try.
  assert not Workdir(tmp_path / 'run').holds_run
  assert not Workdir(tmp_path / 'run2').holds_run


@pytest.mark.parametrize(
  ('override', 'said'),
  [
    ('model.heads=3', 'heads'),
    ('train.batch_size=0', 'positive'),
    ('train.accumulate=3', 'accumulate'),
    ('generate.bars=500', 'context'),
    ('generate.steps=5000', 'context'),
    ('data.batching=stack', 'pack'),
    ('optimizer.name=adan', 'adamw'),
    ('model.mode=vae', 'model.latent.slot'),
    ('mesh.data=3', 'devices'),
    ('seed=-1', 'seed'),
    ('model.context=1', 'context'),
    ('generate.temperature=-1.0', 'temperature'),
    ('generate.n=0', 'generate: n'),
    ('logging.baseline=True', 'VoiceGrid'),
    ('logging.keep_checkpoints=0', 'keep_checkpoints'),
    ('train.evaluate_every=-5', 'evaluate_every'),
    ('train.label_smoothing=2.0', 'label_smoothing'),
  ],
)
def test_sections_that_do_not_fit_are_refused(
  songs, home, tmp_path, override, said
):
  folder = Workdir(tmp_path)
  with pytest.raises(ConfigError) as caught:
    train.run(page(songs, override), folder)
  assert said in str(caught.value)
  assert not folder.holds_run
