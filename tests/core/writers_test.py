import json
import logging
import os
import pathlib
import subprocess
import sys

import jax.numpy as jnp
import numpy as np

from aurl_jax.core import logline, writers


def lines(path: pathlib.Path) -> list[dict]:
  return [json.loads(line) for line in path.read_text().splitlines()]


def test_records_are_json_lines_of_plain_numbers(tmp_path):
  path = tmp_path / 'new' / 'metrics.jsonl'
  writer = writers.JsonlWriter(path)
  writer.write({'step': 1, 'loss': np.float32(0.5), 'rate': jnp.array(2)})
  writer.write({'step': np.int64(2), 'loss': float('nan'), 'note': 'x'})
  # Read while the writer is open: each line is there at once.
  assert lines(path) == [
    {'step': 1, 'loss': 0.5, 'rate': 2},
    {'step': 2, 'loss': None, 'note': 'x'},
  ]
  writer.close()


def test_a_resumed_run_drops_what_it_will_write_again(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  writer = writers.JsonlWriter(path)
  for step in range(1, 6):
    writer.write({'step': step})
  writer.close()
  again = writers.JsonlWriter(path)
  again.truncate(3)
  again.write({'step': 4, 'new': True})
  again.close()
  assert [r['step'] for r in lines(path)] == [1, 2, 3, 4]
  assert lines(path)[-1] == {'step': 4, 'new': True}


def test_a_line_torn_by_a_crash_is_dropped(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  path.write_text('{"step": 1}\n{"step": 2, "lo')
  writer = writers.JsonlWriter(path)
  writer.write({'step': 2})
  writer.close()
  assert lines(path) == [{'step': 1}, {'step': 2}]


def test_a_full_disk_leaves_whole_lines(tmp_path):
  code = (
    'import resource, signal, sys\n'
    'from aurl_jax.core import errors, writers\n'
    'signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n'
    'writer = writers.JsonlWriter(sys.argv[1])\n'
    'resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n'
    'try:\n'
    '  for step in range(100):\n'
    '    writer.write({"step": step, "text": "x" * 30})\n'
    'except errors.AurlError as error:\n'
    '  writer.close()\n'
    '  sys.exit(error.code)\n'
  )
  path = tmp_path / 'metrics.jsonl'
  run = subprocess.run(
    [sys.executable, '-c', code, str(path)],
    capture_output=True,
    text=True,
    check=False,
    env={k: v for k, v in os.environ.items() if not k.startswith('COV')},
  )
  assert run.stderr.strip() == 'disk_full'
  assert path.read_text().endswith('}\n')
  assert len(lines(path)) == 1000 // len(
    path.read_text().splitlines()[0] + '\n'
  )


def test_reading_passes_over_what_is_not_whole(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  assert writers.read_jsonl(path) == []
  path.write_bytes(b'{"step": 1}\n[2]\n{"loss": 3}\n\xff\n{"step": 4}\n{"st')
  assert writers.read_jsonl(path) == [{'step': 1}, {'step': 4}]


def test_a_record_becomes_one_entry_of_the_log(caplog):
  record = {
    'step': np.int64(20),
    'loss': 0.6249,
    'rate': 12345.6,
    'data/epoch': 2,
    'data/epochs': 9,
    'data/batch': 3,
    'data/batches': 24,
    'data/files': 187,
    'data/augmented': 0,
    'system/host_bytes': 2_000_000_000,
    'system/children_bytes': 460_000_000,
    'samples': ['a.mid', 'b.mid'],
  }
  writer = writers.LogWriter(total=100, shown=('loss', 'rate', 'valid/loss'))
  with caplog.at_level(logging.INFO, 'aurl_jax'):
    writer.write(record)
    writers.LogWriter().write({'step': 3})
  first, second = caplog.records
  assert first.name == 'aurl_jax.training'
  assert first.getMessage() == 'step 20/100: loss 0.6249, rate 12,346'
  assert first.details == logline.Details(
    position=(2, 9, 3, 24),
    files=(187, 0),
    losses={'recon': 0.6249},
    ram=2.46,
    samples=('a.mid', 'b.mid'),
  )
  assert second.getMessage() == 'step 3'
  assert second.details == logline.Details()


def test_samples_go_to_those_who_take_them():
  class Taker:
    def samples(self, step, media):
      self.got = step, media

  taker, media = Taker(), [writers.Media('a', b'p', b'w', 't')]
  writers.hand_out([writers.LogWriter(), taker], 7, media)
  assert taker.got == (7, media)
