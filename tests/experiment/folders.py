"""Folders of runs, made by hand: no training."""

import json
import os

from aurl_jax.experiment import pages, status
from aurl_jax.experiment.workdir import Workdir

PNG = b'\x89PNG\r\n\x1a\n' + bytes(20)
BEGIN = 1_800_000_000.0


def make(root, *, steps=40, done=20, torn='', state='finished', changes=()):
  """Makes a run's folder: a record every second step, a second a step."""
  folder = Workdir(root)
  overrides = [f'train.steps={steps}', *changes]
  folder.store(pages.load(pages.find('tiny'), overrides))
  lines = []
  for step in range(2, done + 1, 2):
    record = {
      'step': step,
      'loss': 4.0 / step,
      'accuracy': step / 100,
      'learning_rate': 0.001,
      'tokens': 1000.0,
      'tokens_per_second': 500.0,
      'data/epoch': 1,
      'data/epochs': 2,
      'data/batch': step,
      'data/batches': 30,
      'system/time': BEGIN + step,
      'system/host_bytes': 2_500_000_000,
      'system/data_wait': 0.015,
      'skipped': step == 4,
    }
    if step % 10 == 0:
      record['valid/loss'] = 5.0 / step
    lines.append(json.dumps(record) + '\n')
  folder.metrics.write_text(''.join(lines) + torn)
  values = {'state': state, 'reason': '', 'pid': os.getpid()}
  values |= {'host': status.socket.gethostname()}
  values['started_by'] = status._birth(os.getpid())
  (root / status.NAME).write_text(json.dumps(values))
  (root / 'logs' / 'run.log').write_text(
    '[2027-01-15 08:00:00.000] [INFO] [aurl_jax.training] step 2\n'
    '[2027-01-15 08:00:01.000] [WARNING] [aurl_jax.data] odd <b>\n'
    '  second line\n'
  )
  for number in (10, 20):
    path = folder.checkpoints / str(number)
    path.mkdir(parents=True)
    os.utime(path, (BEGIN + number, BEGIN + number))
  for step in (10, 20):
    out = folder.samples / f'step_{step}'
    out.mkdir()
    for name, content in (('piece_1.mid', b'MThd'), ('piece_1.png', PNG)):
      (out / name).write_bytes(content)
      os.utime(out / name, (BEGIN + step, BEGIN + step))
  return folder
