"""`tools/constraint_trial.py`: its line, and what it says of a failure."""

import json

import pytest

from tests.generation import trial


@pytest.fixture(scope='module')
def tool(load_tool):
  return load_tool('constraint_trial')


ARGUMENTS = ['--models=grid', '--kinds=voices', '--pieces=16', '--rows=16']


def test_it_prints_a_line_a_model(tool, capsys):
  assert tool.main(ARGUMENTS) == 0
  (line,) = capsys.readouterr().out.splitlines()
  found = json.loads(line)
  assert (found['model'], found['failures']) == ('grid', [])
  assert {found[name] for name in ('pieces', 'hard', *trial.VERDICTS)} == {16}
  assert found['refused'] == found['infeasible'] == 16


def test_what_fails_is_told_with_its_seed(tool, capsys, monkeypatch):
  monkeypatch.setattr(trial.recogniser, 'fault', lambda *_: 'out of tune')
  assert tool.main(ARGUMENTS) == 1
  (line,) = capsys.readouterr().out.splitlines()
  found = json.loads(line)
  assert (found['grammatical'], found['kept']) == (0, 16)
  first, *_ = found['failures']
  assert first == {'kind': 'voices', 'seed': 0, 'grammatical': 'out of tune'}
  assert len(found['failures']) == 16
