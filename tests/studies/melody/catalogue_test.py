"""What is written is found again, and what is no catalogue says so."""

import itertools
import sqlite3
import tempfile

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.core.errors import AurlError
from aurl_jax.studies.melody import catalogue
from aurl_jax.studies.melody.catalogue import (
  Catalogue,
  CatalogueError,
  Entry,
)
from aurl_jax.studies.melody.motifs import Finder
from tests.studies.melody.melodies import line_of, lines


def tunes(many=8, notes=40):
  rng = np.random.default_rng(5)
  return {
    f'tune {n}': line_of(
      60 + np.cumsum(rng.integers(-4, 5, notes)) % 20,
      rng.choice([0.5, 1, 1.5], notes),
    )
    for n in range(many)
  }


@pytest.fixture
def path(tmp_path):
  path = tmp_path / 'folder' / 'melodies.db'
  entries = [Entry(name, tune) for name, tune in tunes().items()]
  assert catalogue.write(path, entries) == 8
  return path


def test_melodies_come_back(path):
  with Catalogue(path) as base:
    assert len(base) == 8
    assert base.names() == tuple(sorted(tunes()))
    for name, tune in tunes().items():
      back = base.melody(name)
      np.testing.assert_array_equal(back.pitch, tune.pitch)
      np.testing.assert_allclose(back.onset, tune.onset, atol=1e-6)
    with pytest.raises(CatalogueError, match='no melody'):
      base.melody('another')


def test_a_part_in_another_key_leads_to_its_tune(path):
  for name, tune in tunes().items():
    part = line_of(tune.pitch[10:22] + 3, tune.duration[10:22])
    with Catalogue(path) as base:
      found = base.nearest(part, 3)
    assert found[0].name == name
    assert found[0].score > 0.95
    assert [m.score for m in found] == sorted(m.score for m in found)[::-1]


@hypothesis.given(st.lists(st.integers(-4, 4), min_size=1, max_size=4))
def test_patterns_are_found_where_they_are(pattern):
  with tempfile.TemporaryDirectory() as folder:
    path = f'{folder}/melodies.db'
    catalogue.write(path, [Entry(n, t) for n, t in tunes(4).items()])
    with Catalogue(path) as base:
      found = {m.name: m.places for m in base.with_intervals(pattern)}
  for name, tune in tunes(4).items():
    steps = [int(b - a) for a, b in itertools.pairwise(tune.pitch)]
    places = [
      float(tune.onset[i])
      for i in range(len(steps) - len(pattern) + 1)
      if steps[i : i + len(pattern)] == pattern
    ]
    assert list(found.get(name, ())) == places


def test_motifs_are_kept_and_found_by_what_they_are_like(tmp_path):
  theme = [60, 64, 62, 67, 65, 72, 71, 60]
  long = [1, 0.5, 0.5, 1, 1, 0.5, 0.5, 2]
  filling = [55, 57, 54, 59, 50, 52]
  tune = line_of(
    [*theme, *filling, *(p + 5 for p in theme), *filling[::-1], *theme],
    [*long, *[1] * 6, *long, *[0.5] * 6, *long],
  )
  found = Finder()(tune)
  assert found
  path = tmp_path / 'one.db'
  catalogue.write(
    path,
    [
      Entry('theme', tune, found),
      *(Entry(name, other) for name, other in tunes(3).items()),
    ],
  )
  with Catalogue(path) as base:
    kept = base.motifs('theme')
    assert len(kept) == len(found)
    assert len(kept[0].places) == len(found[0].spans)
    like = base.like(line_of([p - 7 for p in theme], long), 1)
    assert like[0].name == 'theme'
    assert like[0].score > 0.7
    pattern = np.diff(found[0].pitch).tolist()
    assert base.with_intervals(pattern, motifs=True)[0].name == 'theme'
    assert base.motifs('tune 0') == ()


def test_a_failed_write_leaves_what_was_there(path):
  before = path.read_bytes()
  twice = [Entry('a', line_of([60, 62])), Entry('a', line_of([60, 64]))]
  with pytest.raises(CatalogueError, match='two melodies') as caught:
    catalogue.write(path, twice)
  assert caught.value.code == 'catalogue.name'
  assert path.read_bytes() == before
  assert [p.name for p in path.parent.iterdir()] == [path.name]


def other_database(path):
  with sqlite3.connect(path) as base:
    base.execute('create table about (kind text, version integer)')
    base.execute("insert into about values ('recipes', 1)")
  base.close()


def newer(path):
  catalogue.write(path, [])
  with sqlite3.connect(path) as base:
    base.execute('update about set version = 99')
  base.close()


def damaged(path):
  catalogue.write(path, [Entry(n, t) for n, t in tunes(30).items()])
  data = bytearray(path.read_bytes())
  data[len(data) // 2 :] = b'\x55' * (len(data) - len(data) // 2)
  path.write_bytes(data)


@pytest.mark.parametrize(
  ('make', 'code'),
  [
    (lambda path: None, 'catalogue.missing'),
    (lambda path: path.mkdir(), 'catalogue.missing'),
    (lambda path: path.write_bytes(b''), 'catalogue.other'),
    (lambda path: path.write_bytes(b'MThd' * 900), 'catalogue.other'),
    (other_database, 'catalogue.other'),
    (newer, 'catalogue.version'),
    (damaged, 'catalogue.damaged'),
  ],
)
def test_what_is_no_catalogue(tmp_path, make, code):
  path = tmp_path / 'some.db'
  make(path)
  with pytest.raises(CatalogueError) as caught, Catalogue(path) as base:
    for name in base.names():
      base.melody(name)
  assert caught.value.code == code
  assert isinstance(caught.value, AurlError)
  assert str(path) in str(caught.value)


def test_an_empty_pattern(path):
  with Catalogue(path) as base:
    with pytest.raises(CatalogueError) as caught:
      base.with_intervals([])
    assert caught.value.code == 'catalogue.pattern'
    assert base.nearest(line_of([60, 61]), 3) == ()


@hypothesis.given(lines(least=5))
def test_any_melody_is_its_own_nearest(tune):
  with tempfile.TemporaryDirectory() as folder:
    path = f'{folder}/melodies.db'
    catalogue.write(path, [Entry('it', tune), Entry('none', line_of([]))])
    with Catalogue(path) as base:
      assert base.names() == ('it',)
      assert base.nearest(tune)[0].score == pytest.approx(1)
