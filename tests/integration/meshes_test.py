"""Each mesh of eight devices against one device, for every optimizer."""

import json
import subprocess
import sys

import pytest

MESHES = ('8x1x1', '4x2x1', '4x1x2', '2x4x1', '2x2x2', '2x1x4',
          '1x8x1', '1x4x2', '1x2x4', '1x1x8')  # fmt: skip


def _found(repository, optimizer, meshes):
  done = subprocess.run(
    [
      sys.executable,
      '-m',
      'tests.training.meshes',
      optimizer,
      '1x1x1',
      *meshes,
    ],
    cwd=repository,
    capture_output=True,
    text=True,
    timeout=3000,
  )
  assert done.returncode == 0, done.stderr
  return json.loads(done.stdout)


def _check(found, meshes):
  one = found.pop('1x1x1')
  assert set(found) == set(meshes)
  for name, other in found.items():
    # Losses of five steps, then those of parameters, EMA and SWA.
    assert other['losses'] == pytest.approx(one['losses'], rel=1e-5), name
    data = int(name.partition('x')[0])
    assert other['share'] == pytest.approx(data / 8), name


@pytest.mark.slow
def test_every_mesh_equals_one_device(repository):
  _check(_found(repository, 'adamw', MESHES), MESHES)


@pytest.mark.slow
@pytest.mark.parametrize('optimizer', ['adafactor', 'muon', 'lion', 'sgd'])
def test_every_optimizer_is_the_same_on_a_mesh(repository, optimizer):
  meshes = ('2x2x2', '1x8x1', '1x1x8')
  _check(_found(repository, optimizer, meshes), meshes)
