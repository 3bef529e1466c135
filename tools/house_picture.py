"""Draws the house: its storeys, its rooms, and what may import what.

python tools/house_picture.py            writes docs/images/house.svg
python tools/house_picture.py --check    fails if the picture is not current

The layers and what only one room may import are those of the import contracts
in setup.cfg, which `tests/house_test.py` holds the code to; what a room is for
is the first line of its docstring.
"""

import argparse
import ast
import configparser
import html
import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
PICTURE = ROOT / 'docs' / 'images' / 'house.svg'
_WIDTH, _LEFT, _RIGHT, _STOREY, _ROOF, _GAP = 880, 60, 760, 112, 110, 10
_STYLE = (
  'text { font-family: system-ui, "Segoe UI", Roboto, "DejaVu Sans", '
  'sans-serif; fill: #1f2328; } '
  '.name { font-size: 17px; font-weight: 600; } '
  '.told { font-size: 11.5px; fill: #59636e; } '
  '.only { font-size: 11.5px; fill: #0b5a8a; }'
)


def main() -> int:
  """Writes or checks the picture; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--check', action='store_true')
  check = parser.parse_args().check
  picture = draw(ROOT)
  if not check:
    PICTURE.write_text(picture)
  elif not PICTURE.exists() or PICTURE.read_text() != picture:
    print(
      'docs/images/house.svg is not current; run tools/house_picture.py',
      file=sys.stderr,
    )
    return 1
  return 0


def layers(settings: str) -> list[list[str]]:
  """Returns the rooms of each layer, the highest first, of a setup.cfg."""
  text = _contracts(settings)['importlinter:contract:layers']['layers']
  return [
    re.findall(r'\w+', line) for line in text.splitlines() if line.strip()
  ]


def guarded(settings: str) -> dict[str, list[str]]:
  """Returns the libraries that only one room, or module, may import."""
  found: dict[str, list[str]] = {}
  for name, section in _contracts(settings).items():
    if not name.startswith('importlinter:contract:'):
      continue
    for line in section.get('ignore_imports', '').splitlines():
      if exempt := re.fullmatch(r'aurl_jax\.([\w.]+) -> (\w+)', line.strip()):
        module, library = exempt.groups()
        found.setdefault(module.split('.')[0], []).append(
          f'only {module} imports {library}'
        )
  return found


def _contracts(settings: str) -> configparser.ConfigParser:
  parser = configparser.ConfigParser()
  parser.read_string(settings)
  return parser


def purpose(package: pathlib.Path, room: str) -> str:
  """Returns the first line of the docstring of a room."""
  folder = package / room / '__init__.py'
  path = folder if folder.exists() else package / f'{room}.py'
  told = ast.get_docstring(ast.parse(path.read_text())) or ''
  return told.splitlines()[0].replace('`', '')


def draw(root: pathlib.Path) -> str:
  """Returns the picture of the house at a root as SVG."""
  settings = (root / 'setup.cfg').read_text()
  storeys, only = layers(settings), guarded(settings)
  height = _ROOF + _STOREY * len(storeys) + 70
  parts = [
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
    ' role="img" aria-labelledby="title">',
    '<title id="title">The house of aurl_jax: each storey imports only from'
    ' those below it</title>',
    f'<style>{_STYLE}</style>',
    f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff" rx="12"/>',
    *_roof(),
  ]
  for number, rooms in enumerate(storeys):
    top = _ROOF + number * _STOREY
    parts += _storey(len(storeys) - 1 - number, top, _RIGHT - _LEFT)
    width = (_RIGHT - _LEFT - _GAP * (len(rooms) + 1)) / len(rooms)
    for place, room in enumerate(rooms):
      left = _LEFT + _GAP + place * (width + _GAP)
      told = purpose(root / 'aurl_jax', room)
      parts += _room((left, top, width), room, told, only.get(room, []))
  parts += _ground(height)
  return '\n'.join([*parts, '</svg>', ''])


def _roof() -> list[str]:
  middle = (_LEFT + _RIGHT) / 2
  return [
    f'<path d="M{_LEFT - 30} {_ROOF} L{middle} 16 L{_RIGHT + 30} {_ROOF} Z"'
    ' fill="#0072b2"/>',
    f'<text x="{middle}" y="76" text-anchor="middle" style="fill: #ffffff;'
    ' font-size: 22px; font-weight: 600">aurl_jax</text>',
  ]


def _storey(number: int, top: int, width: int) -> list[str]:
  return [
    f'<rect x="{_LEFT}" y="{top}" width="{width}" height="{_STOREY}"'
    ' fill="#f6f8fa" stroke="#1f2328" stroke-width="2"/>',
    f'<text class="name" x="{_LEFT - 26}" y="{top + _STOREY / 2 + 6}"'
    f' text-anchor="middle">{number}</text>',
  ]


def _room(
  box: tuple[float, int, float], name: str, told: str, only: list[str]
) -> list[str]:
  """Returns a room: its name, what it is for, and what only it imports."""
  left, top, width = box
  lines = textwrap.wrap(told, max(10, int((width - 16) / 6.1)))
  parts = [
    f'<rect x="{left:.1f}" y="{top + _GAP}" width="{width:.1f}"'
    f' height="{_STOREY - 2 * _GAP}" rx="6" fill="#ffffff" stroke="#8c959f"/>',
    f'<text class="name" x="{left + 10:.1f}" y="{top + 31}">{name}</text>',
  ]
  texts = [('told', line) for line in lines] + [('only', o) for o in only]
  for number, (kind, line) in enumerate(texts):
    parts.append(
      f'<text class="{kind}" x="{left + 10:.1f}" y="{top + 48 + 15 * number}">'
      f'{html.escape(line)}</text>'
    )
  return parts


def _ground(height: int) -> list[str]:
  x, bottom = _RIGHT + 56, height - 70
  return [
    '<defs><marker id="tip" viewBox="0 0 10 10" refX="8" refY="5"'
    ' markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 L10 5 L0 10'
    ' Z" fill="#0072b2"/></marker></defs>',
    f'<path d="M{x} {_ROOF + 20} V{bottom - 16}" stroke="#0072b2"'
    ' stroke-width="4" marker-end="url(#tip)"/>',
    f'<text class="told" transform="translate({x + 26} {(_ROOF + bottom) / 2})'
    ' rotate(90)" text-anchor="middle" style="font-size: 14px">imports only'
    ' from storeys below</text>',
    f'<path d="M20 {bottom} H{_WIDTH - 20}" stroke="#57606a"'
    ' stroke-width="3"/>',
    f'<text class="told" x="{_LEFT}" y="{bottom + 26}">Rooms of one storey'
    ' never import each other. Held by the contracts in setup.cfg, of which'
    ' this is drawn.</text>',
    f'<text class="told" x="{_LEFT}" y="{bottom + 46}">Music goes up as data'
    ' and comes down by the same stairs: MIDI, Notes, ids, batch, logits.'
    '</text>',
  ]


if __name__ == '__main__':
  sys.exit(main())
