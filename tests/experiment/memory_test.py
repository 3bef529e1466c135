import json
import logging

import jax
import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.experiment import memory, pages, sections
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.parallel import memory as memory_lib


def _run(*changes):
  return sections.parse(pages.load('tiny', changes))


def _report(activations, limit=100, platform='cpu'):
  return memory_lib.Report(
    parts={'parameters': 10, 'activations': activations},
    limit=limit,
    devices=2,
    platform=platform,
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


def test_what_cannot_run_on_an_accelerator_is_refused(tmp_path, monkeypatch):
  report = _report(95, platform='gpu')
  with pytest.raises(ConfigError, match='needs 105 B on each device'):
    _watch(monkeypatch, _run(), tmp_path, [report])
  assert (tmp_path / 'memory.json').is_file()


def test_a_state_that_cannot_fit_is_refused_before_anything_compiles():
  leaf = lambda count: jax.ShapeDtypeStruct((count,), np.float32)  # noqa: E731
  state = {'params': {'a': leaf(1000)}, 'opt': {'mu': {'a': leaf(1000)}}}
  # Parameters, moments and gradients: 12 kB.
  memory.check(state, _run(), 2, 12_000)
  memory.check(state, _run(), 2, 0)
  with pytest.raises(ConfigError) as told:
    memory.check(state, _run(), 2, 11_999)
  for part in (
    'each device needs 12.0 kB before any batch',
    'gradients 4.0 kB',
    'has 12.0 kB',
    'mesh.fsdp=2',
    'model.layers=1',
  ):
    assert part in str(told.value), part


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
