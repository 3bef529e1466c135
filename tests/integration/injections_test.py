"""Bad batches at random steps leave no bit changed, on 1, 2 and 8 devices."""

import json
import subprocess
import sys

import pytest


def _found(repository, devices, count):
  done = subprocess.run(
    [
      sys.executable,
      '-m',
      'tests.training.injections',
      str(devices),
      str(count),
    ],
    cwd=repository,
    capture_output=True,
    text=True,
    timeout=1500,
  )
  assert done.returncode == 0, done.stderr
  return json.loads(done.stdout)


def _check(found, devices, count):
  assert found['devices'] == devices
  right = dict(found['right'])
  assert right.pop('good') == found['good']
  assert right == found['injected']
  assert sum(right.values()) == count
  assert found['as if never seen']


@pytest.mark.slow
def test_ten_of_ten_on_two_devices(repository):
  _check(_found(repository, 2, 10), 2, 10)


@pytest.mark.slow
@pytest.mark.parametrize('devices', [1, 2, 8])
def test_a_hundred_of_a_hundred(repository, devices):
  _check(_found(repository, devices, 100), devices, 100)
