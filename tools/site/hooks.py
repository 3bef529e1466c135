"""Pages of the site that are made as it is built; mkdocs.yml names this file.

README, CONTRIBUTING, AGENTS and the changelog stand where their readers look
for them; the API is what tools/api_reference.py makes of the docstrings, a page
a room. Each has one source, and none is written to `docs/`.
"""

import importlib
import pathlib
import posixpath
import re
import sys
from collections.abc import Iterator
from typing import Any

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tools'))

api_reference = importlib.import_module('api_reference')

PAGES = {
  'README.md': 'index.md',
  'CONTRIBUTING.md': 'contributing.md',
  'AGENTS.md': 'agents.md',
  'CHANGELOG.md': 'changelog.md',
}
"""File of the repository -> page of the site."""
_LINK = re.compile(r'(!?\[[^\]]*\]\(\s*)([^)\s#]+)(#[^)\s]*)?(\))')


def on_config(config: Any) -> Any:
  """Puts the rooms of the API and the decisions into the navigation."""
  for section in config.nav:
    for pages in section.values():
      if isinstance(pages, list):
        pages[:] = [_entry(page) for page in pages]
  return config


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
  if 'API' in entry:
    rooms = [{room: f'api/{room}.md'} for room in _rooms(ROOT / 'aurl_jax')]
    return {'API': ['api_reference.md', *rooms]}
  if 'Decisions' in entry:
    found = sorted((ROOT / 'docs' / 'decisions').glob('0*.md'))
    pages = [f'decisions/{path.name}' for path in found]
    return {'Decisions': ['decisions/index.md', *pages]}
  return entry


def _rooms(package: pathlib.Path) -> list[str]:
  names = [name.split('.') for name, _ in api_reference.modules(package)]
  return sorted({words[1] for words in names if len(words) > 1})


def on_files(files: Any, config: Any) -> Any:
  """Adds the pages that are made here to those of `docs/`."""
  for source, page in PAGES.items():
    text = (ROOT / source).read_text()
    files.append(_generated(config, page, moved(text, '', page)))
  for page, text in api(ROOT / 'aurl_jax'):
    if old := files.get_file_from_path(page):
      files.remove(old)
    files.append(_generated(config, page, text))
  files.append(
    _generated(config, 'decisions/index.md', decisions(ROOT / 'docs'))
  )
  return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
  """Turns links of `docs/` to files outside of it into links of the site."""
  if page.file.generated_by:
    return markdown
  return moved(markdown, 'docs', page.file.src_uri)


def moved(text: str, home: str, page: str) -> str:
  """Returns a page with the links that hold where it stands in the site.

  Args:
    text: Markdown.
    home: The folder, from the root, that `page`'s links are told from.
    page: Where the text stands in the site.
  """
  folder = posixpath.dirname(page)
  base = posixpath.normpath(posixpath.join(home, folder))

  def link(found: re.Match[str]) -> str:
    head, target, anchor, tail = found.groups()
    if re.match(r'[a-z]+:', target):
      return found.group()
    whole = posixpath.normpath(posixpath.join(base, target))
    place = whole.removeprefix('docs/') if whole != 'docs' else ''
    place = PAGES.get(whole, place)
    if place == 'decisions':
      place = 'decisions/index.md'
    if place == whole:
      # Neither a page nor beside one: named, not linked.
      return f'{head.strip("!")[1:].partition("]")[0]}'
    return (
      f'{head}{posixpath.relpath(place, folder or ".")}{anchor or ""}{tail}'
    )

  return _LINK.sub(link, text)


def api(package: pathlib.Path) -> Iterator[tuple[str, str]]:
  """Gives name and text of the pages of the API: an index, then the rooms."""
  rooms: dict[str, list[str]] = {}
  tables: dict[str, list[str]] = {}
  for name, path in api_reference.modules(package):
    # The root of the package is told of on the first page.
    room = '.'.join(name.split('.')[1:2]) or package.name
    text = headed(name, api_reference.module(name, path))
    rooms.setdefault(room, []).append(text)
    told = text.split('\n\n')[1].strip().replace('\n', ' ')
    tables.setdefault(room, []).append(f'- [{name}](#{name}): {told}')
  lines = [
    '# API',
    '',
    'Built from the docstrings, whose examples run as tests. A page a room:',
    '',
  ]
  root = rooms.pop(package.name)
  for room, texts in sorted(rooms.items()):
    told = tables[room][0].partition('): ')[2]
    lines.append(f'- [{room}](api/{room}.md): {told}')
    head = f'# {room}\n\n' + '\n'.join(tables[room]) + '\n\n'
    yield f'api/{room}.md', head + '\n'.join(texts)
  yield 'api_reference.md', '\n'.join([*lines, '', *root])


def headed(name: str, text: str) -> str:
  """Returns a module's text with short headings, at anchors of whole names."""
  lines = []
  for line in text.splitlines():
    owner, _, rest = line.partition(' ')
    if owner == '##' and rest == name:
      line = f'## {name} {{#{name}}}'
    elif owner == '###' and rest.startswith(f'{name}.'):
      line = f'### {rest[len(name) + 1 :]} {{#{rest}}}'
    elif owner == '####' and re.fullmatch(r'\w+\.\w+', rest):
      line = f'#### {rest} {{#{name}.{rest}}}'
    lines.append(line)
  return '\n'.join(lines) + '\n'


def decisions(docs: pathlib.Path) -> str:
  """Returns the list of decisions, each by its own title."""
  lines = [
    '# Decisions',
    '',
    'Half a page each: what was decided, and why.',
    '',
  ]
  for path in sorted((docs / 'decisions').glob('0*.md')):
    title = path.read_text().splitlines()[0].lstrip('# ')
    lines.append(f'- [{title}]({path.name})')
  return '\n'.join(lines) + '\n'


def _generated(config: Any, page: str, text: str) -> File:
  return File.generated(config, page, content=text)
