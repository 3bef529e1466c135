"""Builds docs/api_reference.md from the docstrings, without importing.

python tools/api_reference.py            writes the page
python tools/api_reference.py --check    fails if the page is not current
"""

import argparse
import ast
import pathlib
import sys
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / 'docs' / 'api_reference.md'
_HEAD = (
  '# API reference\n\n'
  'Built from the docstrings by `tools/api_reference.py`; do not edit.\n'
)
_SECTIONS = (
  'Args:',
  'Attributes:',
  'Example:',
  'Examples:',
  'Raises:',
  'Returns:',
  'Yields:',
)
Definition = ast.FunctionDef | ast.ClassDef


def main() -> int:
  """Writes or checks the page; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--check', action='store_true')
  check = parser.parse_args().check
  page = build(ROOT / 'aurl_jax')
  if not check:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page)
  elif not PAGE.exists() or PAGE.read_text() != page:
    print(
      'docs/api_reference.md is not current; run tools/api_reference.py',
      file=sys.stderr,
    )
    return 1
  return 0


def build(package: pathlib.Path) -> str:
  """Returns the page for all public modules of a package."""
  texts = [module(name, path) for name, path in modules(package)]
  return '\n'.join([_HEAD, *texts])


def modules(package: pathlib.Path) -> Iterator[tuple[str, pathlib.Path]]:
  """Gives name and file of each public module of a package, by their files."""
  for path in sorted(package.rglob('*.py')):
    words = path.relative_to(package.parent).with_suffix('').parts
    if words[-1] == '__init__':
      words = words[:-1]
    if not any(word.startswith('_') for word in words):
      yield '.'.join(words), path


def module(name: str, path: pathlib.Path) -> str:
  """Returns what the page says of one module."""
  tree = ast.parse(path.read_text(), filename=str(path))
  parts = [f'## {name}\n', _text(ast.get_docstring(tree))]
  for node in _public(tree):
    parts += [f'### {name}.{node.name}\n', _definition(node)]
    if isinstance(node, ast.ClassDef):
      for method in _public(node):
        parts += [f'#### {node.name}.{method.name}\n', _definition(method)]
  return '\n'.join(part for part in parts if part)


def _public(node: ast.Module | ast.ClassDef) -> Iterator[Definition]:
  for child in node.body:
    if isinstance(child, Definition) and not child.name.startswith('_'):
      yield child


def _definition(node: Definition) -> str:
  return '\n'.join(
    [f'```python\n{_signature(node)}\n```\n', _text(ast.get_docstring(node))]
  )


def _signature(node: Definition) -> str:
  """Returns the heading of a definition as source code."""
  decorators = [f'@{ast.unparse(d)}' for d in node.decorator_list]
  if isinstance(node, ast.ClassDef):
    bases = ', '.join(ast.unparse(base) for base in node.bases)
    fields = [
      f'  {ast.unparse(child)}'
      for child in node.body
      if isinstance(child, ast.AnnAssign)
      and not ast.unparse(child.target).startswith('_')
    ]
    head = f'class {node.name}({bases}):' if bases else f'class {node.name}:'
    return '\n'.join([*decorators, head, *fields])
  returns = f' -> {ast.unparse(node.returns)}' if node.returns else ''
  whole = f'def {node.name}({ast.unparse(node.args)}){returns}'
  if len(whole) > 80:
    whole = f'def {node.name}(\n{_arguments(node.args)}){returns}'
  return '\n'.join([*decorators, whole])


def _arguments(arguments: ast.arguments) -> str:
  """Returns the arguments of a function, one a line."""
  positional = [*arguments.posonlyargs, *arguments.args]
  gap = len(positional) - len(arguments.defaults)
  defaults = [None] * gap + list(arguments.defaults)
  lines = [_one(a, d) for a, d in zip(positional, defaults, strict=True)]
  if arguments.vararg:
    lines.append(f'*{ast.unparse(arguments.vararg)}')
  elif arguments.kwonlyargs:
    lines.append('*')
  keyword = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
  lines += [_one(a, d) for a, d in keyword]
  if arguments.kwarg:
    lines.append(f'**{ast.unparse(arguments.kwarg)}')
  return ''.join(f'  {line},\n' for line in lines)


def _one(argument: ast.arg, default: ast.expr | None) -> str:
  text = ast.unparse(argument)
  return text if default is None else f'{text} = {ast.unparse(default)}'


def _text(docstring: str | None) -> str:
  """Returns a docstring as Markdown: prose, and what is indented verbatim."""
  lines: list[str] = []
  fenced = False
  for line in (docstring or '').splitlines():
    verbatim = line in _SECTIONS or line.startswith('  ')
    if line and verbatim != fenced:
      lines += _fence(lines, verbatim)
      fenced = verbatim
    lines.append(line)
  if fenced:
    lines.append('```')
  return '\n'.join(lines) + '\n' if lines else ''


def _fence(lines: list[str], opens: bool) -> list[str]:
  """Returns the lines that open or close a block, for Markdown's rules."""
  if opens:
    return ['```text'] if not lines or not lines[-1] else ['', '```text']
  while lines and not lines[-1]:
    lines.pop()
  return ['```', '']


if __name__ == '__main__':
  sys.exit(main())
