"""Quantised music as people play it: small timing, and loudness.

From measured statistics (`generation.playing`, `tools/measure_playing.py`), by
what a note is and where in the bar it stands. What is left is drawn: a drift
that all who play share, whose correlation falls over beats (an
Ornstein-Uhlenbeck process; timing to a click wanders like this, Hennig et al.
2011), and what each onset and each note has alone. A melody begins a little
before its chord. No onset leaves its cell, so that `transform.quantise` gives
the notes back, and no two notes change places. Axes: `n` notes, `g` onsets.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from aurl_jax.generation import playing
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.playing import Noise
from aurl_jax.music import time, transform
from aurl_jax.music.notes import Notes
from aurl_jax.music.rebuild import rebuilt

_CELLS = (4, 12, 24)
"""Cells a beat of the grids that music may be on, the coarsest first."""
_FINE = 480
"""Ticks a beat at least."""
_REACH = 0.45
"""Of a cell: as far as an onset or an end moves."""
_MELODY = playing.PITCHED.index('melody')
_MILLI = 1e-3


def humanise(notes: Notes, *, human: float | int = 1.0, seed: int = 0) -> Notes:
  """Returns a quantised piece as people might play it.

  Args:
    notes: The piece, on a grid of 16ths, or of 12 or 24 cells a beat.
    human: How much: 1 is as much as people, 0 nothing.
    seed: The same gives the same.

  Returns:
    The piece with at least 480 ticks a beat, which `transform.quantise` to
    the same grid gives back but for loudness. Its mean loudness is as it was,
    up to what 1..127 cut off.

  Raises:
    RequestError: The piece is on no such grid (code `human`): it has been
      played already, or is to be quantised first.
  """
  cells = _grid(notes)
  fine = -(-_FINE // notes.ticks_per_beat) * notes.ticks_per_beat
  if fine % cells:
    fine *= cells
  finer = transform.resample(notes, fine)
  if not len(finer) or not human:
    return finer
  rng = np.random.default_rng([seed, 31])
  kinds = playing.roles(finer), playing.places(finer)
  shared = _drawn_drift(finer, rng, 'timing', 'drums')
  ms = shared + _timing(finer, kinds, rng)
  onset = _moved(finer, human * ms * _MILLI, cells)
  loud = finer.velocity + human * _loudness(finer, kinds, rng)
  velocity = np.rint(loud).clip(1, 127).astype(np.int64)
  return transform.clip_overlaps(
    rebuilt(finer, {'onset': onset, 'velocity': velocity})
  )


def _grid(notes: Notes) -> int:
  """Returns the cells a beat of the coarsest grid that onsets stand on."""
  for cells in _CELLS:
    if not (notes.onset * cells % notes.ticks_per_beat).any():
      return cells
  raise RequestError(
    'only music on a grid of up to 24 cells a beat can be humanised, and this '
    'has been played already, it seems; quantise it first '
    '(music.transform.quantise), or leave it as it is',
    code='human',
  )


def _drawn_drift(
  notes: Notes, rng: np.random.Generator, what: str, kind: str
) -> Float[np.ndarray, ' n']:
  """Returns what all notes of an onset have in common, of each note.

  That is a drift, what returns with the bar, and what is new.
  """
  told = _noise(what, kind)
  onset, group = np.unique(notes.onset, return_inverse=True)
  beats = onset / notes.ticks_per_beat
  keeps = told.stays ** np.diff(beats, prepend=beats[0])
  fresh = rng.normal(size=len(onset)) * told.drift
  drift, last = np.zeros(len(onset)), 0.0
  for at in range(len(onset)):
    # Stationary: what is lost of the old is made up for by the new.
    new = fresh[at] * (1 - keeps[at] ** 2) ** 0.5 if at else fresh[0]
    last = keeps[at] * last + new
    drift[at] = last
  starts = time.bar_starts(notes, int(onset[-1]) + 1)
  bar = starts[np.searchsorted(starts, onset, side='right') - 1]
  _, place = np.unique(onset - bar, return_inverse=True)
  drift += told.bar * rng.normal(size=len(onset))[place]
  own = rng.normal(size=len(onset)) * told.onset
  return np.asarray((drift + own)[group])


def _noise(what: str, kind: str) -> Noise:
  told = playing.table()[what][kind]
  return Noise(*(told[name] for name in Noise._fields))


def _timing(
  notes: Notes,
  kinds: tuple[Int[np.ndarray, ' n'], Int[np.ndarray, ' n']],
  rng: np.random.Generator,
) -> Float[np.ndarray, ' n']:
  """Returns what each note is late by alone, ms."""
  role, place = kinds
  told = playing.table()['timing']
  means, chord = np.array(told['drums']['means']), told['pitched']
  own = rng.normal(size=len(notes))
  of_drums = means[np.where(notes.is_drum, role, 0), place]
  of_drums = of_drums + own * told['drums']['note']
  leads = (role == _MELODY) & (_at_once(notes) > 1)
  of_pitched = own * chord['note'] - leads * chord['lead']
  return np.where(notes.is_drum, of_drums, of_pitched)


def _at_once(notes: Notes) -> Int[np.ndarray, ' n']:
  """Returns how many notes begin together with each."""
  _, group, count = np.unique(
    notes.onset, return_inverse=True, return_counts=True
  )
  return np.asarray(count[group])


def _loudness(
  notes: Notes,
  kinds: tuple[Int[np.ndarray, ' n'], Int[np.ndarray, ' n']],
  rng: np.random.Generator,
) -> Float[np.ndarray, ' n']:
  """Returns what each note is louder by; on average nothing, of each kind."""
  role, place = kinds
  found = np.zeros(len(notes))
  for kind, chosen in (('drums', notes.is_drum), ('pitched', ~notes.is_drum)):
    drift = _drawn_drift(notes, rng, 'loudness', kind)
    own = rng.normal(size=len(notes))
    if not chosen.any():
      continue
    told: dict[str, Any] = playing.table()['loudness'][kind]
    pitch = notes.pitch[chosen]
    louder = np.array(told['means'])[role[chosen], place[chosen]]
    louder = louder + told['octave'] * (pitch - pitch.mean()) / 12
    louder = louder + drift[chosen] + told['note'] * own[chosen]
    found[chosen] = louder - louder.mean()
  return found


def _moved(
  notes: Notes, late: Float[np.ndarray, ' n'], cells: int
) -> Int[np.ndarray, ' n']:
  """Returns onsets, each within its cell; ends go with them.

  Where a pitch is struck again as it ends, both may move half as far, so that
  no more than half a cell is cut off.
  """
  cell = notes.ticks_per_beat / cells
  reach = np.where(_struck_again(notes), _REACH / 2, _REACH)
  most = (reach * cell).astype(np.int64)
  seconds = time.ticks_to_seconds(notes, notes.onset)
  there = time.seconds_to_ticks(notes, np.maximum(seconds + late, 0))
  return np.asarray(notes.onset + (there - notes.onset).clip(-most, most))


def _struck_again(notes: Notes) -> Bool[np.ndarray, ' n']:
  """Returns which notes end where their pitch begins anew, or begin there."""
  order = np.lexsort([notes.onset, notes.pitch, notes.track])
  one, two = order[:-1], order[1:]
  meets = (notes.track[one] == notes.track[two]) & (
    notes.pitch[one] == notes.pitch[two]
  )
  ends = (notes.onset + notes.duration)[one]
  meets &= notes.onset[two] - ends < notes.ticks_per_beat / 4
  found = np.zeros(len(notes), np.bool_)
  found[one[meets]] = True
  found[two[meets]] = True
  return found
