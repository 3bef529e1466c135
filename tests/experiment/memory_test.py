import json
import logging

from aurl_jax.experiment import memory, pages, sections
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.parallel import memory as memory_lib


def _run(*changes):
  return sections.parse(pages.load('tiny', changes))


def _report(activations, limit=100):
  return memory_lib.Report(
    parts={'parameters': 10, 'activations': activations},
    limit=limit,
    devices=2,
    platform='gpu',
    shape=(8, 128),
  )


def _watch(monkeypatch, run, folder, reports):
  waiting = iter(reports)
  monkeypatch.setattr(memory_lib, 'report', lambda *_: next(waiting))
  seen = memory.watch(run, Workdir(folder), quiet=True)
  for _ in reports:
    seen(None, {}, {})


def test_the_run_keeps_the_report_of_the_largest_program(tmp_path, monkeypatch):
  reports = [_report(20), _report(50), _report(30)]
  _watch(monkeypatch, _run(), tmp_path, reports)
  kept = json.loads((tmp_path / 'memory.json').read_text())
  assert kept['total_per_device'] == 60
  assert kept['bytes_per_device']['activations'] == 50
  assert kept['limit_per_device'] == 100


def test_too_much_is_a_warning_with_remedies(tmp_path, monkeypatch, caplog):
  with caplog.at_level(logging.WARNING, 'aurl_jax'):
    _watch(monkeypatch, _run(), tmp_path, [_report(80)])
    assert not caplog.records
    _watch(monkeypatch, _run(), tmp_path, [_report(95)])
  (record,) = caplog.records
  said = record.getMessage()
  for part in (
    'needs 105 B on each device, which has 100 B',
    'train.accumulate=2',
    'model.remat=full',
    'model.dtype=bfloat16',
    'mesh.fsdp=2',
    'model.context=64',
  ):
    assert part in said, part


def test_remedies_that_are_taken_are_not_named():
  run = _run(
    'train.batch_size=4',
    'train.accumulate=4',
    'model.remat=full',
    'model.dtype=bfloat16',
    'mesh.fsdp=2',
  )
  said = memory.warning(_report(95), run)
  for word in ('accumulate=', 'remat', 'bfloat16', 'fsdp'):
    assert word not in said, word
