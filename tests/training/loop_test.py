"""The loop: exact when broken, clean when stopped, loud when it fails."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.core.errors import Interrupted
from aurl_jax.models import Model, ModelConfig
from aurl_jax.training import loop, state, steps
from aurl_jax.training import optimizer as optimizer_lib
from aurl_jax.training.metrics import TrainingError
from aurl_jax.training.signals import Stop
from tests.training import tiny_run, toy

TOTAL = 17


@pytest.fixture(scope='module')
def unbroken(tmp_path_factory):
  """Folder and last state of a run that nothing disturbed."""
  folder = tmp_path_factory.mktemp('unbroken')
  return folder, tiny_run.run(folder, TOTAL)


def _start(repository, folder, *arguments):
  command = [sys.executable, '-m', 'tests.training.tiny_run', str(folder)]
  return subprocess.Popen(
    [*command, *map(str, arguments)],
    cwd=repository,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def _same(one, two):
  jax.tree.map(np.testing.assert_array_equal, one, two)


def test_kill_9_changes_no_bit(repository, tmp_path, unbroken):
  folder, expected = unbroken
  process = _start(repository, tmp_path, TOTAL, 11)
  _, errors = process.communicate(timeout=300)
  assert process.returncode == -signal.SIGKILL, errors
  before = [record['step'] for record in tiny_run.records(tmp_path)]
  assert before == [4, 8]
  _same(tiny_run.run(tmp_path, TOTAL), expected)
  assert tiny_run.records(tmp_path) == tiny_run.records(folder)


def test_records_hold_a_loss_each_and_evaluation_joins_them(unbroken):
  found = tiny_run.records(unbroken[0])
  assert [record['step'] for record in found] == [4, 8, 12, 16, TOTAL]
  assert all(record['loss'] > 0 for record in found)
  evaluated = [r['step'] for r in found if 'valid/size' in r]
  assert evaluated == [8, 16, TOTAL]
  assert set(found[0]) >= {'nats/kind', 'nats/pitch', 'accuracy', 'tokens'}


def test_longer_runs_go_on_where_shorter_ones_ended(tmp_path, unbroken):
  for end in (5, 12):
    tiny_run.run(tmp_path, end)
  _same(tiny_run.run(tmp_path, TOTAL), unbroken[1])


def test_a_finished_run_stays_as_it_is(unbroken):
  folder, expected = unbroken
  before = tiny_run.records(folder)
  _same(tiny_run.run(folder, TOTAL), expected)
  assert tiny_run.records(folder) == before


def test_two_sigterms_stop_cleanly_with_exit_code_3(repository, tmp_path):
  process = _start(repository, tmp_path, 1_000_000)
  metrics = tmp_path / 'metrics.jsonl'
  deadline = time.monotonic() + 240
  while not (metrics.is_file() and metrics.read_bytes().count(b'\n') > 1):
    assert process.poll() is None, process.stderr.read()
    assert time.monotonic() < deadline
    time.sleep(0.05)
  process.send_signal(signal.SIGTERM)
  process.send_signal(signal.SIGTERM)
  output, errors = process.communicate(timeout=240)
  assert process.returncode == 3, errors
  with Checkpoints(tmp_path / 'checkpoints') as kept:
    last = kept.latest()
  assert f'SIGTERM after step {last} of' in output
  assert 'checkpoint is being saved' in errors
  assert all(record['step'] <= last for record in tiny_run.records(tmp_path))
  resumed = tiny_run.run(tmp_path, last + 2)
  assert int(resumed['step']) == last + 2


def _fit(batches, callbacks=(), *, steps_=6, rate=0.1, **kwargs):
  optimizer = optax.sgd(rate)
  model = toy.Toy()
  return loop.fit(
    state.create(model, optimizer, seed=0),
    steps.make_train_step(model, optimizer, lambda step: jnp.float32(rate)),
    batches,
    callbacks,
    steps=steps_,
    **kwargs,
  )


class Seen:
  """Notes what it is shown, at every step."""

  def __init__(self, do=None):
    self.contexts, self.do = [], do

  def due(self, context):
    return True

  def __call__(self, context):
    self.contexts.append((context.step, context.ending, context.data))
    if self.do:
      self.do(context)


def test_data_state_is_that_of_the_steps_done_not_of_those_fetched():
  seen = Seen()
  _fit(toy.Batches(), [seen], steps_=3)
  assert seen.contexts == [
    (1, '', {'index': 1}),
    (2, '', {'index': 2}),
    (3, 'done', {'index': 3}),
  ]


def test_ends_when_the_batches_do():
  seen = Seen()
  last = _fit(toy.Batches(end=4), [seen], steps_=100)
  assert int(last['step']) == 4
  assert [ending for _, ending, _ in seen.contexts] == ['', '', '', 'done']


def test_without_a_batch_says_so():
  with pytest.raises(TrainingError, match='no batch'):
    _fit(iter(()))


def test_plain_generators_train_too():
  batches = (toy.batch(seed) for seed in range(10))
  assert int(_fit(batches)['step']) == 6


def test_too_many_bad_steps_end_the_run_and_are_named(caplog):
  seen = Seen()
  with pytest.raises(TrainingError, match='steps 2 to 11 were') as caught:
    _fit(toy.Batches(), [seen], steps_=100, rate=1e30)
  assert caught.value.code == 'non_finite'
  # Noticed while the two steps after the tenth are in flight.
  assert seen.contexts[-1][0] == 12
  assert 'step 2 was skipped, 1 in a row: its loss' in caplog.text


def test_sigint_stops_after_the_step_and_restores_the_handler():
  before = signal.getsignal(signal.SIGINT)

  def interrupt(context):
    if context.step == 2:
      os.kill(os.getpid(), signal.SIGINT)
      os.kill(os.getpid(), signal.SIGINT)

  seen = Seen(interrupt)
  with pytest.raises(Interrupted, match='SIGINT after step 3 of 6') as caught:
    _fit(toy.Batches(), [seen])
  assert caught.value.exit_code == 3
  assert seen.contexts[-1][:2] == (3, 'stopped')
  assert signal.getsignal(signal.SIGINT) is before


def test_a_stop_of_the_caller_is_used_and_left_entered():
  with Stop() as stop:
    handler = signal.getsignal(signal.SIGTERM)
    stop.request('a test')
    with pytest.raises(Interrupted, match='a test after step 1 '):
      _fit(toy.Batches(), stop=stop)
    assert signal.getsignal(signal.SIGTERM) is handler


def test_runs_outside_the_main_thread():
  result = []
  thread = threading.Thread(target=lambda: result.append(_fit(toy.Batches())))
  thread.start()
  thread.join()
  assert int(result[0]['step']) == 6


def test_overfits_four_pieces():
  pieces = toy.batch(3, rows=4, steps=10)
  pieces['segments'] = np.ones_like(pieces['segments'])
  random = np.random.default_rng(0)
  for f, size in enumerate(toy.SIZES):
    pieces['ids'][..., f] = random.integers(1, size, (4, 10))
  pieces['ids'][:, 0] = [[1 + i, 1 + i] for i in range(4)]
  pieces['positions'] = np.tile(np.arange(10, dtype=np.int32), (4, 1))
  config = ModelConfig(width=32, layers=1, heads=2, context=10, dropout=0.0)
  model = Model.build(config, toy.SIZES)
  optimizer, schedule = optimizer_lib.build(
    optimizer_lib.OptimizerConfig(
      learning_rate=2e-2, warmup_steps=10, weight_decay=0.0
    ),
    120,
  )
  losses = []
  note = Seen(lambda c: losses.append(float(c.metrics['loss'])))
  loop.fit(
    state.create(model, optimizer, seed=0),
    steps.make_train_step(model, optimizer, schedule),
    iter(lambda: pieces, None),
    [note],
    steps=120,
  )
  assert losses[0] > 1.5
  assert losses[-1] < 0.02


def test_json_of_a_record_is_plain(unbroken):
  text = (unbroken[0] / 'metrics.jsonl').read_text().splitlines()[0]
  assert all(isinstance(v, int | float) for v in json.loads(text).values())
