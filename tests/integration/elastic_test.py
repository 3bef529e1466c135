"""One run on 8, 2, 1 and 8 devices, against one on 8 all the way."""

import numpy as np
import pytest

from tests.integration import victim

PART = 6


def start(home, name, devices, steps):
  run = victim.Victim(
    home,
    name,
    **{
      'train.batch_size': 8,
      'train.steps': steps,
      'train.checkpoint_every': PART,
      'optimizer.schedule': 'constant',
      'logging.keep_checkpoints': 9,
      'mesh.data': devices,
      'mesh.host_devices': devices,
    },
  )
  code, said = run.run()
  assert code == 0, said
  return run


@pytest.mark.slow
def test_a_run_goes_on_with_other_devices_as_it_would_have(tmp_path):
  whole = start(tmp_path, 'whole', 8, 4 * PART)
  for part, devices in enumerate((8, 2, 1, 8), 1):
    moved = start(tmp_path, 'moved', devices, part * PART)
  records = [run.records() for run in (whole, moved)]
  assert [r['step'] for r in records[1]] == list(range(1, 4 * PART + 1))
  losses = [[r['loss'] for r in found] for found in records]
  assert np.ptp(losses[0]) > 0.1
  np.testing.assert_allclose(losses[1], losses[0], rtol=0, atol=1e-5)
  # The same rows in the same order: by their counts, and by where the
  # iterator stood.
  tokens = [[r['tokens'] for r in found] for found in records]
  assert tokens[0] == tokens[1]
  settings = dict(whole.settings) | {'mesh.data': 1, 'mesh.host_devices': 0}
  settings.pop('data.source')
  reader = victim.Reader(victim.Victim(tmp_path, 'whole', **settings))
  assert whole.committed() == moved.committed()
  for step in whole.committed():
    extras = [reader.state(r.checkpoints, step)[2] for r in (whole, moved)]
    assert extras[0]['data'] == extras[1]['data']
    assert reader.batches(extras[0]) == reader.batches(extras[1])
