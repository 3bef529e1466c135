"""`tools/ablation.py`: its plan and table, and two variants of a tiny page."""

import argparse
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from aurl_jax.music import midi
from aurl_jax.music.notes import Notes


@pytest.fixture(scope='module')
def tool(repository):
  path = repository / 'tools' / 'ablation.py'
  spec = importlib.util.spec_from_file_location('ablation', path)
  module = importlib.util.module_from_spec(spec)
  sys.modules['ablation'] = module
  spec.loader.exec_module(module)
  return module


def test_every_variant_gets_every_seed_and_what_all_have(tool):
  args = argparse.Namespace(
    page='tiny',
    out=pathlib.Path('out'),
    vary=['a:', 'b c:model.layers=3,model.width=8'],
    set=['train.batch_size=2'],
    seeds=[4, 5],
  )
  found = [(t.name, t.seed, t.folder.name) for t in tool.trials(args)]
  assert found == [
    ('a', 4, 'a-4'),
    ('b c', 4, 'b_c-4'),
    ('a', 5, 'a-5'),
    ('b c', 5, 'b_c-5'),
  ]
  config = list(tool.trials(args))[3].config(40)
  assert (config['seed'], config['train']['steps']) == (5, 40)
  assert (config['model']['layers'], config['model']['width']) == (3, 8)
  assert config['train']['batch_size'] == 2
  assert config['optimizer']['warmup_steps'] == 4


def test_the_table_has_means_and_spreads_of_seeds(tool):
  like = {'steps': 9, 'parameters': 1234, 'cpu_seconds_a_step': 2.0}
  rows = [
    like | {'variant': name, 'seed': seed, 'valid/loss': loss}
    for name, seed, loss in (('a', 0, 0.5), ('b', 0, 0.7), ('a', 1, 0.7))
  ]
  assert tool.table(rows).splitlines() == [
    '| variant | seeds | steps | parameters | CPU s a step | valid/loss |',
    '|---|---|---|---|---|---|',
    '| a | 2 | 9 | 1,234 | 2.000 | 0.6000 ± 0.1414 |',
    '| b | 1 | 9 | 1,234 | 2.000 | 0.7000 |',
  ]


@pytest.mark.slow
def test_variants_are_run_once_and_a_dearer_one_has_fewer_steps(
  repository, tmp_path
):
  songs = tmp_path / 'songs'
  songs.mkdir()
  for number in range(12):
    onset = np.arange(40) * 480
    pitch = 50 + (np.arange(40) * (number + 1)) % 23
    columns = {'onset': onset, 'duration': 480, 'pitch': pitch}
    midi.write(Notes.build(480, columns), songs / f'{number}.mid')
  words = [sys.executable, str(repository / 'tools' / 'ablation.py')]
  words += ['tiny:test', '--minutes', '0.02', '--out', str(tmp_path / 'out')]
  words += ['--set', f'data.source={songs}', '--vary', 'small:']
  words += ['--vary', 'deep:model.layers=12,model.width=64']

  def run():
    return subprocess.run(
      words,
      capture_output=True,
      text=True,
      check=True,
      cwd=repository,
      env=os.environ | {'AURL_CACHE': str(tmp_path / 'cache')},
    ).stdout

  said = run()
  small, deep = (json.loads(line) for line in said.splitlines()[:2])
  assert small['steps'] > deep['steps'] >= 1
  assert small['parameters'] < deep['parameters']
  assert 0 < small['valid/loss'] < 10
  times = [p.stat().st_mtime_ns for p in sorted(tmp_path.glob('out/*/run'))]
  assert run() == said
  again = [p.stat().st_mtime_ns for p in sorted(tmp_path.glob('out/*/run'))]
  assert again == times
