"""What the Python that the documentation shows asks of the package is there.

Each block is read, not run: its imports, the attributes of what it names, and
the keywords and count of arguments of each call are held against the package,
as far as annotations tell what a value is. `first_sound_test` runs some.
"""

import ast
import dataclasses
import importlib
import inspect
import types
import typing

import pytest

import aurl_jax
from aurl_jax.deploy.composer import Composer
from aurl_jax.generation.piece import Piece
from tests.docs import pages

BLOCKS = [
  pytest.param(block, id=f'{page.name}:{block.line}')
  for path in pages.sources()
  for page in [pages.read(path)]
  for block in page.blocks
  if pages.is_python(block)
]
UNKNOWN = object()
_GIVEN = {'aurl_jax': aurl_jax, 'Request': aurl_jax.Request}
_OF = {'model': Composer, 'composer': Composer, 'piece': Piece}
"""What names are of where a block goes on from another one."""


class Reader:
  """Holds a block against the package; collects what it lacks."""

  def __init__(self):
    self.values = dict(_GIVEN)
    self.kinds = dict(_OF)
    self.faults = []

  def read(self, tree):
    for node in tree.body:
      if isinstance(node, ast.ImportFrom | ast.Import):
        self.take_in(node)
        continue
      for call in ast.walk(node):
        if isinstance(call, ast.Call | ast.Attribute):
          self.look(call)
      if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        name = node.targets[0].id
        self.kinds[name] = self.kind(node.value)
        self.values.pop(name, None)

  def take_in(self, node):
    if isinstance(node, ast.Import):
      for alias in node.names:
        importlib.import_module(alias.name)
      return
    module = importlib.import_module(node.module)
    for alias in node.names:
      try:
        value = getattr(module, alias.name)
      except AttributeError:
        value = importlib.import_module(f'{node.module}.{alias.name}')
      self.values[alias.asname or alias.name] = value

  def value(self, node):
    """What an expression is, where it names something of the package."""
    if isinstance(node, ast.Name):
      return self.values.get(node.id, UNKNOWN)
    if isinstance(node, ast.Attribute):
      owner = self.value(node.value)
      if owner is not UNKNOWN:
        return getattr(owner, node.attr, UNKNOWN)
      kind = self.kind(node.value)
      if kind is UNKNOWN or node.attr in getattr(
        kind, '__dataclass_fields__', {}
      ):
        return UNKNOWN
      return getattr(kind, node.attr, UNKNOWN)
    return UNKNOWN

  def kind(self, node):
    """The class of an expression's value, as far as annotations tell it."""
    if isinstance(node, ast.Name):
      return self.kinds.get(node.id, UNKNOWN)
    if isinstance(node, ast.Call):
      called = self.value(node.func)
      if inspect.isclass(called):
        return called
      if callable(called):
        hint = typing.get_type_hints(called).get('return')
        return hint if inspect.isclass(hint) else UNKNOWN
    return UNKNOWN

  def look(self, node):
    if isinstance(node, ast.Attribute):
      self.look_at_attribute(node)
    elif (called := self.value(node.func)) is not UNKNOWN:
      bound = isinstance(called, types.FunctionType) and isinstance(
        node.func, ast.Attribute
      )
      bound = bound and inspect.isclass(self.kind(node.func.value))
      self.look_at_call(node, called, bound)

  def look_at_attribute(self, node):
    owner, kind = self.value(node.value), self.kind(node.value)
    if owner is not UNKNOWN and self.value(node) is UNKNOWN:
      self.faults.append(f'{ast.unparse(node)} is not there')
    elif inspect.isclass(kind) and kind is not dict:
      fields = {*dir(kind), *inspect.get_annotations(kind)}
      if dataclasses.is_dataclass(kind):
        fields |= {field.name for field in dataclasses.fields(kind)}
      if node.attr not in fields:
        self.faults.append(f'{kind.__name__} has no {node.attr}')

  def look_at_call(self, node, called, bound):
    keywords = {k.arg: k.value for k in node.keywords if k.arg}
    values = [*([None] * bound), *node.args]
    try:
      inspect.signature(called).bind(*values, **keywords)
      if called is Composer.request:
        inspect.signature(aurl_jax.Request).bind(**keywords)
    except TypeError as error:
      self.faults.append(f'{ast.unparse(node)}: {error}')


@pytest.mark.parametrize('block', BLOCKS)
def test_what_a_block_asks_for_is_there(block):
  reader = Reader()
  reader.read(ast.parse(block.text))
  assert reader.faults == []


def test_blocks_are_found():
  assert len(BLOCKS) > 10


@pytest.mark.parametrize(
  ('text', 'told'),
  [
    ('aurl_jax.lode("x")', 'aurl_jax.lode is not there'),
    ('aurl_jax.Request(barz=3)', 'barz'),
    ('model.request(barz=3)', 'barz'),
    ('model.generat(3)', 'Composer has no generat'),
    ('model.generate()', 'request'),
    ('p = aurl_jax.load("x")\np.nothing', 'Composer has no nothing'),
    ('piece.nothing', 'Piece has no nothing'),
  ],
)
def test_what_is_not_there_is_noticed(text, told):
  reader = Reader()
  reader.read(ast.parse(text))
  assert told in ''.join(reader.faults)


def test_a_name_that_cannot_be_imported_is_an_error():
  with pytest.raises(ImportError):
    Reader().read(ast.parse('from aurl_jax.music import nothing'))
