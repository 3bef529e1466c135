"""Musical constraints as losses: how much sounds where it should not.

All are shares in 0..1, or octaves, of weights of pitches: of piano rolls,
where a weight is the probability that a pitch sounds or begins in a cell, or of
soft tokens, where it is that of the step's pitch. They go along with the
weights, so that there is a gradient, and do not change if all weights are
scaled alike. What is allowed is given, or taken from music (`scale_of`,
`chords_of` and so on): a decoder then shall not leave the key, the chords, the
range or the rhythm that the piece itself has. Axes: `b` pieces, `c` cells, or
steps, `p` the 128 MIDI pitches, `k` pitch classes, `m` beats, `o` places in a
beat.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import nn
from jaxtyping import Array, Float

from aurl_jax.training import oneshot

_Loss = Callable[[Any, Mapping[str, Any]], Array]
_Rolls = Mapping[str, Array]
_KINDS = ('onset', 'sustain')

_CLASSES = 12
_LEAST = 1e-6
_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_TRIADS = ((0, 4, 7), (0, 3, 7))


def chroma(weights: Float[Array, '*n p']) -> Float[Array, '*n k']:
  """Returns the weight of each pitch class.

  Example:
    >>> float(chroma(jnp.zeros(128).at[jnp.array([60, 72])].set(0.5))[0])
    1.0
  """
  octaves = math.ceil(weights.shape[-1] / _CLASSES)
  lacking = octaves * _CLASSES - weights.shape[-1]
  pads = [(0, 0)] * (weights.ndim - 1) + [(0, lacking)]
  by_octave = jnp.pad(weights, pads).reshape(
    *weights.shape[:-1], octaves, _CLASSES
  )
  return by_octave.sum(-2)


def outside(
  weights: Float[Array, 'b *n'], allowed: Float[Array, 'b *#n']
) -> Float[Array, ' b']:
  """Returns the share of each piece's weight that is not allowed.

  Args:
    weights: 0 or more.
    allowed: 1 where they may be, else 0; broadcasts.
  """
  axes = tuple(range(1, weights.ndim))
  total = jnp.maximum(weights.sum(axes), _LEAST)
  return (weights * (1 - allowed)).sum(axes) / total


def key(
  weights: Float[Array, 'b c p'], scale: Float[Array, 'b k']
) -> Float[Array, ' b']:
  """Returns the share that is outside of a scale, in any octave.

  Args:
    weights: Of pitches.
    scale: 1 for its pitch classes, else 0.
  """
  return outside(chroma(weights), scale[:, None])


def chord(
  weights: Float[Array, 'b c p'], chords: Float[Array, 'b m k']
) -> Float[Array, ' b']:
  """Returns the share that is outside of the chord of its beat.

  Args:
    weights: Of pitches; as many cells for each beat.
    chords: 1 for the tones of each beat's chord, else 0.
  """
  each = _by_beat(chroma(weights), chords.shape[1])
  return outside(each, chords[:, :, None])


def reach(
  weights: Float[Array, 'b c p'],
  low: Float[Array, ' b'],
  high: Float[Array, ' b'],
) -> Float[Array, ' b']:
  """Returns by how many octaves weights are out of a range, on average.

  Args:
    weights: Of pitches.
    low: Lowest MIDI pitch of each piece.
    high: Highest.
  """
  pitch = jnp.arange(weights.shape[-1])
  over = jnp.maximum(pitch - high[:, None], 0)
  under = jnp.maximum(low[:, None] - pitch, 0)
  by_pitch = weights.sum(1)
  total = jnp.maximum(by_pitch.sum(-1), _LEAST)
  return (by_pitch * (over + under)).sum(-1) / _CLASSES / total


def rhythm(
  onsets: Float[Array, 'b c p'], places: Float[Array, 'b o']
) -> Float[Array, ' b']:
  """Returns the share of onsets that are off a grid.

  Args:
    onsets: Weights of what begins; `c` is a multiple of `o`.
    places: 1 for the places in a beat where something may begin, else 0.
  """
  each = onsets.sum(-1).reshape(len(onsets), -1, places.shape[1])
  return outside(each, places[:, None])


def scale_of(roll: Float[Array, 'b c p']) -> Float[Array, 'b k']:
  """Returns the diatonic scale that holds most of what sounds in a piece."""
  return _best(chroma(roll).sum(1), _turned((_MAJOR,)))


def chords_of(roll: Float[Array, 'b c p'], beats: int) -> Float[Array, 'b m k']:
  """Returns the triad that holds most of what sounds in each beat."""
  sounds = _by_beat(chroma(roll), beats).sum(2)
  return _best(sounds, _turned(_TRIADS))


def range_of(
  roll: Float[Array, 'b c p'],
) -> tuple[Float[Array, ' b'], Float[Array, ' b']]:
  """Returns the lowest and the highest pitch that sounds; all, of silence."""
  sounds = (roll > 0).any(1)
  silent = ~sounds.any(-1)
  last = roll.shape[-1] - 1
  low = jnp.where(silent, 0, jnp.argmax(sounds, -1))
  high = last - jnp.where(silent, 0, jnp.argmax(sounds[:, ::-1], -1))
  return low.astype(jnp.float32), high.astype(jnp.float32)


def places_of(roll: Float[Array, 'b c p'], beats: int) -> Float[Array, 'b o']:
  """Returns the places in a beat where anything of a piece begins.

  Args:
    roll: Onsets.
    beats: Of the piece.
  """
  begins = (roll > 0).any(-1).reshape(len(roll), beats, -1)
  return begins.any(1).astype(jnp.float32)


def of_frames(name: str) -> _Loss:
  """Returns an auxiliary loss of a one-shot decoder's soft frames.

  It is what the frames have more of than the music itself has, which is not
  always inside of its own scale and chords: the mean over pieces. Chords and
  rhythms are those of slots, which are beats unless `model.latent.beats` is
  more.

  Args:
    name: One of `NAMES`.
  """
  excess = _EXCESS[name]

  def loss(outputs: Any, batch: Mapping[str, Any]) -> Float[Array, '']:
    del batch
    aux = oneshot.rolls(outputs, name)
    cells = aux['roll/cells']
    soft = {
      kind: jnp.where(cells[..., None], nn.sigmoid(aux[f'frames/{kind}']), 0)
      for kind in _KINDS
    }
    real = {kind: aux[f'roll/{kind}'] for kind in _KINDS}
    over = jnp.maximum(excess(soft, real, aux['kl_slots'].shape[1]), 0)
    some = cells.any(1)
    return jnp.where(some, over, 0).sum() / jnp.maximum(some.sum(), 1)

  return loss


def _key(soft: _Rolls, real: _Rolls, slots: int) -> Float[Array, ' b']:
  del slots
  scale = scale_of(real['sustain'])
  return key(soft['sustain'], scale) - key(real['sustain'], scale)


def _chord(soft: _Rolls, real: _Rolls, slots: int) -> Float[Array, ' b']:
  chords = chords_of(real['sustain'], slots)
  return chord(soft['sustain'], chords) - chord(real['sustain'], chords)


def _range(soft: _Rolls, real: _Rolls, slots: int) -> Float[Array, ' b']:
  del slots
  return reach(soft['sustain'], *range_of(real['sustain']))


def _rhythm(soft: _Rolls, real: _Rolls, slots: int) -> Float[Array, ' b']:
  return rhythm(soft['onset'], places_of(real['onset'], slots))


_EXCESS: Mapping[str, Callable[[_Rolls, _Rolls, int], Array]] = {
  'frames_key': _key,
  'frames_chord': _chord,
  'frames_range': _range,
  'frames_rhythm': _rhythm,
}
NAMES = tuple(_EXCESS)
"""Of the auxiliary losses."""


def _by_beat(
  values: Float[Array, 'b c k'], beats: int
) -> Float[Array, 'b m _ k']:
  b, cells, classes = values.shape
  return values.reshape(b, beats, cells // beats, classes)


def _turned(shapes: tuple[tuple[int, ...], ...]) -> Float[np.ndarray, '_ k']:
  """Returns the pitch classes of shapes on each root, 1 or 0."""
  rows = np.zeros((len(shapes), _CLASSES), np.float32)
  for row, shape in zip(rows, shapes, strict=True):
    row[list(shape)] = 1
  return np.concatenate([np.roll(rows, root, 1) for root in range(_CLASSES)])


def _best(
  sounds: Float[Array, '*n k'], choices: Float[np.ndarray, 'm k']
) -> Float[Array, '*n k']:
  """Returns which of the choices holds most, the first of equals."""
  return jnp.asarray(choices)[jnp.argmax(sounds @ choices.T, axis=-1)]
