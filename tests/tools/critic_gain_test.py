"""`tools/critic_gain.py`: the same draws for all, and what is told of them."""

import types

import numpy as np
import pytest

from aurl_jax.evaluation import overlap
from aurl_jax.music.notes import Notes
from tests.tokens import pieces


@pytest.fixture(scope='module')
def tool(load_tool):
  return load_tool('critic_gain')


def line(pitches):
  count = len(pitches)
  columns = {'onset': np.arange(count) * 4, 'duration': 4, 'pitch': pitches}
  return Notes.build(4, columns)


def test_runs_that_come_again_are_not_distinct(tool):
  scale = list(range(60, 70))
  # Three runs of eight notes; again the same, later in the piece.
  assert tool.distinct([line(scale)]) == 1
  assert tool.distinct([line(scale), line(scale)]) == 0.5
  assert tool.distinct([line(scale), line(scale[::-1])]) == 1
  assert tool.distinct([line(scale[:7])]) == 0


def test_draws_have_the_dials_of_their_pieces(tool):
  asked = {}

  class Space:
    def encode(self, music):
      return 'latents of', len(music)

    def standard(self, n, seed, *, dials_of):
      asked.update(n=n, seed=seed, dials_of=dials_of)
      return 'told'

    def decode(self, told, *, temperature, seed):
      asked.update(told=told, temperature=temperature, later=seed)
      return [
        types.SimpleNamespace(notes='first'),
        types.SimpleNamespace(notes=2),
      ]

  assert tool.drawn(Space(), [3, 4], 7) == ['first', 2]
  assert asked == {
    'n': 2,
    'seed': 7,
    'dials_of': ('latents of', 2),
    'told': 'told',
    'temperature': 1.0,
    'later': 7,
  }


def test_a_run_is_told_beside_its_control(tool):
  music = [pieces.chorale(seed) for seed in range(8)]
  good, bad = (
    [make(s) for s in range(8)]
    for make in (
      lambda s: pieces.chorale(20 + s),
      lambda s: pieces.piece(s, notes=60),
    )
  )
  found = tool.report(good, bad, music, samples=10)
  assert found.keys() == {*overlap.USUAL, 'distinct', 'gain'}
  own = overlap.overlaps(good, music)
  for name in overlap.USUAL:
    assert found[name] == pytest.approx(
      (own[name].one + own[name].other) / 2, abs=1e-4
    )
  assert not found['gain']['interval'].startswith('-')
  assert tool.report(bad, good, music, samples=10)['gain'][
    'interval'
  ].startswith('-')
