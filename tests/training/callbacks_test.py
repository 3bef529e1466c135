"""Callbacks one by one; `loop_test` has them together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.core.errors import CheckpointError
from aurl_jax.training import callbacks
from aurl_jax.training.metrics import Totals
from tests.training import toy


def _context(step=4, ending='', first=0, state=None, totals=None, **kwargs):
  return toy.context(
    step,
    first=first,
    state=state or {'params': {'x': jnp.ones(2)}},
    totals=totals or _totals(),
    ending=ending,
    **kwargs,
  )


def _totals(steps=2):
  totals = Totals()
  for _ in range(steps):
    totals.add(
      {
        'objective': jnp.float32(3.0),
        'nats': jnp.array([3.0]),
        'counts': jnp.array([2]),
        'correct': jnp.array([1]),
        'tokens': jnp.int32(2),
        'bad_step': jnp.int32(0),
      }
    )
  return totals


class Written:
  """A writer that remembers."""

  def __init__(self):
    self.records, self.kept = [], None

  def write(self, record):
    self.records.append(dict(record))

  def truncate(self, step):
    self.kept = step


def _due(callback, **kwargs):
  return [s for s in range(1, 8) if callback.due(_context(s, **kwargs))]


def test_due_every_so_often_and_at_the_endings_that_matter(tmp_path):
  log = callbacks.Log(every=3, writers=[])
  evaluate = callbacks.Evaluate(every=3, function=dict)
  sample = callbacks.Sample(every=3, function=print)
  save = callbacks.Checkpoint(checkpoints=Checkpoints(tmp_path), every=3)
  assert all(_due(c) == [3, 6] for c in (log, evaluate, sample, save))
  always = [1, 2, 3, 4, 5, 6, 7]
  done = [_due(c, ending='done') == always for c in (evaluate, sample, save)]
  assert done == [True, False, True]
  assert _due(log, ending='done') == always
  assert _due(log, ending='stopped') == [3, 6]
  assert _due(evaluate, ending='stopped') == [3, 6]
  assert _due(save, ending='stopped') == always


def test_every_zero_is_the_end_only(tmp_path):
  for callback in (
    callbacks.Log(every=0, writers=[]),
    callbacks.Evaluate(every=0, function=dict),
    callbacks.Sample(every=0, function=print),
    callbacks.Checkpoint(checkpoints=Checkpoints(tmp_path), every=0),
  ):
    assert _due(callback) == []
    assert len(_due(callback, ending='done')) == 7


def test_log_writes_means_and_starts_anew():
  writer = Written()
  log = callbacks.Log(every=2, writers=[writer], fields=['pitch'])
  totals = _totals()
  log(_context(totals=totals))
  (record,) = writer.records
  assert record['step'] == 4
  assert record['loss'] == record['nats/pitch'] == pytest.approx(1.5)
  assert record['accuracy'] == pytest.approx(0.5)
  assert totals.fetch() == {}


def test_only_the_first_process_writes(monkeypatch):
  writer = Written()
  monkeypatch.setattr(callbacks.jax, 'process_index', lambda: 1)
  callbacks.Log(every=2, writers=[writer])(_context())
  assert writer.records == []


def test_the_rate_counts_the_steps_of_this_process(monkeypatch):
  now = [100.0]
  monkeypatch.setattr(callbacks.time, 'perf_counter', lambda: now[0])
  writer = Written()
  log = callbacks.Log(every=2, writers=[writer])
  context = _context(step=4, first=3)
  now[0] += 0.5
  log(context)
  # Four tokens in two steps, of which one was done here, in half a second.
  assert writer.records[0]['tokens_per_second'] == pytest.approx(4.0)


def test_a_paused_clock_stands_still(monkeypatch):
  now = [0.0]
  monkeypatch.setattr(callbacks.time, 'perf_counter', lambda: now[0])
  clock = callbacks.Clock()
  now[0] = 2.0
  clock.pause()
  clock.pause()
  now[0] = 9.0
  assert clock.seconds == 2.0
  clock.go()
  clock.go()
  now[0] = 10.0
  assert clock.seconds == 3.0


def test_evaluation_makes_a_record_due_and_stands_in_it():
  writer, record = Written(), {}
  log = callbacks.Log(every=100, writers=[writer])
  evaluate = callbacks.Evaluate(every=2, function=lambda params: {'loss': 0.7})
  context = _context(record=record)
  assert not log.due(context)
  evaluate(context)
  assert log.due(context)
  log(context)
  assert writer.records[0]['valid/loss'] == 0.7
  assert writer.records[0]['loss'] == pytest.approx(1.5)


def test_sample_hands_over_parameters_and_step():
  seen = []
  sample = callbacks.Sample(every=1, function=lambda *a: seen.append(a))
  context = _context()
  sample(context)
  assert seen == [(context.state['params'], 4)]
  assert context.record == {}


def test_the_record_names_the_samples_that_were_written():
  sample = callbacks.Sample(every=1, function=lambda *a: ('a.mid', 'b.mid'))
  writer, context = Written(), _context()
  sample(context)
  log = callbacks.Log(every=100, writers=[writer])
  assert log.due(context)
  log(context)
  assert writer.records[0]['samples'] == ['a.mid', 'b.mid']


def test_what_follows_from_a_record_stands_in_it():
  writer = Written()
  log = callbacks.Log(
    every=1, writers=[writer], derive=lambda record: {'x': -record['loss']}
  )
  log(_context(record={'valid/loss': 1.0}))
  assert writer.records[0]['x'] == pytest.approx(-1.5)


def _state(value):
  return {'step': jnp.int32(value), 'x': jnp.full((3, 2), float(value))}


def _save(kept, step, **run):
  save = callbacks.Checkpoint(checkpoints=kept, every=1, run=run)
  save(_context(step, state=_state(step), data={'index': step}))


def test_resume_is_the_other_direction_of_checkpoint(tmp_path):
  with Checkpoints(tmp_path) as kept:
    _save(kept, 3, seed=1)
    batches, writer = toy.Batches(), Written()
    found = callbacks.resume(
      kept, _state(0), batches=batches, writers=[writer], run={'seed': 1}
    )
  assert found.step == 3
  np.testing.assert_array_equal(found.state['x'], _state(3)['x'])
  assert batches.index == 3
  assert writer.kept == 3
  assert Totals(found.totals).fetch()['steps'] == 2


def test_a_step_may_overwrite_the_state_while_it_is_being_saved(tmp_path):
  advance = jax.jit(
    lambda s: {'step': s['step'] + 1, 'x': s['x'] + 1}, donate_argnums=0
  )
  with Checkpoints(tmp_path) as kept:
    state = _state(1)
    callbacks.Checkpoint(checkpoints=kept, every=1)(_context(1, state=state))
    for _ in range(5):
      state = advance(state)
    found = callbacks.resume(kept, _state(0), batches=None)
  assert float(state['x'][0, 0]) == 6
  np.testing.assert_array_equal(found.state['x'], np.ones((3, 2)))


def test_nothing_to_resume_clears_the_log(tmp_path):
  with Checkpoints(tmp_path) as kept:
    writer = Written()
    found = callbacks.resume(
      kept, _state(0), batches=toy.Batches(), writers=[writer]
    )
  assert found is None
  assert writer.kept == 0


def test_a_checkpoint_of_another_run_is_refused_and_its_log_kept(tmp_path):
  with Checkpoints(tmp_path) as kept:
    _save(kept, 3, seed=1, data='a')
    writer = Written()
    with pytest.raises(CheckpointError, match='seed was 1 and is 2') as caught:
      callbacks.resume(
        kept,
        _state(0),
        batches=toy.Batches(),
        writers=[writer],
        run={'seed': 2, 'data': 'a'},
      )
  assert caught.value.code == 'other_run'
  assert writer.kept is None


def test_only_the_first_process_cuts_the_log(tmp_path, monkeypatch):
  writer = Written()
  with Checkpoints(tmp_path) as kept:
    monkeypatch.setattr(callbacks.jax, 'process_index', lambda: 1)
    monkeypatch.setattr(kept, 'latest', lambda: None)
    callbacks.resume(kept, _state(0), batches=None, writers=[writer])
  assert writer.kept is None
