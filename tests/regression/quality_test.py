"""Shipped models against music of people: no metric may leave its range.

Bounds are those of `bounds.json` (`tools/quality_bounds.py`): of excerpts that
the model was not trained on.
"""

import json
import pathlib

import numpy as np
import pytest

import aurl_jax
from aurl_jax.evaluation import diversity, metrics

BOUNDS = json.loads((pathlib.Path(__file__).parent / 'bounds.json').read_text())
NAMES = tuple(BOUNDS['models'])


@pytest.fixture(scope='module', params=NAMES)
def written(request):
  composer = aurl_jax.load(request.param)
  asked = composer.request(n=BOUNDS['set'], bars=BOUNDS['bars'], seed=2026)
  pieces = [piece.notes for piece in composer.generate(asked)]
  return composer, BOUNDS['models'][request.param], pieces


@pytest.mark.slow
def test_medians_lie_where_most_music_does(written):
  _, bounds, pieces = written
  names = tuple(bounds['metrics'])
  medians = np.nanmedian(metrics.table(pieces, names), axis=0)
  outside = {
    name: (round(float(median), 4), bounds['metrics'][name])
    for name, median in zip(names, medians.tolist(), strict=True)
    if not bounds['metrics'][name][0] <= median <= bounds['metrics'][name][1]
  }
  assert not outside


@pytest.mark.slow
def test_pieces_differ_as_much_as_songs_do(written):
  _, bounds, pieces = written
  assert diversity.distinct(pieces) >= bounds['sets']['distinct'][0]
  assert diversity.self_bleu(pieces) <= bounds['sets']['self_bleu'][1]


@pytest.mark.slow
def test_no_more_is_known_than_of_other_music(written):
  composer, bounds, pieces = written
  if composer.index is None:
    pytest.skip('this model carries no index of its training music')
  shares = [composer.index.report(notes).share for notes in pieces]
  assert np.median(shares) <= bounds['known']


def test_bounds_are_ranges_of_known_metrics():
  for bounds in BOUNDS['models'].values():
    assert bounds['pieces'] >= BOUNDS['set']
    assert set(bounds['metrics']) <= set(metrics.BY_NAME)
    for low, high in (*bounds['metrics'].values(), *bounds['sets'].values()):
      assert low <= high
    assert 0 <= bounds['known'] < 1
