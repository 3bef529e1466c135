"""Requests that are written together give what each gives alone."""

import pytest

from aurl_jax.deploy.composer import Composer
from aurl_jax.generation import decode
from aurl_jax.generation.request import Request
from aurl_jax.generation.wish import Wish
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from tests.generation import hearing, writers

COMPOUND = Compound(voices=2, cells_per_beat=4, bar_beats=4)


@pytest.fixture
def programs(monkeypatch):
  """How many rows each batch has that is decoded."""
  found, real = [], decode._batch

  def batch(writer, rows):
    found.append(len(rows.prompts))
    return real(writer, rows)

  monkeypatch.setattr(decode, '_batch', batch)
  return found


def composer_of(tokenizer):
  model, params = writers.small(tokenizer)
  return Composer(model=model, params=params, tokenizer=tokenizer)


def wish(key, density, **more):
  return Wish(key=key, density=density, meter=(4, 4), **more)


@pytest.mark.parametrize(
  'tokenizer',
  [VoiceGrid(), pytest.param(COMPOUND, marks=pytest.mark.slow)],
)
def test_rows_have_wishes_of_their_own_in_one_program(tokenizer, programs):
  composer = composer_of(tokenizer)
  requests = [
    Request(n=2, bars=2, steps=60, seed=1, wish=wish('C', (3, 5))),
    Request(n=1, bars=1, steps=50, seed=9, wish=wish('F#', (6, 7))),
    Request(n=1, bars=2, steps=60, seed=5),
  ]
  together = composer.generate(requests)
  # Two kinds of rules: those with a wish are one batch.
  assert sorted(programs) == [1, 3]
  assert [len(pieces) for pieces in together] == [2, 1, 1]
  scales = {0, 2, 4, 5, 7, 9, 11}, {6, 8, 10, 11, 1, 3, 5}
  limits = (3, 5), (6, 7)
  for index, (bars, density, scale) in enumerate(
    zip((2, 1), limits, scales, strict=True)
  ):
    for piece in together[index]:
      assert piece.ended
      judged = {'density': [density], 'scales': [scale]}
      assert hearing.faults(piece.notes, bars, **judged) == []
      assert set(piece.report['broken'].values()) == {0}
  for request, pieces in zip(requests, together, strict=True):
    alone = composer.generate(request)
    assert [p.seed for p in alone] == [p.seed for p in pieces]
    assert [p.ids.tolist() for p in alone] == [p.ids.tolist() for p in pieces]


def test_nothing_asked_is_nothing_written(programs):
  assert composer_of(VoiceGrid()).generate([]) == []
  assert programs == []
