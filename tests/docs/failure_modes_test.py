"""The page of failures: what it quotes is said, and what it names is tested."""

import ast
import functools
import re

import pytest

from tests.docs import pages

PAGE = pages.ROOT / 'docs' / 'failure_modes.md'
_PARTS = ('Symptom', 'Cause', 'Remedy', 'Test')


def entries(text):
  """Title -> part -> text of each `###` of the page."""
  found = {}
  for piece in re.split(r'^### ', text, flags=re.MULTILINE)[1:]:
    title, _, body = piece.partition('\n')
    body = re.split(r'^## ', body, flags=re.MULTILINE)[0]
    parts = re.findall(
      r'^- \*\*(\w+)\*\* (.*?)(?=^- \*\*|\Z)', body, re.MULTILINE | re.DOTALL
    )
    found[title] = {name: ' '.join(told.split()) for name, told in parts}
  return found


def quotes(told):
  """What of a text is a message: in backquotes, of several words."""
  # Messages may hold backquotes themselves, always around a command of ours.
  marked = re.sub(r'`(aurl [^`]*)`(?=[ ,;])', r'⟨\1⟩', told)
  whole = re.findall(r'`([^`]+)`', marked)
  return [
    one.replace('⟨', '`').replace('⟩', '`')
    for one in whole
    if len(re.findall(r'[a-z]{2,}', one)) > 3 and not one.startswith('⟨')
  ]


def said_by(node):
  """The text of an expression, `…` for what is put in or is none."""
  if isinstance(node, ast.Constant) and isinstance(node.value, str):
    return node.value
  if isinstance(node, ast.JoinedStr):
    return ''.join(map(said_by, node.values))
  if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
    return said_by(node.left) + said_by(node.right)
  return '…'


@functools.cache
def said():
  """All texts of the package and of what installs it, `…` for values."""
  texts = set()
  for path in (pages.ROOT / 'aurl_jax').rglob('*.py'):
    for node in ast.walk(ast.parse(path.read_text())):
      text = said_by(node)
      if text.strip('…'):
        texts.add(' '.join(re.sub(r'%(\.\d+)?[sdgrf]', '…', text).split()))
  for path in (pages.ROOT / 'aurl_jax/serving/studio').glob('*.js'):
    if path.name != 'spessasynth.js':
      texts.update(re.findall(r"'([^'\n]+)'", path.read_text()))
  script = (pages.ROOT / 'tools/env/make_venv').read_text()
  texts.add(re.sub(r"' *\\\n *'", ' ', script))
  return texts


def faults_of(entry):
  """What is wrong with an entry."""
  found = [f'no {part}' for part in _PARTS if not entry.get(part)]
  if found:
    return found
  for part in _PARTS[:3]:
    for quote in quotes(entry[part]):
      if re.match(r'(aurl |make |python |pip |tools/|--)', quote):
        continue  # A command, which commands_test looks at.
      if not any(quote in text for text in said()):
        found.append(f'nothing says: {quote}')
  named = re.findall(r'`(tests/[\w/]+\.py)::(\w+)`', entry['Test'])
  found += [] if named else ['no test']
  for path, name in named:
    if name not in functions_of(path):
      found.append(f'{path} has no {name}')
  return found


@functools.cache
def functions_of(path):
  whole = pages.ROOT / path
  if not whole.exists():
    return set()
  tree = ast.parse(whole.read_text())
  kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
  return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


ENTRIES = entries(PAGE.read_text())


@pytest.mark.parametrize('title', ENTRIES)
def test_it_quotes_what_is_said_and_names_what_is_tested(title):
  assert faults_of(ENTRIES[title]) == []


def test_there_are_many_and_most_quote_a_message():
  assert len(ENTRIES) >= 40
  quoting = [e for e in ENTRIES.values() if quotes(e['Symptom'])]
  assert len(quoting) >= 36


@pytest.mark.parametrize(
  ('change', 'told'),
  [
    (('is in use by', 'is used by'), 'nothing says'),
    (('test_a_second_trainer_is_refused', 'test_nothing'), 'has no'),
    (('tests/experiment/keeping_test', 'tests/gone_test'), 'has no'),
    (('**Cause**', '**Why**'), 'no Cause'),
  ],
)
def test_what_is_not_so_is_noticed(change, told):
  text = PAGE.read_text().replace(*change)
  faults = faults_of(entries(text)['A second trainer'])
  assert told in ''.join(faults)
