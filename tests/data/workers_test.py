"""Workers: the same stream, whatever becomes of them. Real processes."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.data import pipeline, worker, workers
from aurl_jax.data.curriculum import Curriculum
from aurl_jax.data.quarantine import Quarantine
from tests.data import streams

SIZES = [5, 90, 33, 61, 12, 48, 77, 20, 31, 9, 64, 50]
OPTIONS = {
  'batch_size': 4,
  'context': 32,
  'seed': 3,
  'mode': 'bucket',
  'curriculum': Curriculum(by='length', first=0.3, ramp=2),
}


@pytest.fixture
def tokens(tmp_path):
  return streams.write(tmp_path / 'tokens', streams.corpus(SIZES))


@pytest.fixture(autouse=True)
def short_pipes(monkeypatch):
  """Lets workers run ahead by a batch or two, as with batches of real size."""
  monkeypatch.setattr(workers, '_PIPE', 4096)


def start(tokens, count=2, **changes):
  return iter(
    pipeline.batches(tokens, 'train', workers=count, **OPTIONS, **changes)
  )


def unbroken(tokens, count, **changes):
  return streams.digests(
    iter(pipeline.batches(tokens, 'train', **OPTIONS, **changes)), count
  )


def gone(pid):
  """Returns whether a process has ended, or is about to be buried."""
  try:
    with open(f'/proc/{pid}/stat') as file:
      return file.read().rpartition(')')[2].split()[0] == 'Z'
  except FileNotFoundError:
    return True


def wait_until(condition, seconds=20):
  deadline = time.monotonic() + seconds
  while not condition():
    assert time.monotonic() < deadline
    time.sleep(0.02)


def test_workers_give_the_same_stream_and_survive_death(tokens, caplog):
  expected = unbroken(tokens, 40)
  iterator = start(tokens)
  found = streams.digests(iterator, 7)
  first = iterator.pids
  assert len(first) == 2
  with caplog.at_level(logging.WARNING):
    os.kill(first[7 % 2], signal.SIGKILL)
    found += streams.digests(iterator, 9)
    # And both at once.
    for pid in iterator.pids:
      os.kill(pid, signal.SIGKILL)
    found += streams.digests(iterator, 24)
  assert found == expected
  assert iterator.get_state() == {'next_index': 40}
  reports = [record.getMessage() for record in caplog.records]
  assert len(reports) == 3
  assert all('SIGKILL' in report for report in reports)
  assert f'process {first[1]}' in reports[0]
  # What it had finished before is still taken.
  [due] = re.findall(r'at batch (\d+)', reports[0])
  assert int(due) in range(7, 40, 2)
  last = iterator.pids
  iterator.close()
  assert all(map(gone, last))


def test_a_state_goes_from_workers_to_none_and_back(tokens):
  expected = unbroken(tokens, 12)
  ahead = start(tokens, 3)
  assert streams.digests(ahead, 4) == expected[:4]
  state = json.loads(json.dumps(ahead.get_state()))
  plain = iter(pipeline.batches(tokens, 'train', **OPTIONS))
  plain.set_state(state)
  assert streams.digests(plain, 4) == expected[4:8]
  ahead.set_state(plain.get_state())
  assert streams.digests(ahead, 4) == expected[8:]
  ahead.close()


def test_shares_and_ends_are_the_same_with_workers(tokens):
  for changes in ({'process_index': 1, 'process_count': 2}, {'epochs': 2}):
    plain = streams.digests(
      iter(pipeline.batches(tokens, 'train', **OPTIONS, **changes)), 30
    )
    ahead = start(tokens, **changes)
    assert streams.digests(ahead, 30) == plain
    ahead.close()


def test_workers_go_with_an_iterator_that_is_forgotten(tokens):
  iterator = start(tokens)
  next(iterator)
  pids = iterator.pids
  del iterator
  assert all(map(gone, pids))


def test_workers_ignore_signals_of_the_trainer(tokens):
  iterator = start(tokens)
  found = streams.digests(iterator, 2)
  pids = iterator.pids
  for pid in pids:
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGTERM)
  found += streams.digests(iterator, 10)
  assert found == unbroken(tokens, 12)
  assert iterator.pids == pids
  iterator.close()


def test_rot_that_a_worker_meets_is_noted_and_the_stream_the_same(
  tokens, tmp_path
):
  streams.rot(tokens, 2)
  plain = Quarantine(tmp_path / 'plain.json', limit=50.0)
  expected = unbroken(tokens, 30, quarantine=plain)
  noted = Quarantine(tmp_path / 'ahead.json', limit=50.0)
  iterator = start(tokens, quarantine=noted)
  found = streams.digests(iterator, 15)
  os.kill(iterator.pids[1], signal.SIGKILL)
  found += streams.digests(iterator, 15)
  iterator.close()
  assert found == expected
  assert noted.known('train') == plain.known('train') != {}


def test_an_error_of_a_worker_is_the_same_error(tokens):
  path = tokens['train'].folder / 'ids.npy'
  iterator = start(tokens)
  next(iterator)
  with open(path, 'r+b') as file:
    file.truncate(path.stat().st_size // 2)
  with pytest.raises(DataError, match=r'ids\.npy') as caught:
    streams.digests(iterator, 200)
  assert caught.value.code == 'cache_damaged'
  iterator.close()


def test_a_worker_that_cannot_live_is_given_up(tokens, monkeypatch, capfd):
  monkeypatch.setattr(worker, '__name__', 'aurl_jax.data.nothing')
  monkeypatch.setattr(workers.worker_lib, '__name__', 'aurl_jax.data.nothing')
  with pytest.raises(DataError, match='died 3 times at batch 0') as caught:
    next(start(tokens, 1))
  assert caught.value.code == 'worker'
  assert 'aurl_jax.data.nothing' in capfd.readouterr().err


def test_workers_die_with_a_trainer_that_is_killed(tokens, repository):
  program = f"""
    import time
    from aurl_jax.data import cache, pipeline
    tokens = cache.TokenCache.open({str(tokens.folder)!r})
    rows = iter(pipeline.batches(
      tokens, 'train', batch_size=4, context=32, workers=2))
    next(rows)
    print(*rows.pids, flush=True)
    time.sleep(600)
  """
  trainer = subprocess.Popen(
    [sys.executable, '-c', textwrap.dedent(program)],
    cwd=repository,
    stdout=subprocess.PIPE,
    text=True,
  )
  pids = [int(word) for word in trainer.stdout.readline().split()]
  assert len(pids) == 2
  assert not any(map(gone, pids))
  trainer.kill()
  trainer.wait()
  trainer.stdout.close()
  wait_until(lambda: all(map(gone, pids)))
