"""`tools/reproduce.py`: figures that stay as published, others that do not."""

import json

import pytest


@pytest.fixture(scope='module')
def tool(load_tool, tool_folder):
  return load_tool('reproduce')


@pytest.fixture
def told(tool, tmp_path, monkeypatch):
  monkeypatch.setattr(tool, 'PUBLISHED', tmp_path / 'published.json')
  values = {'a': 1.0, 'b': 7.3}
  monkeypatch.setattr(
    tool, 'MODELS', {'pop': lambda: iter(sorted(values.items()))}
  )
  return values


def lines(capsys):
  return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_what_was_written_agrees_and_what_moved_does_not(tool, told, capsys):
  assert tool.main(['pop']) == 1
  assert not any(line['agrees'] for line in lines(capsys))
  assert tool.main(['pop', '--write']) == 0
  assert tool.main(['pop']) == 0
  capsys.readouterr()
  told['b'] *= 1.01
  assert tool.main(['pop']) == 1
  assert [line['agrees'] for line in lines(capsys)] == [True, False]
  assert tool.main(['pop', '--write']) == 0
  assert tool.main(['pop']) == 0


def test_published_figures_are_of_models_that_ship(tool):
  from aurl_jax.deploy import bundle

  published = json.loads(tool.PUBLISHED.read_text())
  names = {figure.partition(':')[0] for figure in published}
  assert names <= {*bundle.shipped()}
  assert names <= {*tool.MODELS}
