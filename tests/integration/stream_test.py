"""Every step of three epochs: killed, shared, rotten, and the same batches.

Batches are compared by sha256 over all that they hold. Accumulation deals
rows of a batch to parts inside the step, so equal batches are equal parts.
"""

import os
import signal

import pytest

from aurl_jax.data import gather, pipeline, workers
from aurl_jax.data.curriculum import Curriculum
from aurl_jax.data.quarantine import Quarantine
from tests.data import streams

SIZES = [5, 90, 33, 61, 12, 48, 77, 20, 31, 9, 64, 50, 7, 80]
MODES = ['pack', 'pad', 'crop', 'bucket']
COURSES = [
  Curriculum(),
  Curriculum(by='both', first=0.4, ramp=2),
  Curriculum(by='density', first=0.4, ramp=8, unit='steps'),
]
EPOCHS = 3


def options(mode, course):
  return {
    'batch_size': 8,
    'context': 32,
    'seed': 5,
    'mode': mode,
    'buckets': (12, 24),
    'bucket_rows': 4,
    'curriculum': course,
  }


@pytest.fixture(scope='module', params=[False, True], ids=['sound', 'rotten'])
def tokens(request, tmp_path_factory):
  opened = streams.write(
    tmp_path_factory.mktemp('tokens'), streams.corpus(SIZES)
  )
  if request.param:
    streams.rot(opened, 3)
  return opened


@pytest.fixture(params=MODES)
def mode(request):
  return request.param


@pytest.fixture(params=COURSES, ids=['all', 'epochs', 'steps'])
def course(request):
  return request.param


def start(tokens, path, mode, course, **changes):
  """Begins as a new process would, with what the last has left."""
  noted = Quarantine(path, limit=50.0)
  made = pipeline.batches(
    tokens, 'train', quarantine=noted, **options(mode, course), **changes
  )
  return iter(made)


def test_resuming_at_every_step_repeats_the_stream(
  tokens, mode, course, tmp_path
):
  path = tmp_path / 'q.json'
  unbroken = streams.digests(start(tokens, path, mode, course, epochs=EPOCHS))
  line = gather.timeline(tokens['train'], options(mode, course))
  assert len(unbroken) == line.begin(EPOCHS) > EPOCHS
  assert len(set(unbroken)) > len(unbroken) - 3
  for step in range(len(unbroken)):
    iterator = start(tokens, path, mode, course, epochs=EPOCHS)
    iterator.set_state({'next_index': step})
    # The next five, and so over the border of every epoch.
    assert streams.digests(iterator, 5) == unbroken[step : step + 5]


@pytest.mark.parametrize('count', [2, 4])
def test_processes_share_the_same_global_rows(
  tokens, mode, course, count, tmp_path
):
  path = tmp_path / 'q.json'
  whole = list(start(tokens, path, mode, course, epochs=EPOCHS))
  shares = [
    list(
      start(
        tokens,
        path,
        mode,
        course,
        epochs=EPOCHS,
        process_index=index,
        process_count=count,
      )
    )
    for index in range(count)
  ]
  found = [streams.digest(batch) for batch in streams.joined(shares)]
  assert found == [streams.digest(batch) for batch in whole]


@pytest.mark.slow
def test_workers_killed_at_every_step_change_nothing(
  tokens, mode, course, tmp_path, monkeypatch
):
  # Room for a batch or two, so that each death is felt.
  monkeypatch.setattr(workers, '_PIPE', 4096)
  path = tmp_path / 'q.json'
  unbroken = streams.digests(start(tokens, path, mode, course, epochs=EPOCHS))
  iterator = start(tokens, path, mode, course, epochs=EPOCHS, workers=2)
  found = []
  for batch in iterator:
    found.append(streams.digest(batch))
    os.kill(iterator.pids[len(found) % 2], signal.SIGKILL)
  assert found == unbroken
