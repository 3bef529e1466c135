import dataclasses
import importlib.metadata
import sys
import types
from collections.abc import Mapping
from typing import Any, Literal

import hypothesis
import pytest
from hypothesis import strategies as st

from aurl_jax.core import config
from aurl_jax.core.errors import ConfigError

PLAIN = st.recursive(
  st.none()
  | st.booleans()
  | st.integers()
  | st.text()
  | st.floats(allow_nan=False, allow_infinity=False),
  lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
  max_leaves=12,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inner:
  depth: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
  width: int
  rate: float = 0.1
  flag: bool = False
  mode: Literal['pack', 'pad'] = 'pack'
  betas: tuple[float, float] = (0.9, 0.99)
  sizes: tuple[int, ...] = ()
  names: list[str] = dataclasses.field(default_factory=list)
  weights: dict[str, float] = dataclasses.field(default_factory=dict)
  limit: int | None = None
  inner: Inner = Inner()
  maybe: Inner | None = None
  free: Any = None

  def __post_init__(self) -> None:
    if self.width < 0:
      raise ValueError('width must be positive')


def test_a_section_becomes_its_dataclass():
  section = config.from_section(
    Section,
    {
      'width': 8,
      'rate': 1,
      'betas': [0, 0.5],
      'sizes': [1, 2, 3],
      'weights': {'a': 1},
      'limit': 3,
      'inner': {'depth': 2},
      'maybe': {'depth': 3},
      'names': ['a', 'b'],
      'free': {1: 2},
    },
    'model',
  )
  assert section == Section(
    width=8,
    rate=1.0,
    betas=(0.0, 0.5),
    sizes=(1, 2, 3),
    weights={'a': 1.0},
    limit=3,
    inner=Inner(depth=2),
    maybe=Inner(depth=3),
    names=['a', 'b'],
    free={1: 2},
  )
  assert type(section.rate) is float
  assert type(section.weights['a']) is float


@pytest.mark.parametrize(
  ('values', 'message'),
  [
    ({'widht': 8}, r"unknown key model\.widht; did you mean 'width'\?"),
    ({'width': 8, 'zzz': 1}, r'model\.zzz; valid: betas, flag, free'),
    ({'width': '8'}, r"model\.width is '8' \(str\), expected int"),
    ({'width': True}, r'model\.width is True \(bool\), expected int'),
    ({'width': 8.0}, r'model\.width is 8\.0 \(float\), expected int'),
    ({'width': 8, 'flag': 1}, r'model\.flag is 1 \(int\), expected bool'),
    (
      {'width': 8, 'mode': 'pakc'},
      r"model\.mode is 'pakc'; did you mean 'pack'",
    ),
    ({'width': 8, 'betas': [0.1]}, r'model\.betas .*a list of 2 values'),
    ({'width': 8, 'sizes': [1, 'x']}, r"model\.sizes\[1\] is 'x'"),
    ({'width': 8, 'sizes': 'abc'}, r'model\.sizes .*expected a list'),
    ({'width': 8, 'weights': {'a': 'b'}}, r"model\.weights\.a is 'b'"),
    ({'width': 8, 'weights': 3}, r'model\.weights .*expected a mapping'),
    ({'width': 8, 'limit': 'x'}, r'model\.limit .*expected int or None'),
    ({'width': 8, 'inner': {'dpth': 1}}, r'model\.inner\.dpth; did you mean'),
    ({'width': 8, 'maybe': {'dpth': 1}}, r'model\.maybe\.dpth; did you mean'),
    ({'width': 8, 'maybe': 4}, r'model\.maybe is 4 .*expected Inner or None'),
    ({'width': 8, 'inner': 4}, r'model\.inner .*expected a section'),
    ({}, r'model lacks width'),
    ({'width': -1}, r'model: width must be positive'),
  ],
)
def test_a_wrong_value_is_refused_with_its_full_key(values, message):
  with pytest.raises(ConfigError, match=message):
    config.from_section(Section, values, 'model')


def test_a_section_must_be_a_mapping():
  with pytest.raises(ConfigError, match='model is 3'):
    config.from_section(Section, 3, 'model')


def test_resolve_gives_what_the_package_defines():
  assert config.resolve('aurl_jax.core.errors:ConfigError') is ConfigError


@pytest.mark.parametrize(
  ('name', 'code', 'message'),
  [
    ('os:system', 'not_allowed', '--allow=os'),
    ('aurl_jaxed.core:x', 'not_allowed', 'neither part of aurl_jax'),
    ('aurl_jax.core.config:importlib', 'not_allowed', 'not defined in'),
    ('aurl_jax.core.files:Iterator', 'not_allowed', 'not defined in'),
    ('aurl_jax.core.errors:_x', 'bad_name', 'has no _x'),
    ('aurl_jax.core.errors:ConfgError', 'bad_name', "mean 'ConfigError'"),
    ('aurl_jax.core.nowhere:X', 'bad_name', 'no module'),
    ('aurl_jax.core.errors', 'bad_name', "write 'package.module:Name'"),
    ('aurl_jax.core.config:os.system', 'bad_name', 'is no name'),
    (7, 'bad_name', 'must be text'),
  ],
)
def test_resolve_refuses_other_names(name, code, message):
  with pytest.raises(ConfigError, match=message) as caught:
    config.resolve(name)
  assert caught.value.code == code


@pytest.fixture
def user_module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
  module = types.ModuleType('someones.parts')
  module.Section = Section
  monkeypatch.setitem(sys.modules, 'someones', types.ModuleType('someones'))
  monkeypatch.setitem(sys.modules, 'someones.parts', module)
  return module


@pytest.mark.parametrize(
  'allow', ['someones', 'someones.parts', 'someones.parts:Section']
)
def test_an_allowed_module_works_like_ours(user_module, allow):
  with pytest.raises(ConfigError, match=r'--allow=someones\.parts'):
    config.resolve('someones.parts:Section')
  assert config.resolve('someones.parts:Section', (allow,)) is Section


def test_an_installed_plugin_needs_no_permission(user_module, monkeypatch):
  point = importlib.metadata.EntryPoint(
    'theirs', 'someones.parts:Section', config.PLUGINS
  )
  monkeypatch.setattr(
    importlib.metadata,
    'entry_points',
    lambda group: [point] if group == config.PLUGINS else [],
  )
  assert config.resolve('theirs') is Section
  assert config.resolve('someones.parts:Section') is Section


def test_a_missing_dependency_of_a_module_is_not_hidden(tmp_path, monkeypatch):
  (tmp_path / 'needs_more.py').write_text('import no_such_thing_at_all\n')
  monkeypatch.syspath_prepend(tmp_path)
  with pytest.raises(ModuleNotFoundError, match='no_such_thing_at_all'):
    config.resolve('needs_more:Thing', ('needs_more',))


def test_build_spreads_a_section_and_what_the_caller_adds(user_module):
  section = {'name': 'someones.parts:Section', 'width': 4}
  built = config.build(section, 'model', ('someones',), limit=2)
  assert built == Section(width=4, limit=2)
  assert section == {'name': 'someones.parts:Section', 'width': 4}


def test_a_config_error_of_the_class_keeps_its_code():
  @dataclasses.dataclass(frozen=True)
  class Refuses:
    def __post_init__(self) -> None:
      raise ConfigError('heads must divide width', code='heads')

  with pytest.raises(ConfigError, match=r'^heads must divide') as caught:
    config.from_section(Refuses, {}, 'model')
  assert caught.value.code == 'heads'


def test_build_refuses_what_is_no_section():
  with pytest.raises(ConfigError, match='tokenizer needs a name'):
    config.build({'width': 1}, 'tokenizer')
  with pytest.raises(ConfigError, match='is no dataclass'):
    config.build({'name': 'aurl_jax.core.config:resolve'}, 'tokenizer')


@hypothesis.given(st.dictionaries(st.text(), PLAIN))
def test_json_gives_back_every_plain_config(mapping: Mapping[str, Any]):
  assert config.from_json(config.to_json(mapping)) == mapping


def test_json_holds_dataclasses_tuples_and_paths(tmp_path):
  text = config.to_json({'a': Section(width=1), 'path': tmp_path})
  assert config.from_json(text)['a']['betas'] == [0.9, 0.99]
  assert config.from_json(text)['path'] == str(tmp_path)


@pytest.mark.parametrize('value', [float('nan'), float('-inf'), {1}, print])
def test_json_names_the_key_that_it_cannot_hold(value):
  with pytest.raises(ConfigError, match=r'config\.a\.b\[1\] is'):
    config.to_json({'a': {'b': [0, value]}})


@pytest.mark.parametrize('text', ['{', '[1]', b'\xff\xfe'])
def test_damaged_json_is_named_so(text):
  with pytest.raises(ConfigError) as caught:
    config.from_json(text)
  assert caught.value.code == 'damaged'


def test_flatten_keeps_lists_and_empty_sections():
  nested = {'a': {'b': {'c': 1}, 'd': [1]}, 'e': {}, 'f': 2}
  expected = {'a.b.c': 1, 'a.d': [1], 'e': {}, 'f': 2}
  assert config.flatten(nested) == expected


def test_differences_are_those_of_identity_only():
  saved = {'model': {'width': 8, 'shape': (1, 2)}, 'mesh': {'data': 1}}
  current = {
    'model': {'width': 9, 'shape': [1, 2], 'heads': 2},
    'mesh': {'data': 8},
    'models': 1,
  }
  assert config.differences(saved, current) == [
    ('model.width', 8, 9),
    ('model.heads', config.ABSENT, 2),
  ]
  assert config.differences(saved, current, identity=('mesh.data',)) == [
    ('mesh.data', 1, 8)
  ]
  assert len(config.differences(saved, current, identity=None)) == 4
  assert repr(config.ABSENT) == 'absent'
