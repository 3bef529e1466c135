"""The drawn house, held against what the code imports."""

import re
import subprocess
import sys
import xml.etree.ElementTree as xml

import grimp
import pytest

SVG = '{http://www.w3.org/2000/svg}'


@pytest.fixture(scope='module')
def drawn(repository):
  """Room -> height of its name in the picture, as it is in the repository."""
  root = xml.parse(repository / 'docs' / 'images' / 'house.svg').getroot()
  names = [t for t in root.iter(f'{SVG}text') if t.get('class') == 'name']
  return {t.text: float(t.get('y')) for t in names if not t.text.isdigit()}


def test_the_picture_is_current(repository):
  run = subprocess.run(
    [sys.executable, repository / 'tools' / 'house_picture.py', '--check'],
    capture_output=True,
    text=True,
    check=False,
  )
  assert run.returncode == 0, run.stderr


def test_every_room_is_drawn_once(repository, drawn):
  folder = repository / 'aurl_jax'
  rooms = {p.parent.name for p in folder.glob('*/__init__.py')}
  rooms -= {'configs'}
  modules = {p.stem for p in folder.glob('*.py') if p.stem[0] != '_'}
  assert set(drawn) == rooms | modules


def test_what_is_imported_is_drawn_below(drawn):
  graph = grimp.build_graph('aurl_jax', cache_dir=None)
  upwards = set()
  for module in graph.modules:
    for imported in graph.find_modules_directly_imported_by(module):
      rooms = [[*name.split('.'), ''][1] for name in (module, imported)]
      upper, lower = rooms
      known = all(room in drawn for room in rooms)
      if known and upper != lower and drawn[lower] <= drawn[upper]:
        upwards.add((upper, lower))
  assert upwards == set()


def test_a_picture_follows_the_contracts(load_tool, repository, tmp_path):
  tool = load_tool('house_picture')
  settings = (repository / 'setup.cfg').read_text()
  swapped = settings.replace('  (music)\n  (core)', '  (core)\n  (music)')
  assert swapped != settings
  (tmp_path / 'setup.cfg').write_text(swapped)
  (tmp_path / 'aurl_jax').symlink_to(repository / 'aurl_jax')
  picture = tool.draw(tmp_path)
  heights = {
    name: int(y) for y, name in re.findall(r'y="(\d+)">(core|music)<', picture)
  }
  assert heights['core'] < heights['music']


def test_texts_stay_in_their_rooms(repository):
  root = xml.parse(repository / 'docs' / 'images' / 'house.svg').getroot()
  boxes = [
    [float(r.get(k)) for k in ('x', 'y', 'width', 'height')]
    for r in root.iter(f'{SVG}rect')
    if r.get('rx') == '6'
  ]
  texts = [
    (float(t.get('x')), float(t.get('y')), len(t.text))
    for t in root.iter(f'{SVG}text')
    if t.get('class') in ('told', 'only') and t.get('x') and not t.get('style')
  ][:-2]
  assert len(texts) > len(boxes) > 10
  for x, y, letters in texts:
    inside = [
      left < x and x + 5 * letters < left + wide and top < y < top + high - 3
      for left, top, wide, high in boxes
    ]
    assert sum(inside) == 1, (x, y)
