"""The models that come with the package: what they are, and what they play."""

import pathlib
import re
import tomllib

import pytest

import aurl_jax
from aurl_jax.deploy import bundle
from aurl_jax.music import time
from tests import recogniser

LIMIT, IN_ALL = 10e6, 30e6


def size(folder):
  return sum(path.stat().st_size for path in pathlib.Path(folder).iterdir())


def test_they_are_installed_with_the_package(repository):
  table = tomllib.loads((repository / 'pyproject.toml').read_text())
  patterns = table['tool']['setuptools']['package-data']['*']
  root = repository / 'aurl_jax'
  named = {path for pattern in patterns for path in root.glob(pattern)}
  for name in bundle.shipped():
    assert set((root / 'bundles' / name).iterdir()) <= named


def test_they_are_small():
  sizes = [size(bundle.shipped_folder(name)) for name in bundle.shipped()]
  assert sizes
  assert max(sizes) < LIMIT
  assert sum(sizes) < IN_ALL


@pytest.mark.parametrize('name', bundle.shipped())
def test_a_card_tells_data_licence_figures_and_limits(name):
  card = (bundle.shipped_folder(name) / bundle.CARD).read_text()
  for title in ('Intended use', 'Data', 'Training', 'Figures', 'Limits'):
    assert f'## {title}' in card
  assert 'state it here' not in card
  assert re.search(r'public domain|MIT|CC0|CC BY|Apache', card)
  assert re.search(r'\| valid/\w+ \| \d', card)
  assert '/work' not in card


@pytest.mark.parametrize('name', bundle.shipped())
def test_it_plays_legal_music_that_ends_where_it_should(name):
  composer = aurl_jax.load(name)
  # A model with latents writes as many bars as they are of.
  own = composer.request().bars
  assert own > 0
  bars = own if composer.model.config.has_latents else 8
  asked = {'n': 2, 'seed': 1, 'bars': bars}
  pieces = composer.generate(composer.request(**asked))
  for piece in pieces:
    assert piece.report['grammatical']
    assert piece.report['ended']
    assert recogniser.fault(composer.tokenizer, piece.ids.tolist()) == ''
    assert len(piece.notes) > 4 * bars - 2
    assert len(time.bar_starts(piece.notes)) == bars
  again = composer.generate(composer.request(**asked))
  assert [p.midi() for p in again] == [p.midi() for p in pieces]
