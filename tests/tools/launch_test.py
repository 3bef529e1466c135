"""The launch recipes can be read, and do what their comments say."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

from aurl_jax.experiment import pages

FOLDER = pathlib.Path(__file__).resolve().parents[2] / 'tools' / 'launch'
SCRIPTS = sorted(FOLDER.glob('*.sh'))


@pytest.mark.parametrize('path', SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_bash(path):
  done = subprocess.run(['bash', '-n', path], capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  assert os.access(path, os.X_OK)


def _fake(folder, name, body):
  path = folder / name
  path.write_text(f'#!/bin/bash\n{body}\n')
  path.chmod(0o755)


def _slurm(tmp_path, status):
  """Runs the job with a `srun` that says what it was asked to do."""
  _fake(tmp_path, 'srun', f'printf "%s\\n" "$@"; exit {status}')
  _fake(tmp_path, 'scontrol', 'echo "scontrol $*"')
  path = f'{tmp_path}:{os.environ["PATH"]}'
  return subprocess.run(
    [FOLDER / 'slurm.sh', 'tiny', '/runs/a b', '--config.mesh.fsdp=2'],
    env={'PATH': path, 'SLURM_JOB_ID': '7', 'PYTHON': 'python'},
    capture_output=True,
    text=True,
  )


def test_a_slurm_job_asks_for_the_run_that_it_was_given(tmp_path):
  done = _slurm(tmp_path, 0)
  assert done.returncode == 0, done.stderr
  words = done.stdout.splitlines()
  asked = words[words.index('aurl_jax.main') + 1 :]
  assert '--workdir=/runs/a b' in asked
  config = pages.parse(asked).config
  assert config['mesh']['coordinator'] == 'auto'
  assert config['mesh']['fsdp'] == 2


@pytest.mark.parametrize(
  ('status', 'ended', 'queued'), [(0, 0, False), (3, 0, True), (1, 1, False)]
)
def test_a_job_that_was_stopped_is_queued_again(
  tmp_path, status, ended, queued
):
  done = _slurm(tmp_path, status)
  assert done.returncode == ended
  assert ('scontrol requeue 7' in done.stdout) is queued


def test_a_jobset_has_a_pod_a_host_and_the_flags_of_a_run():
  spec = yaml.safe_load((FOLDER / 'gke_tpu.yaml').read_text())
  (job,) = spec['spec']['replicatedJobs']
  inside = job['template']['spec']
  pod = inside['template']['spec']
  (container,) = pod['containers']
  topology = pod['nodeSelector']['cloud.google.com/gke-tpu-topology']
  chips = 1
  for side in topology.split('x'):
    chips *= int(side)
  hosts = chips // container['resources']['limits']['google.com/tpu']
  assert inside['completions'] == inside['parallelism'] == hosts
  config = pages.parse(container['args']).config
  assert config['mesh']['coordinator'] == 'auto'
  mounted = {mount['name'] for mount in container['volumeMounts']}
  assert mounted == {volume['name'] for volume in pod['volumes']}


def test_flags_of_xla_that_the_guide_names_exist(repository):
  guide = (repository / 'docs' / 'HOW_TO_TRAIN.md').read_text()
  # Those of a TPU belong to its library, which is not here.
  names = sorted(set(re.findall(r'--(xla_(?!tpu|enable_async)\w+)', guide)))
  assert names
  code = (
    'import json, os, sys\n'
    'import jax\n'
    'jax.config.update("jax_platforms", "cpu")\n'
    'jax.devices()\n'
    'print("known")\n'
  )
  flags = ' '.join(f'--{name}={_value(guide, name)}' for name in names)
  done = subprocess.run(
    [sys.executable, '-c', code],
    env=os.environ | {'XLA_FLAGS': flags},
    capture_output=True,
    text=True,
  )
  assert done.stdout.strip() == 'known', json.dumps([flags, done.stderr[-600:]])


def _value(guide, name):
  return re.search(rf'--{name}=([\w.]+)', guide)[1]
