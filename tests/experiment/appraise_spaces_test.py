"""Sets as latents and as sound: of which windows, and what has none."""

import numpy as np
import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.deploy import windows
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.experiment import appraise_spaces
from aurl_jax.experiment import generate as generate_lib
from aurl_jax.music import audio, cut
from aurl_jax.music.notes import Notes
from tests.tokens import pieces


def song(seed, bars=9):
  rng = np.random.default_rng(seed)
  count = 4 * bars
  return Notes.build(
    4,
    {
      'onset': np.arange(count) * 4,
      'duration': 4,
      'pitch': rng.integers(55, 80, count),
    },
  )


@pytest.fixture(scope='module')
def latents():
  return appraise_spaces.Latents('pop_dials')


def test_windows_are_of_two_bars_spread_over_a_piece(latents):
  found = latents.vectors([song(1), Notes.build(4), song(2, bars=2)])
  # Nine bars have four windows, two bars have two.
  assert found.owner.tolist() == [0, 0, 0, 0, 2, 2]
  assert found.without == 1
  space = LatentSpace(generate_lib.load('pop_dials'))
  held = space.composer.tokenizer.quantise(song(1))
  for row, first in zip(found.rows[:4], (0, 2, 4, 6), strict=True):
    part = cut.slice_bars(held, first, first + 2, held=True)
    (window,) = windows.of(space.composer.encoder, part)
    mean = np.asarray(space.encode([window.ids]).slots)
    np.testing.assert_allclose(row, mean.ravel(), atol=1e-5)
  assert latents.facts()['encoder'] == 'pop_dials'


def test_slots_that_a_window_lacks_say_nothing(latents):
  (row,) = latents.vectors([song(3, bars=1)]).rows
  slots = row.reshape(8, -1)
  assert np.abs(slots[:4]).sum(axis=1).min() > 0
  np.testing.assert_array_equal(slots[4:], 0)


def test_what_cannot_be_read_has_no_window(latents):
  odd = Notes.build(
    4, {'onset': range(400), 'duration': 1, 'pitch': 60, 'track': range(400)}
  )
  found = latents.vectors([odd, Notes.build(4)])
  assert found.pieces + found.without == 2
  empty = latents.vectors([Notes.build(4)] * 3)
  assert (empty.without, len(empty.rows)) == (3, 0)


def test_a_model_without_latents_is_refused():
  with pytest.raises(ConfigError, match='no latents'):
    appraise_spaces.Latents('chorale')


def test_sound_is_heard_by_the_shipped_network():
  sound = appraise_spaces.Sound('musicnn', 6.0)
  some = [pieces.piece(seed, notes=20) for seed in (1, 2)]
  found = sound.vectors(some)
  direct = sound._embedding(audio.render(some[0], rate=16_000, seconds=6))
  np.testing.assert_array_equal(found.rows[: len(direct)], direct)
  assert found.rows.shape[1] == 200
  assert sound.facts() == {
    'embedding': 'musicnn',
    'synthesiser': 'additive',
    'seconds': 6.0,
  }
