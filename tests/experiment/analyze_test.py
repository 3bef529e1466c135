"""A file or a folder heard: JSON, table, page."""

import base64
import csv
import html.parser
import json
import os
import pathlib

import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.experiment import analyze
from aurl_jax.music.notes import Notes
from aurl_jax.studies.study import StudyError
from tests.studies import outside


class Page(html.parser.HTMLParser):
  """Collects tags and text."""

  def __init__(self, text):
    super().__init__()
    self.tags, self.words = [], ''
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))

  def handle_data(self, data):
    self.words += data

  def all(self, tag, name):
    return [attrs[name] for found, attrs in self.tags if found == tag]


@pytest.fixture(autouse=True)
def known(tmp_path, monkeypatch):
  home = outside.install(
    tmp_path / 'site',
    tops='tests.studies.outside:Tops',
    halves='tests.studies.outside:Halves',
    same='tests.studies.outside:Same',
    undrawable='tests.studies.outside:Undrawable',
  )
  monkeypatch.syspath_prepend(str(home))


@pytest.fixture
def folder(tmp_path):
  """Five songs, of which one cannot be read and one makes a study fail."""
  root = tmp_path / 'music'
  outside.songs(root / 'a <b>', ['', '', 'raise'])
  (root / 'a <b>' / '001.MIDI').write_bytes(
    (root / 'a <b>' / '001.mid').read_bytes()
  )
  (root / 'broken.mid').write_bytes(b'nothing')
  return root


NAMES = ['a <b>/000.mid', 'a <b>/001.MIDI', 'a <b>/001.mid', 'a <b>/002.mid']


def test_a_folder(folder, tmp_path):
  out = tmp_path / 'out'
  told = analyze.write(
    folder, out, 'tops,halves', pictures=2, workers=1, quiet=True
  )
  assert told == {
    'page': str(out / 'index.html'),
    'pieces': 5,
    'kept': 0,
    'unreadable': 1,
    'failed': 1,
  }
  files = sorted(p.relative_to(out).as_posix() for p in out.rglob('*.json'))
  assert files == [
    'a <b>/000.json',
    'a <b>/001.MIDI.json',
    'a <b>/001.mid.json',
    'a <b>/002.json',
  ]
  first = json.loads((out / files[0]).read_text())
  assert list(first) == ['tops', 'halves', 'features']
  assert first['features']['tops']['tops'] == len(first['tops']['notes'])
  last = json.loads((out / files[-1]).read_text())
  assert last['error']['code'] == 'study.failed'
  assert 'tops' not in last
  assert last['halves'][0]['label'] == 'A'
  with (out / 'features.csv').open(newline='') as file:
    rows = list(csv.DictReader(file))
  assert [row['piece'] for row in rows] == NAMES
  assert float(rows[0]['tops.tops']) == first['features']['tops']['tops']
  assert rows[0]['tops.never'] == rows[3]['tops.tops'] == ''


def test_the_page_has_pictures_and_needs_no_network(folder, tmp_path):
  out = tmp_path / 'out'
  analyze.write(
    folder, out, 'tops,halves,undrawable', pictures=2, workers=1, quiet=True
  )
  text = (out / 'index.html').read_text()
  page = Page(text)
  images = page.all('img', 'src')
  assert len(images) == 4
  for image in images:
    kind, _, data = image.partition(',')
    assert kind == 'data:image/png;base64'
    assert base64.b64decode(data).startswith(b'\x89PNG')
  assert 'http://' not in text.replace('http://www.w3.org', '')
  assert 'https://' not in text
  assert page.all('link', 'href') == []
  # The first and the last of those that were heard.
  links = page.all('a', 'href')
  assert links == ['a%20%3Cb%3E/000.json', 'a%20%3Cb%3E/001.mid.json']
  words = ' '.join(page.words.split())
  assert 'undrawable could not be drawn: RuntimeError: no ink' in words
  assert 'IndexError: no such <bar>' in words
  assert 'broken.mid' in words
  assert 'tops.mean_pitch' in words
  assert all(name in words for name in NAMES)


