"""Beam, where it is not installed and where something stands in for it."""

import sys
import types

import pytest

from aurl_jax.core import beam
from aurl_jax.core.errors import AurlError


def test_without_beam_the_remedy_is_named(monkeypatch):
  monkeypatch.setitem(sys.modules, 'apache_beam', None)
  with pytest.raises(AurlError, match=r'tools/env/beam\.txt') as told:
    beam.begin()
  assert told.value.code == 'no_beam'


def test_flags_are_given_on(monkeypatch):
  module = types.ModuleType('apache_beam')
  options = types.ModuleType('apache_beam.options.pipeline_options')
  options.PipelineOptions = lambda flags: ('options', flags)
  module.Pipeline = lambda options: ('pipeline', options)
  for name, value in (
    ('apache_beam', module),
    ('apache_beam.options', types.ModuleType('apache_beam.options')),
    ('apache_beam.options.pipeline_options', options),
  ):
    monkeypatch.setitem(sys.modules, name, value)
  found, made = beam.begin(('--runner=DirectRunner',))
  assert found is module
  assert made == ('pipeline', ('options', ['--runner=DirectRunner']))
