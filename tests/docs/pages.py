"""What the pages of the documentation say: their links, anchors and commands.

A plain reader of the Markdown that our pages use, which shares nothing with
what builds the site.
"""

import ast
import dataclasses
import pathlib
import re
import shlex

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = 'docs/api_reference.md'
"""Made of docstrings, whose examples are tests of their own."""


def sources() -> list[pathlib.Path]:
  """The pages that people wrote."""
  found = [ROOT / f'{n}.md' for n in ('README', 'AGENTS', 'CONTRIBUTING')]
  found += sorted((ROOT / 'docs').rglob('*.md'))
  found += sorted((ROOT / 'examples').rglob('*.md'))
  return [path for path in found if name_of(path) != BUILT]


def name_of(path: pathlib.Path) -> str:
  return path.relative_to(ROOT).as_posix()


@dataclasses.dataclass
class Block:
  """Lines that are shown as they are, and what they are said to be."""

  line: int
  kind: str
  lines: list[str]

  @property
  def text(self) -> str:
    return '\n'.join(self.lines) + '\n'


@dataclasses.dataclass
class Page:
  """A page, taken apart."""

  path: pathlib.Path
  prose: list[tuple[int, str]]
  blocks: list[Block]

  @property
  def name(self) -> str:
    return name_of(self.path)

  def anchors(self) -> set[str]:
    """The anchors of its headings, as GitHub makes them."""
    seen: dict[str, int] = {}
    found = set()
    for _, line in self.prose:
      if heading := re.match(r'#{1,6} (.*)', line):
        slug = re.sub(r'[^\w\- ]', '', heading[1].lower()).replace(' ', '-')
        count = seen[slug] = seen.get(slug, -1) + 1
        found.add(f'{slug}-{count}' if count else slug)
    return found

  def links(self) -> list[tuple[int, str]]:
    """Line and target of each link and picture."""
    text = '\n'.join(re.sub(r'`[^`]*`', '`', line) for _, line in self.prose)
    lines = [number for number, _ in self.prose]
    return [
      (lines[text.count('\n', 0, found.start(1))], found[1])
      for found in re.finditer(r'\]\(\s*([^)\s]+)\s*\)', text)
    ]

  def inline(self) -> list[tuple[int, str]]:
    """Line and text of what stands between single backquotes."""
    text = '\n'.join(line for _, line in self.prose)
    lines = [number for number, _ in self.prose]
    return [
      (lines[text.count('\n', 0, f.start())], ' '.join(f[1].split()))
      for f in re.finditer(r'(?<!`)`([^`]+)`(?!`)', text)
    ]


def read(path: pathlib.Path) -> Page:
  """Takes a page apart; `---` heads, fences, and what is indented by four."""
  prose, blocks = [], []
  lines = path.read_text().splitlines()
  number, before, in_list = 0, '', False
  if lines[:1] == ['---']:
    number = lines.index('---', 1) + 1
  while number < len(lines):
    line = lines[number]
    if fence := re.match(r'( *)(```+)(\w*)', line):
      end = number + 1
      while not lines[end].startswith(fence[1] + fence[2]):
        end += 1
      inside = [x.removeprefix(fence[1]) for x in lines[number + 1 : end]]
      blocks.append(Block(number + 2, fence[3], inside))
      number = end + 1
      before = ''
      continue
    if line.startswith('    ') and not before and not in_list:
      end = number
      while end < len(lines) and (
        lines[end].startswith('    ') or not lines[end]
      ):
        end += 1
      inside = [x.removeprefix('    ') for x in lines[number:end]]
      blocks += apart(Block(number + 1, '', inside))
      number, before = end, ''
      continue
    if re.match(r'([-*]|\d+\.) ', line):
      in_list = True
    elif line and not line.startswith(' '):
      in_list = False
    prose.append((number + 1, line))
    before = line
    number += 1
  return Page(path, prose, blocks)


def apart(block: Block) -> list[Block]:
  """An indented block, or its paragraphs where they are not all Python."""
  if is_python(block):
    return [block]
  found, start = [], 0
  for end in range(len(block.lines) + 1):
    if end == len(block.lines) or not block.lines[end]:
      if end > start:
        inside = block.lines[start:end]
        found.append(Block(block.line + start, block.kind, inside))
      start = end + 1
  return found


@dataclasses.dataclass
class Command:
  """One program and its arguments, and where it is told."""

  where: str
  words: list[str]


def is_python(block: Block) -> bool:
  """Whether a block is Python: what reads as it and is more than names."""
  if block.kind:
    return block.kind == 'python'
  try:
    tree = ast.parse(block.text)
  except SyntaxError:
    return False
  kinds = (ast.Assign, ast.Call, ast.ImportFrom, ast.Import, ast.FunctionDef)
  return any(isinstance(node, kinds) for node in ast.walk(tree))


_BETWEEN = re.compile(r'[|&;()]+|<<?|>>?')


def commands(page: Page) -> list[Command]:
  """The commands of a page's blocks, with lines that go on joined."""
  found = []
  for block in page.blocks:
    if block.kind not in ('', 'sh', 'bash', 'console') or is_python(block):
      continue
    lines = iter(enumerate(block.lines, block.line))
    for number, line in lines:
      while line.endswith('\\'):
        line = line[:-1] + next(lines)[1]
      # What stands far behind a command says what it does.
      told = re.split(r'(?<=\S) {3,}(?=[^\s-])', line)[0]
      found += split(told, f'{page.name}:{number}')
  return found


def split(line: str, where: str) -> list[Command]:
  """The commands of one line, without what sets variables for them."""
  lexer = shlex.shlex(line, posix=True, punctuation_chars='|&;()<>')
  lexer.whitespace_split = True
  try:
    words = list(lexer)
  except ValueError:
    return []
  parts: list[list[str]] = [[]]
  skip = False
  for word in words:
    if _BETWEEN.fullmatch(word):
      skip = word in ('<', '>', '>>')
      if not skip:
        parts.append([])
    elif skip:
      skip = False
    else:
      parts[-1].append(word)
  found = []
  for part in parts:
    while part and re.match(r'[A-Z_]+=', part[0]):
      part = part[1:]
    if part[:2] == ['.', '.venv/bin/activate']:
      continue
    if part:
      found.append(Command(where, part))
  return found