def test_what_was_heard_is_not_heard_again(folder, tmp_path):
  out = tmp_path / 'out'
  analyze.write(folder, out, 'halves', workers=1, quiet=True)
  page = (out / 'index.html').read_bytes()
  stamps = {path: path.stat().st_mtime_ns for path in out.rglob('*.json')}
  os.unlink(out / 'a <b>' / '000.json')
  told = analyze.write(folder, out, 'halves', workers=1, quiet=True)
  assert told['kept'] == 5
  assert (out / 'index.html').read_bytes() == page
  again = {path: path.stat().st_mtime_ns for path in out.rglob('*.json')}
  assert sum(again[path] == stamps[path] for path in stamps) == 3
  found = list(analyze.written(folder, out))
  assert found == list(analyze.told(folder, 'halves', workers=0))
  assert list(found[-1]) == ['file', 'error']


def test_one_file(folder, tmp_path):
  path = folder / 'a <b>' / '000.mid'
  (told,) = analyze.told(path, 'halves,tops')
  assert list(told) == ['halves', 'tops']
  result = analyze.write(path, tmp_path / 'out', 'halves,tops', quiet=True)
  assert result['pieces'] == 1
  assert list(analyze.written(path, tmp_path / 'out')) == [told]
  stored = json.loads((tmp_path / 'out' / '000.json').read_text())
  assert {key: stored[key] for key in told} == told
  page = Page((tmp_path / 'out' / 'index.html').read_text())
  assert len(page.all('img', 'src')) == 2
  assert 'Features over all pieces' not in page.words


def test_names_of_studies(tmp_path):
  assert list(analyze.studies_named(' tops, halves,tops')) == ['tops', 'halves']
  assert set(analyze.studies_named('all')) >= {'tops', 'halves', 'same'}
  with pytest.raises(StudyError, match='no study is named'):
    analyze.studies_named(' ,')
  with pytest.raises(StudyError, match="no study 'harmonies'"):
    analyze.studies_named('tops,harmonies')


def test_bad_paths_and_files_say_what_is_wrong(folder, tmp_path):
  missing = tmp_path / 'missing'
  with pytest.raises(DataError, match='does not exist') as told:
    list(analyze.told(missing, 'tops'))
  assert told.value.code == 'no_path'
  (tmp_path / 'empty').mkdir()
  with pytest.raises(DataError, match='is empty'):
    analyze.write(tmp_path / 'empty', tmp_path / 'out', 'tops', quiet=True)
  with pytest.raises(DataError, match=r'broken\.mid: not a readable MIDI'):
    list(analyze.told(folder / 'broken.mid', 'tops'))
  with pytest.raises(DataError, match=r'002\.mid: IndexError') as told:
    list(analyze.told(folder / 'a <b>' / '002.mid', 'tops'))
  assert told.value.code == 'study.failed'
  silent = tmp_path / 'silent.mid'
  outside.midi.write(Notes.build(480), silent)
  with pytest.raises(DataError, match='no notes') as told:
    analyze.write(silent, tmp_path / 'out', 'tops', quiet=True)
  assert told.value.code == 'no_notes'
  with pytest.raises(StudyError, match="'halves' and 'same' both tell"):
    list(analyze.told(folder, 'halves,same', workers=0))


def test_a_folder_of_which_nothing_can_be_heard(tmp_path):
  (tmp_path / 'bad').mkdir()
  for name in 'ab':
    pathlib.Path(tmp_path, 'bad', f'{name}.mid').write_bytes(b'')
  with pytest.raises(DataError, match=r'none of 2 files .* a\.mid') as told:
    analyze.write(
      tmp_path / 'bad', tmp_path / 'out', 'tops', workers=1, quiet=True
    )
  assert told.value.code == 'nothing_usable'


def test_features_of_a_folder_without_files(folder):
  table, pieces, errors = analyze.summary(folder, 'tops', workers=0)
  assert pieces == 5
  assert dict(table.spreads())['tops.tops'].pieces == 3
  assert sorted(row['piece'] for row in errors) == [
    'a <b>/002.mid',
    'broken.mid',
  ]


def test_names_are_no_formulas_in_the_table(tmp_path):
  root = tmp_path / 'music'
  outside.songs(root, ['', ''])
  names = ['=HYPERLINK("x").mid', '-1+1|cmd.mid']
  for number, name in enumerate(names):
    (root / f'00{number}.mid').rename(root / name)
  analyze.write(root, tmp_path / 'out', 'tops', workers=1, quiet=True)
  with (tmp_path / 'out' / 'features.csv').open(newline='') as file:
    rows = list(csv.DictReader(file))
  assert {row['piece'] for row in rows} == {f"'{name}" for name in names}
  assert all(float(row['tops.tops']) for row in rows)
