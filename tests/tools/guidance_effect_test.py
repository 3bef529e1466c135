"""`tools/guidance_effect.py`: its measures, and a model that is asked."""

import dataclasses

import jax
import numpy as np
import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.generation.request import Request
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.functional import Model
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.compound import Compound


@pytest.fixture(scope='module')
def tool(load_tool):
  return load_tool('guidance_effect')


def test_measures_of_overlapping_notes_and_rests(tool):
  columns = {'onset': [0, 2, 12], 'duration': [4, 6, 4], 'pitch': [60, 72, 48]}
  notes = Notes.build(4, columns)
  assert tool.measured(notes, 'density') == pytest.approx(3 / 4)
  # 14 cells of notes on 12 cells in which anything sounds.
  assert tool.measured(notes, 'polyphony') == pytest.approx(14 / 12)
  mean = (4 * 60 + 6 * 72 + 4 * 48) / 14
  assert tool.measured(notes, 'register') == pytest.approx(mean)
  nothing = Notes.build(4, {'onset': [], 'duration': [], 'pitch': []})
  assert np.isnan(tool.measured(nothing, 'density'))


def test_rank_correlation_knows_ties_and_order(tool):
  assert tool.spearman([1, 2, 3, 4], [1, 4, 9, 16]) == pytest.approx(1)
  assert tool.spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
  assert tool.spearman([1, 1, 2, 2], [5, 7, 7, 9]) == pytest.approx(
    1 / np.sqrt(2)
  )
  assert tool.spearman([1, 2, np.nan, 3], [1, 2, 0, 3]) == pytest.approx(1)


class Obedient(Composer):
  """Writes as many notes a beat as it is asked for."""

  def generate(self, request):
    told = request.controls
    assert len(set(told.bars)) < 2
    level = (told.bars or (told.piece,))[0].density
    rng = np.random.default_rng(request.seed)
    found = []
    for _ in range(request.n):
      onset = np.arange(4 * level + rng.integers(2)) * 4 // level
      notes = Notes.build(
        4, {'onset': onset, 'duration': 16 - onset, 'pitch': 60}
      )
      found.append(dataclasses.make_dataclass('Piece', ['notes'])(notes))
    return found


@pytest.mark.parametrize('of', ['bars', 'piece'])
def test_a_model_that_obeys_has_a_high_correlation(tool, of):
  tokenizer = Compound(controls=True)
  config = ModelConfig(width=8, heads=2, layers=1, context=64, head_width=4)
  model = Model.build(config, tokenizer.codec.sizes)
  parts = {'model': model, 'params': {}, 'tokenizer': tokenizer}
  found = tool.effect(
    Obedient(**parts), 'density', (3, 5, 6, 8), Request(n=4, bars=2), of
  )
  assert found['spearman'] > 0.95
  assert found['medians'] == sorted(found['medians'])
  assert found['pieces'] == 4 * 4
  params = model.init(jax.random.key(0))
  plain = Composer(**parts | {'params': params})
  real = tool.effect(
    plain, 'register', (4, 5), Request(n=1, bars=1, guidance=2), of
  )
  assert real['pieces'] == 2
