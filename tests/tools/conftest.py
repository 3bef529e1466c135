"""What tests of `tools/` share."""

import importlib.util

import pytest


@pytest.fixture(scope='session')
def load_tool(repository):
  """Returns what loads a script of `tools/` by its name, as a module."""

  def load(name):
    path = repository / 'tools' / f'{name}.py'
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

  return load
