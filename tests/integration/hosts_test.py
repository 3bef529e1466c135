"""Two processes, one killed in a save: both go on from the last whole step."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.integration import victim

STEPS, KILL = 12, 9
# Jax ends a process whose peer has been silent for 100 seconds.
_SURVIVES = 240


def start(folder, *more):
  """Starts both; returns the processes."""
  with socket.socket() as probe:
    probe.bind(('localhost', 0))
    port = probe.getsockname()[1]
  module = [sys.executable, '-m', 'tests.integration.hosts', str(folder)]
  return [
    subprocess.Popen(
      [*module, str(port), str(process), str(STEPS), *map(str, more)],
      cwd=victim.ROOT,
      env=os.environ,
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    for process in (0, 1)
  ]


def finish(processes):
  """Returns where each began and what each held, step by step."""
  ends = [process.communicate(timeout=600) for process in processes]
  assert [p.returncode for p in processes] == [0, 0], ends
  lines = [out.splitlines() for out, _ in ends]
  begins = [
    int(line.split()[1])
    for found in lines
    for line in found
    if line.startswith('resumed')
  ]
  return begins, [json.loads(found[-1]) for found in lines]


@pytest.mark.slow
def test_both_go_on_bit_equal_from_the_last_whole_step(tmp_path):
  begins, whole = finish(start(tmp_path / 'whole'))
  assert begins == [0, 0]
  # Each holds a half: what they hold differs.
  assert whole[0]['shards'][str(STEPS)] != whole[1]['shards'][str(STEPS)]

  broken = tmp_path / 'broken'
  survivor, killed = start(broken, KILL)
  killed.communicate(timeout=600)
  assert killed.returncode == -signal.SIGKILL
  _, said = survivor.communicate(timeout=_SURVIVES)
  assert survivor.returncode not in (0, None)
  assert 'heartbeat' in said or 'peer' in said, said[-2000:]
  assert any(broken.glob(f'{KILL}.orbax*'))
  assert not (broken / str(KILL)).exists()

  begins, found = finish(start(broken))
  assert begins == [KILL - 3] * 2
  for process in (0, 1):
    after = {str(step) for step in range(KILL - 2, STEPS + 1)}
    assert found[process]['shards'].keys() == after
    for step in after:
      assert found[process]['shards'][step] == whole[process]['shards'][step]
    rows = whole[process]['rows'][KILL - 3 :]
    assert found[process]['rows'] == rows
