"""What steps are expected to begin and to sound, against the notes of ids."""

import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.tokens.bpe import Bpe
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.marks import COUNT, Marks
from aurl_jax.tokens.performance import Performance
from aurl_jax.tokens.remi import Remi
from tests.tokens import pieces

REMI = Remi()
TOKENIZERS = {
  'compound': Compound(),
  'remi': REMI,
  'performance': Performance(velocity_bins=4),
  'bpe': Bpe(
    base=REMI,
    merges=(
      (REMI.codec.id('pitch', 60), REMI.codec.id('pitch', 64)),
      (REMI.codec.id('pitch', 67), REMI.codec.id('velocity', 3)),
    ),
  ),
}


def one_hot(tokenizer, ids):
  return [
    jnp.asarray(np.eye(size, dtype=np.float32)[ids[:, f]])
    for f, size in enumerate(tokenizer.codec.sizes)
  ]


def told(tokenizer, ids):
  return np.asarray(Marks.of(tokenizer)(one_hot(tokenizer, ids)))


@pytest.mark.parametrize('name', TOKENIZERS)
@pytest.mark.parametrize('seed', [1, 2])
def test_marks_add_up_to_the_notes(name, seed):
  tokenizer = TOKENIZERS[name]
  ids = tokenizer.encode(pieces.piece(seed))
  notes = tokenizer.decode(ids)
  found = told(tokenizer, ids).sum(axis=0)
  heard = ~notes.is_drum
  classes = np.bincount(notes.pitch[heard] % 12, minlength=12)
  assert len(notes) > 10
  np.testing.assert_array_equal(found[1:], classes)
  # A performance of pitches has no drums.
  drums = 0 if name == 'performance' else int((~heard).sum())
  assert found[0] == heard.sum() + drums


def test_merged_ids_count_for_all_that_they_stand_for():
  bpe = TOKENIZERS['bpe']
  merged = np.array([[REMI.codec.sizes[0]], [REMI.codec.sizes[0] + 1]])
  found = told(bpe, merged)
  assert found[0, 0] == 2
  assert found[1, 0] == 1
  assert (found[0, 1 + 0], found[0, 1 + 4], found[1, 1 + 7]) == (1, 1, 1)


def test_a_held_voice_sounds_and_begins_nothing():
  grid = VoiceGrid()
  ids = grid.encode(pieces.chorale(3))
  found = told(grid, ids)
  voices = ids[:, : len(grid.codec.sizes)]
  struck = sum(
    np.asarray(grid.codec.fields[f].holds('pitch', voices[:, f]), int)
    for f in range(voices.shape[1])
  )
  held = sum(
    np.asarray(grid.codec.fields[f].holds('hold', voices[:, f]), int)
    for f in range(voices.shape[1])
  )
  assert held.sum() > 0
  np.testing.assert_array_equal(found[:, 0], struck)
  np.testing.assert_array_equal(found[:, 1:].sum(axis=1), struck + held)


def test_marks_are_linear_in_the_distribution():
  tokenizer = Compound()
  ids = tokenizer.encode(pieces.piece(4))[:8]
  first, second = one_hot(tokenizer, ids), one_hot(tokenizer, ids[::-1])
  mixed = [0.25 * x + 0.75 * y for x, y in zip(first, second, strict=True)]
  marks = Marks.of(tokenizer)
  expected = 0.25 * marks(first) + 0.75 * marks(second)
  assert expected.shape == (8, COUNT)
  np.testing.assert_allclose(marks(mixed), expected, atol=1e-6)
