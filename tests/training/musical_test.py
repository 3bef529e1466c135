"""Musical losses against counts by hand, and their gradients."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from aurl_jax.core.errors import ConfigError
from aurl_jax.training import auxiliary, musical

C_MAJOR = [1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1]
C, A_MINOR = [0, 4, 7], [9, 0, 4]


def roll(cells, *sounds, pieces=1):
  """Weights of pitches: (cell, pitch, weight) of the first piece."""
  found = np.zeros((pieces, cells, 128), np.float32)
  for cell, pitch, weight in sounds:
    found[0, cell, pitch] = weight
  return jnp.asarray(found)


def tones(*chords):
  found = np.zeros((1, len(chords), 12), np.float32)
  for beat, chord in enumerate(chords):
    found[0, beat, chord] = 1
  return jnp.asarray(found)


def test_the_chroma_adds_octaves_up():
  weights = roll(2, (0, 0, 0.5), (0, 12, 0.25), (0, 127, 1.0), (1, 61, 2.0))
  found = musical.chroma(weights)
  wanted = np.zeros((1, 2, 12))
  wanted[0, 0, 0], wanted[0, 0, 127 % 12], wanted[0, 1, 1] = 0.75, 1.0, 2.0
  np.testing.assert_allclose(found, wanted)


def test_the_key_by_hand():
  # C, E and F sharp: 0.5 of 2 is outside of C major.
  weights = roll(4, (0, 60, 1.0), (1, 64, 0.5), (3, 66, 0.5))
  scale = jnp.array([C_MAJOR], jnp.float32)
  assert musical.key(weights, scale).tolist() == [0.25]
  assert musical.key(3 * weights, scale).tolist() == [0.25]
  assert musical.key(0 * weights, scale).tolist() == [0.0]


def test_the_chord_goes_by_beats():
  weights = roll(4, (0, 60, 1.0), (1, 69, 1.0), (2, 69, 1.0), (3, 67, 1.0))
  # A is foreign to C in the first beat, G to A minor in the second.
  found = musical.chord(weights, tones(C, A_MINOR))
  assert found.tolist() == [0.5]
  assert musical.chord(weights, tones(A_MINOR, A_MINOR)).tolist() == [0.25]


def test_the_range_is_told_in_octaves():
  weights = roll(2, (0, 60, 1.0), (0, 84, 1.0), (1, 42, 2.0))
  low, high = jnp.array([48.0]), jnp.array([72.0])
  # An octave above, half of one below, twice: 2 octaves in 4 weights.
  np.testing.assert_allclose(musical.reach(weights, low, high), [0.5])


def test_the_rhythm_goes_by_places_of_the_beat():
  weights = roll(8, (0, 60, 1.0), (2, 60, 0.5), (5, 60, 1.0), (4, 61, 1.5))
  places = jnp.array([[1.0, 0.0, 1.0, 0.0]])
  found = musical.rhythm(weights, places)
  np.testing.assert_allclose(found, [0.25])


def test_what_is_allowed_is_taken_from_music():
  first = [(0, 67, 1), (1, 71, 1), (2, 74, 1)]
  music = roll(8, *first, (4, 66, 1), (5, 60, 1), (6, 57, 1), (6, 62, 1))
  g_major = np.roll(C_MAJOR, 7)
  np.testing.assert_array_equal(musical.scale_of(music), [g_major])
  d = [2, 6, 9]
  found = musical.chords_of(music, 2)
  np.testing.assert_array_equal(found, tones([7, 11, 2], d))
  low, high = musical.range_of(music)
  assert (low.tolist(), high.tolist()) == ([57.0], [74.0])
  assert musical.places_of(music, 2).tolist() == [[1.0, 1.0, 1.0, 0.0]]
  low, high = musical.range_of(0 * music)
  assert (low.tolist(), high.tolist()) == ([0.0], [127.0])


LOSSES = {
  'key': lambda w: musical.key(w, jnp.array([C_MAJOR, C_MAJOR], jnp.float32)),
  'chord': lambda w: musical.chord(w, jnp.tile(tones(C, A_MINOR), (2, 1, 1))),
  'reach': lambda w: musical.reach(
    w, jnp.array([50.0, 60.0]), jnp.array([70.0, 65.0])
  ),
  'rhythm': lambda w: musical.rhythm(w, jnp.array([[1.0, 0.0], [0.0, 1.0]])),
}


@pytest.mark.parametrize('name', LOSSES)
def test_their_gradients_are_right(name):
  rng = np.random.default_rng(1)
  weights = jnp.asarray(rng.uniform(0.1, 1.0, (2, 4, 128)), jnp.float32)
  part = weights[..., 40:80]

  def loss(part):
    whole = jnp.zeros((2, 4, 128)).at[..., 40:80].set(part)
    return LOSSES[name](whole).sum()

  check_grads(loss, (part,), order=1, modes=['rev'], eps=1e-1, rtol=2e-2)
  slope = jax.grad(loss)(part)
  # More of what is foreign is worse, more of what belongs is better.
  assert slope.min() < 0 < slope.max()


def outputs(soft, real, slots=2):
  """What a model gives of one piece whose last slot is padding."""
  aux = {f'frames/{kind}': jnp.log(w / (1 - w)) for kind, w in soft.items()}
  aux |= {f'roll/{kind}': value for kind, value in real.items()}
  cells = soft['onset'].shape[1]
  aux['roll/cells'] = jnp.arange(cells)[None] < cells - cells // slots
  aux['kl_slots'] = jnp.zeros((1, slots, 0))
  return types.SimpleNamespace(aux=aux)


def excess(name, wanted, extra):
  """Returns the loss where the frames say what is wanted, and some more."""
  music = roll(8, *((cell, pitch, 1.0) for cell, pitch in wanted))
  more = roll(8, *((cell, pitch, 0.5) for cell, pitch in extra))
  soft = jnp.clip(music + more, 1e-6, 1 - 1e-6)
  both = {'onset': soft, 'sustain': soft}
  told = outputs(both, {'onset': music, 'sustain': music})
  return float(auxiliary.named(name)(told, {}))


WANTED = [(0, 60), (2, 64), (2, 67), (0, 65)]


@pytest.mark.parametrize(
  ('name', 'fine', 'foreign', 'share'),
  [
    ('frames_key', (0, 71), (1, 66), 0.5 / 4.5),
    # F is foreign in the music itself: 1 of 4, and 1 of 4.5.
    ('frames_chord', (1, 72), (1, 74), 1.5 / 4.5 - 0.25),
    ('frames_range', (3, 66), (3, 79), 0.5 / 4.5),
    ('frames_rhythm', (2, 66), (1, 66), 0.5 / 4.5),
  ],
)
def test_frames_may_do_what_their_music_does(name, fine, foreign, share):
  assert excess(name, WANTED, [fine]) == pytest.approx(0, abs=1e-3)
  assert excess(name, WANTED, [foreign]) == pytest.approx(share, abs=2e-3)
  # What a piece does not have any more does not count.
  assert excess(name, WANTED, [(6, 102)]) == pytest.approx(0, abs=1e-3)


def test_names_are_checked():
  assert set(musical.NAMES) == {
    f'frames_{name}' for name in ('key', 'chord', 'range', 'rhythm')
  }
  with pytest.raises(ConfigError, match=r"'frames_mood'.*frames_key"):
    auxiliary.named('frames_mood')
