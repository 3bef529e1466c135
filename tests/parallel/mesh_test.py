import os
import socket
import subprocess
import sys
import textwrap

import jax
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.parallel import mesh as mesh_lib
from aurl_jax.parallel.mesh import MeshConfig


def test_minus_one_takes_every_device():
  mesh = mesh_lib.make_mesh(MeshConfig())
  assert dict(mesh.shape) == {
    'data': jax.device_count(),
    'fsdp': 1,
    'tensor': 1,
  }
  assert mesh_lib.rows(mesh) == jax.device_count()
  assert 'fsdp 1 × tensor 1 on cpu' in mesh_lib.describe(mesh)
  assert set(mesh.axis_types) == {jax.sharding.AxisType.Auto}


def test_a_mesh_may_be_smaller_than_the_machine():
  assert mesh_lib.make_mesh(MeshConfig(data=1)).size == 1


def test_alone_is_one_device_of_this_process():
  mesh = mesh_lib.alone()
  assert mesh.devices.ravel().tolist() == jax.local_devices()[:1]
  assert mesh.axis_names == mesh_lib.AXES


@pytest.mark.parametrize(
  ('changes', 'said'),
  [
    ({'data': 0}, 'mesh.data: must be positive'),
    ({'fsdp': 0}, 'mesh.fsdp: must be at least 1'),
    ({'tensor': -1}, 'mesh.tensor: must be at least 1'),
    ({'host_devices': -1}, 'mesh.host_devices'),
    ({'coordinator': 'nowhere'}, "'nowhere' is no host:port"),
    ({'coordinator': 'a:1', 'processes': 2, 'process': 2}, '0..1'),
    ({'processes': 2}, 'needs mesh.coordinator'),
  ],
)
def test_a_bad_value_names_its_key(changes, said):
  with pytest.raises(ConfigError) as caught:
    MeshConfig(**changes)
  assert said in str(caught.value)


def test_too_few_devices_are_an_error_with_a_remedy():
  with pytest.raises(ConfigError, match='host_devices'):
    mesh_lib.make_mesh(MeshConfig(data=1024))
  with pytest.raises(ConfigError, match='does not divide'):
    mesh_lib.make_mesh(MeshConfig(fsdp=1023))


def test_host_devices_come_too_late_once_jax_runs():
  mesh_lib.host_devices(jax.device_count())
  mesh_lib.host_devices(0)
  with pytest.raises(ConfigError, match='too late'):
    mesh_lib.host_devices(jax.device_count() + 1)


def test_a_single_process_joins_nobody():
  mesh_lib.initialise_distributed(MeshConfig())
  assert jax.process_count() == 1


def test_joining_after_jax_runs_is_an_error_with_a_remedy():
  jax.devices()
  config = MeshConfig(coordinator='localhost:1', processes=2, process=1)
  with pytest.raises(ConfigError, match='before any use of jax'):
    mesh_lib.initialise_distributed(config)


JOIN = """
  import sys
  import jax, numpy as np
  from aurl_jax.parallel import mesh as mesh_lib, rules
  config = mesh_lib.MeshConfig(
    coordinator=sys.argv[1], processes=2, process=int(sys.argv[2]),
    host_devices=1)
  mesh_lib.host_devices(config.host_devices)
  mesh_lib.initialise_distributed(config)
  mesh = mesh_lib.make_mesh(config)
  rows = np.full((2, 3), jax.process_index() + 1)
  batch = rules.place_batch({'ids': rows}, mesh)
  with mesh_lib.use(mesh):
    total = jax.jit(lambda batch: batch['ids'].sum())(batch)
  print(batch['ids'].shape, int(total))
"""


@pytest.mark.slow
def test_two_tasks_of_slurm_find_each_other():
  # What srun tells its tasks; the port follows from the number of the job.
  job = next(job for job in range(1000, 5000) if _free(61440 + job % 4096))
  code = textwrap.dedent(JOIN).replace(
    'processes=2, process=int(sys.argv[2]),', ''
  )
  running = [
    subprocess.Popen(
      [sys.executable, '-c', code, 'auto'],
      stdout=subprocess.PIPE,
      text=True,
      env=os.environ
      | {
        'SLURM_JOB_ID': str(job),
        'SLURM_STEP_NODELIST': 'localhost',
        'SLURM_STEP_NUM_NODES': '1',
        'SLURM_NTASKS': '2',
        'SLURM_PROCID': str(task),
        'SLURM_LOCALID': str(task),
      },
    )
    for task in range(2)
  ]
  for process in running:
    said = process.communicate(timeout=300)[0].splitlines()
    assert said[-1] == '(4, 3) 18'
    assert process.returncode == 0


def _free(port):
  with socket.socket() as probe:
    return probe.connect_ex(('localhost', port)) != 0


def test_two_processes_share_a_batch():
  with socket.socket() as probe:
    probe.bind(('localhost', 0))
    address = f'localhost:{probe.getsockname()[1]}'
  command = [sys.executable, '-c', textwrap.dedent(JOIN), address]
  running = [
    subprocess.Popen(
      [*command, str(i)], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    for i in range(2)
  ]
  for process in running:
    said = process.communicate(timeout=300)[0].splitlines()
    assert said[-1] == '(4, 3) 18'
    assert process.returncode == 0
