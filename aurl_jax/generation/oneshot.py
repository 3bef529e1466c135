"""From the logits of a piano roll to notes that there can be.

A note begins where the onset is likelier than a threshold, and sounds as long
as cells behind it are likelier to sound than not, until it is struck again.
What sounds without having begun is left out (Hawthorne et al. 2018, "Onsets and
Frames", section 3.3): every note has a length, and no pitch sounds twice at
once. Axes: `b` pieces, `c` cells, `p` pitches.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, Int

from aurl_jax.generation.errors import RequestError
from aurl_jax.music.notes import Notes

_LOUD = 127


def struck(
  logits: Mapping[str, Float[Array, 'b c p']],
  onset: Float[Array, ''] | float = 0.5,
  sustain: Float[Array, ''] | float = 0.5,
) -> tuple[Bool[Array, 'b c p'], Int[Array, 'b c p'], Int[Array, 'b c p']]:
  """Returns where notes begin, and there their cells and MIDI velocities.

  Args:
    logits: As of `models.oneshot`.
    onset: Probability above which a note begins.
    sustain: Above which it sounds on.
  """
  begins = jax.nn.sigmoid(logits['onset']) > onset
  sounds = jax.nn.sigmoid(logits['sustain']) > sustain
  count = begins.shape[1]
  cell = jnp.arange(count, dtype=jnp.int32)[:, None]
  stops = jnp.where(begins | ~sounds, cell, count)
  after = jnp.pad(
    jax.lax.cummin(stops, axis=1, reverse=True)[:, 1:],
    ((0, 0), (0, 1), (0, 0)),
    constant_values=count,
  )
  loud = jnp.round(_LOUD * jax.nn.sigmoid(logits['velocity']))
  return begins, after - cell, jnp.clip(loud, 1, _LOUD).astype(jnp.int32)


def notes(
  begins: Bool[np.ndarray, 'b c p'],
  lengths: Int[np.ndarray, 'b c p'],
  velocities: Int[np.ndarray, 'b c p'],
  beat: int,
) -> Iterator[Notes]:
  """Yields the pieces that `struck` tells of, a track of piano each.

  Args:
    begins: Where notes begin.
    lengths: Their cells.
    velocities: Likewise.
    beat: Cells of a beat.
  """
  row, onset, pitch = np.nonzero(begins)
  at = row, onset, pitch
  length, velocity = lengths[at], velocities[at]
  edges = np.searchsorted(row, np.arange(len(begins) + 1))
  for first, last in itertools.pairwise(edges.tolist()):
    part = slice(first, last)
    columns = {
      'onset': onset[part],
      'duration': length[part],
      'pitch': pitch[part],
      'velocity': velocity[part],
    }
    yield Notes.build(beat, columns)


class Writer:
  """Writes rolls of latents, the rows divided over the local devices."""

  def __init__(self, model: Any, params: Any, rows: int) -> None:
    """Takes a model with a one-shot decoder.

    Args:
      model: It; a `Model`.
      params: Its parameters, which are kept on the devices.
      rows: Of latents that are handed in at once.
    """
    local = jax.local_devices()
    devices = local[: math.gcd(len(local), rows)]
    mesh = jax.make_mesh(
      (len(devices),), ('data',), (AxisType.Auto,), devices=devices
    )
    whole, self._rows = (
      NamedSharding(mesh, P(*axes)) for axes in ((), ('data',))
    )
    self._params = jax.device_put(params, whole)
    self._run = jax.jit(
      lambda params, told, *at: struck(model.frames(params, told), *at)
    )

  def __call__(
    self, latents: Any, onset: float, sustain: float
  ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns what `struck` finds in the frames of latents."""
    placed = jax.device_put(latents, self._rows)
    found = self._run(self._params, placed, onset, sustain)
    begins, lengths, loud = map(np.asarray, found)
    return begins, lengths, loud


def check(onset: float, sustain: float) -> None:
  """Raises RequestError unless thresholds are probabilities."""
  for name, value in (('onset', onset), ('sustain', sustain)):
    if not 0 < value < 1:
      raise RequestError(
        f'{name} {value} is no probability between 0 and 1', code='threshold'
      )
