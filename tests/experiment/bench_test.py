"""Figures of a model, and how they compare with those kept before."""

import json
import subprocess
import sys

import pytest

from aurl_jax.cli import __main__ as cli
from aurl_jax.deploy.composer import Composer
from aurl_jax.experiment import bench, generate
from aurl_jax.tokens.compound import Compound
from tests.generation import writers

SMALL = {'bars': 1, 'batches': (2,), 'rounds': 2}


@pytest.fixture
def model(monkeypatch):
  tokenizer = Compound(voices=2, cells_per_beat=4, velocity_bins=4)
  made, params = writers.small(tokenizer)
  composer = Composer(model=made, params=params, tokenizer=tokenizer)
  monkeypatch.setattr(generate, 'load', lambda name: composer)
  return composer


@pytest.fixture
def speeds(monkeypatch):
  """Lets figures be told; the first of each call is taken."""
  told = []
  monkeypatch.setattr(bench, 'measure', lambda *a: told.pop(0))
  return told


def test_figures_are_those_of_the_work(model, tmp_path):
  path = tmp_path / 'history.jsonl'
  result = bench.run('small', history=path, **SMALL)
  figures = result['figures']
  count = sum(leaf.size for leaf in _leaves(model.params))
  assert figures['parameters'] == count
  assert figures['weights_bytes'] == 4 * count
  assert 0 < figures['batch2/p50_ms'] <= figures['batch2/p90_ms']
  assert figures['batch2/p90_ms'] <= figures['batch2/p99_ms']
  # The median of two rounds, and two pieces in each.
  seconds = 2 / figures['batch2/pieces_per_second']
  assert seconds <= figures['batch2/p99_ms'] / 1000 * 1.01
  assert figures['peak_mb'] > 50
  assert result['compared'] == 0
  assert result['ratios'] == {}
  (line,) = path.read_text().splitlines()
  assert json.loads(line)['figures'] == figures


def _leaves(tree):
  if isinstance(tree, dict):
    return [leaf for part in tree.values() for leaf in _leaves(part)]
  return [tree]


def test_later_runs_are_held_against_the_median_of_earlier_ones(
  speeds, tmp_path
):
  path = tmp_path / 'history.jsonl'
  speeds += [
    {'load_s': seconds, 'batch1/pieces_per_second': 10.0}
    for seconds in (1.0, 9.0, 2.0)
  ]
  for _ in range(3):
    bench.run('m', history=path)
  speeds.append({'load_s': 4.0, 'batch1/pieces_per_second': 12.5, 'new': 1})
  result = bench.run('m', history=path)
  assert result['compared'] == 3
  assert result['ratios'] == {'load_s': 0.5, 'batch1/pieces_per_second': 1.25}
  assert result['slower'] == ['load_s']


def test_only_runs_that_are_alike_are_compared(speeds, tmp_path, monkeypatch):
  path = tmp_path / 'history.jsonl'
  speeds += [{'load_s': 1.0}] * 4
  bench.run('m', history=path)
  assert bench.run('other', history=path)['compared'] == 0
  assert bench.run('m', bars=4, history=path)['compared'] == 0
  monkeypatch.setattr(bench, 'machine', lambda: 'another')
  assert bench.run('m', history=path)['compared'] == 0
  assert len(path.read_text().splitlines()) == 4


def test_no_more_than_the_last_runs_count(speeds, tmp_path):
  path = tmp_path / 'history.jsonl'
  speeds += [{'load_s': x} for x in (100.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)]
  found = [bench.run('m', history=path) for _ in range(7)]
  assert found[-1]['compared'] == bench.BEFORE
  assert found[-1]['ratios'] == {'load_s': 1.0}


def test_without_a_history_nothing_is_kept(speeds, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  speeds.append({'load_s': 1.0})
  bench.run('m', history='')
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('line', ['{', '[]', '{"figures": 3}', '{"a": 1}'])
def test_a_damaged_history_is_named_and_kept(line, speeds, tmp_path):
  path = tmp_path / 'history.jsonl'
  path.write_text('{"figures": {}}\n' + line + '\n')
  before = path.read_text()
  with pytest.raises(bench.BenchError, match='line 2') as caught:
    bench.run('m', history=path)
  assert caught.value.code == 'history'
  assert path.read_text() == before


@pytest.mark.parametrize(
  'wrong',
  [{'rounds': 0}, {'batches': ()}, {'batches': (0,)}, {'tolerance': 2.0}],
)
def test_what_is_no_bench_is_refused(wrong, tmp_path):
  with pytest.raises(bench.BenchError, match='must be 1 or more'):
    bench.run('m', history=tmp_path / 'h', **wrong)


def test_the_verb_fails_where_it_is_slower(speeds, tmp_path, capsys):
  path = tmp_path / 'history.jsonl'
  speeds += [{'load_s': 1.0}, {'load_s': 2.0}, {'load_s': 2.0}]
  words = ['bench', 'm', '--history', str(path)]
  assert cli.main(words) == 0
  assert cli.main(words) == 0
  assert 'load_s' in capsys.readouterr().out
  assert cli.main([*words, '--json', '--fail-below', '0.9']) == 2
  told = json.loads(capsys.readouterr().out)
  assert told['slower'] == ['load_s']


def test_the_machine_is_told():
  told = bench.machine()
  assert 'cores' in told
  code = 'from aurl_jax.experiment import bench; print(bench.machine())'
  again = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  assert again.stdout.strip().splitlines()[-1] == told
