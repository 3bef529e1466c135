"""Arrangements of pieces that a model has written."""

import numpy as np

from aurl_jax.generation.arranging import arranged
from aurl_jax.generation.humanise import humanise
from aurl_jax.generation.remake import Arrange
from aurl_jax.music.orchestrate import orchestrate
from tests.generation import writers


def test_other_players_play_and_play_as_people_do():
  piece = writers.piece(3)
  assert arranged(piece, None) is piece
  both = arranged(piece, Arrange(instruments=('flute', 'cello'), human=1.0))
  alone = orchestrate(piece.notes, ('flute', 'cello'))
  assert both.notes == humanise(alone.notes, seed=3)
  assert both.report['orchestrated'] == alone.report
  assert both.report['human'] == 1.0
  np.testing.assert_array_equal(both.ids, piece.ids)
  only = arranged(piece, Arrange(human=0.5))
  assert only.notes == humanise(piece.notes, human=0.5, seed=3)
  assert 'orchestrated' not in only.report
