"""A validator for one XML schema: enough of XSD 1.0 for MusicXML's.

The content of each type becomes a regular expression over the names of its
children; attributes and texts are held against simple types. The schema is
the one inside music21 (MusicXML 2.0; later versions only add to it).
"""

import functools
import importlib.util
import pathlib
import re
from xml.etree import ElementTree

XS = '{http://www.w3.org/2001/XMLSchema}'
_NUMBERS = {
  'xs:decimal': r'[+-]?(\d+(\.\d*)?|\.\d+)',
  'xs:integer': r'[+-]?\d+',
  'xs:nonNegativeInteger': r'\+?\d+',
  'xs:positiveInteger': r'\+?0*[1-9]\d*',
  'xs:date': r'\d{4}-\d\d-\d\d',
  'xs:ID': r'[A-Za-z_][\w.-]*',
  'xs:IDREF': r'[A-Za-z_][\w.-]*',
  'xs:NMTOKEN': r'[\w.:-]+',
}
_BOUNDS = {
  'minInclusive': float.__ge__,
  'maxInclusive': float.__le__,
  'minExclusive': float.__gt__,
  'maxExclusive': float.__lt__,
}


@functools.cache
def musicxml():
  """The schema of MusicXML."""
  home = pathlib.Path(importlib.util.find_spec('music21').origin).parent
  return Schema((home / 'musicxml' / 'musicxml.xsd').read_bytes())


class Schema:
  """A schema; `faults` holds a document against it."""

  def __init__(self, data):
    self._named = {}
    for node in ElementTree.fromstring(data):
      self._named[_kind(node), node.get('name')] = node
    self._models = {}

  def faults(self, data):
    """Returns what is wrong with a document, empty if it is valid."""
    root = ElementTree.fromstring(data)
    node = self._named.get(('element', root.tag))
    if node is None:
      return [f'no root {root.tag}']
    self._faults, self._ids, self._refs = [], [], []
    self._element(root, node, root.tag)
    twice = {name for name in self._ids if self._ids.count(name) > 1}
    self._faults += [f'id {name} twice' for name in twice]
    self._faults += [
      f'no id {name}' for name in self._refs if name not in self._ids
    ]
    return self._faults

  def _element(self, element, node, where):
    kind = node.get('type')
    inner = next((c for c in node if _kind(c) != 'annotation'), None)
    if kind is None and inner is None:
      return
    if inner is None:
      inner = self._named.get(('complexType', kind))
    if inner is None or _kind(inner) == 'simpleType':
      if len(element) or element.attrib:
        self._faults.append(f'{where}: more than a text')
      if not self._fits(kind if inner is None else inner, element.text or ''):
        self._faults.append(f'{where}: text {element.text!r} is no {kind}')
      return
    pattern, children, attributes, base = self._model(inner)
    names = ''.join(f'<{child.tag}>' for child in element)
    if not pattern.fullmatch(names):
      self._faults.append(f'{where}: content {names}')
    text = (element.text or '').strip() if len(element) else element.text or ''
    if base is not None and not self._fits(base, text):
      self._faults.append(f'{where}: text {text!r} is no {base}')
    if base is None and (
      text.strip() or any((c.tail or '').strip() for c in element)
    ):
      self._faults.append(f'{where}: text {text!r} between elements')
    self._attributes(element, attributes, where)
    for place, child in enumerate(element):
      if child.tag in children:
        self._element(
          child, children[child.tag], f'{where}/{child.tag}[{place}]'
        )

  def _attributes(self, element, attributes, where):
    for name, value in element.attrib.items():
      if name not in attributes:
        self._faults.append(f'{where}: attribute {name}')
      elif not self._fits(attributes[name].get('type'), value):
        self._faults.append(f'{where}: {name}={value!r}')
      elif attributes[name].get('type') == 'xs:ID':
        self._ids.append(value)
      elif attributes[name].get('type') == 'xs:IDREF':
        self._refs.append(value)
    self._faults += [
      f'{where}: no attribute {name}'
      for name, node in attributes.items()
      if node.get('use') == 'required' and name not in element.attrib
    ]

  def _model(self, node):
    """Pattern of the children, their nodes, attributes, type of the text."""
    if id(node) not in self._models:
      children, attributes, bases = {}, {}, []
      pattern = self._pattern(node, children, attributes, bases)
      base = bases[0] if bases else None
      self._models[id(node)] = re.compile(pattern), children, attributes, base
    return self._models[id(node)]

  def _pattern(self, node, children, attributes, bases):
    kind = _kind(node)
    if kind == 'annotation':
      return ''
    if kind in ('attribute', 'attributeGroup'):
      self._collect(node, attributes)
      return ''
    if kind == 'element':
      if node.get('ref'):
        target = self._named['element', node.get('ref')]
      else:
        target = node
      children[target.get('name')] = target
      return _times(f'<{target.get("name")}>', node)
    if kind == 'group' and node.get('ref'):
      node, outer = self._named['group', node.get('ref')], node
    else:
      outer = node
    if kind == 'extension':
      self._extend(node.get('base'), children, attributes, bases)
      parent = self._named.get(('complexType', node.get('base')))
      head = ''
      if parent is not None:
        head = self._pattern(parent, children, attributes, bases)
    else:
      head = ''
    parts = [self._pattern(c, children, attributes, bases) for c in node]
    if kind == 'choice':
      return _times('|'.join(p for p in parts if p), outer)
    return _times(head + ''.join(parts), outer)

  def _extend(self, base, children, attributes, bases):
    if ('complexType', base) not in self._named:
      bases.append(base)

  def _collect(self, node, attributes):
    if _kind(node) == 'attributeGroup':
      group = node
      if node.get('ref'):
        group = self._named['attributeGroup', node.get('ref')]
      for child in group:
        if _kind(child) != 'annotation':
          self._collect(child, attributes)
    elif node.get('name'):
      attributes[node.get('name')] = node

  def _fits(self, kind, value):
    """Whether a text is of a simple type, given by name or by node."""
    if isinstance(kind, str) and kind.startswith('xs:'):
      pattern = _NUMBERS.get(kind)
      return pattern is None or bool(re.fullmatch(pattern, value.strip()))
    node = kind
    if isinstance(kind, str):
      node = self._named['simpleType', kind]
    for child in node:
      if _kind(child) == 'union':
        members = (child.get('memberTypes') or '').split()
        return any(self._fits(m, value) for m in [*members, *child])
      if _kind(child) == 'restriction':
        return self._restricted(child, value)
    raise ValueError(f'unknown type {kind}')

  def _restricted(self, node, value):
    if not self._fits(node.get('base'), value):
      return False
    facets = {}
    for facet in node:
      facets.setdefault(_kind(facet), []).append(facet.get('value'))
    words = facets.get('enumeration')
    if words is not None and value not in words:
      return False
    if any(
      not re.fullmatch(p.replace(r'\c', r'[\w.:-]'), value)
      for p in facets.get('pattern', ())
    ):
      return False
    return all(
      holds(float(value), float(bound))
      for name, holds in _BOUNDS.items()
      for bound in facets.get(name, ())
    )


def _kind(node):
  return node.tag.removeprefix(XS)


def _times(pattern, node):
  least, most = node.get('minOccurs', '1'), node.get('maxOccurs', '1')
  if not pattern or (least, most) == ('1', '1'):
    return f'(?:{pattern})' if pattern else ''
  if most == 'unbounded':
    most = ''
  return f'(?:{pattern}){{{least},{most}}}'
