"""Rolls become notes that there can be."""

import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.generation import oneshot
from aurl_jax.generation.errors import RequestError

CELLS = 8
YES, NO = 3.0, -3.0


def logits(onset=(), sustain=(), velocity=0.0):
  """Of one piece: what begins, and what sounds, as (cell, pitch)."""
  found = {
    name: np.full((1, CELLS, 128), NO, np.float32)
    for name in ('onset', 'sustain')
  }
  for name, places in (('onset', onset), ('sustain', sustain)):
    for cell, pitch in places:
      found[name][0, cell, pitch] = YES
  found['velocity'] = np.full((1, CELLS, 128), velocity, np.float32)
  return found


def written(told, **thresholds):
  arrays = {name: jnp.asarray(value) for name, value in told.items()}
  begins, lengths, loud = map(np.asarray, oneshot.struck(arrays, **thresholds))
  return list(oneshot.notes(begins, lengths, loud, 4))


def rows(notes):
  columns = (notes.onset, notes.duration, notes.pitch, notes.velocity)
  return list(zip(*(column.tolist() for column in columns), strict=True))


def test_a_note_lasts_while_it_sounds_and_until_it_is_struck_again():
  told = logits(
    # Struck again at once, alone in its cell, and at the very end.
    onset=[(0, 60), (3, 60), (4, 60), (2, 72), (7, 20)],
    # The second of 72 begins nowhere; a gap ends the first.
    sustain=[(1, 60), (2, 60), (4, 60), (5, 60), (4, 72), (5, 72), (7, 20)],
  )
  (notes,) = written(told)
  assert rows(notes) == [
    (0, 3, 60, 64),
    (2, 1, 72, 64),
    (3, 1, 60, 64),
    (4, 2, 60, 64),
    (7, 1, 20, 64),
  ]
  assert notes.ticks_per_beat == 4


def test_thresholds_are_probabilities_of_each_kind():
  told = logits(onset=[(0, 60)], sustain=[(1, 60)])
  sure = 1 / (1 + np.exp(-YES))
  assert len(written(told, onset=sure - 0.01)[0]) == 1
  assert len(written(told, onset=sure + 0.01)[0]) == 0
  assert rows(written(told, sustain=sure + 0.01)[0])[0][1] == 1
  assert rows(written(told, sustain=1e-3)[0])[0][1] == CELLS
  for wrong in (0.0, 1.0, float('nan')):
    with pytest.raises(RequestError, match='no probability between'):
      oneshot.check(wrong, 0.5)
    with pytest.raises(RequestError, match='sustain'):
      oneshot.check(0.5, wrong)


def test_velocities_stay_in_their_range():
  for told, velocity in ((-20.0, 1), (20.0, 127), (np.log(3), 95)):
    (notes,) = written(logits(onset=[(0, 60)], velocity=told))
    assert notes.velocity.tolist() == [velocity]


def test_any_logits_give_notes_that_never_overlap():
  rng = np.random.default_rng(0)
  told = {
    name: rng.normal(size=(5, CELLS, 128)).astype(np.float32)
    for name in ('onset', 'sustain', 'velocity')
  }
  told['onset'][3] = -1
  pieces = written(told)
  assert len(pieces) == 5
  assert not len(pieces[3])
  for notes in pieces:
    sounding = np.zeros((CELLS, 128), int)
    for onset, duration, pitch, velocity in rows(notes):
      assert duration >= 1
      assert onset + duration <= CELLS
      assert 1 <= velocity <= 127
      sounding[onset : onset + duration, pitch] += 1
    assert sounding.max(initial=0) <= 1
