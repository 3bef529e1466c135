"""What timing and loudness of a note go by: where and what it is.

`generation.humanise` draws by these, and `tools/measure_playing.py` measures
the numbers of `playing.json` by them. Axes: `n` notes, `g` onsets.
"""

import functools
import json
import pathlib
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from aurl_jax.music import time
from aurl_jax.music.notes import Notes
from aurl_jax.studies import voices

PLACES = ('downbeat', 'beat', 'backbeat', 'offbeat', 'between')
"""Of a bar: its first beat; the others; of an even number of beats the second,
fourth and so on; the middles of beats; all else."""
PITCHED = ('melody', 'bass', 'inner')
DRUMS = ('kick', 'snare', 'rim', 'hat', 'open', 'pedal', 'tom', 'ride', 'crash')
_HALF = 0.5
_NEAR = 0.02
"""Of a beat: what is nearer to a place than this stands there."""
_KIT = {
  'kick': (35, 36),
  'snare': (38, 40),
  'rim': (37, 39),
  'hat': (22, 42),
  'open': (26, 46),
  'pedal': (44,),
  'tom': (41, 43, 45, 47, 48, 50, 58),
  'ride': (51, 53, 59),
}
"""Drums by their notes in General MIDI, and those of the kit that was measured
(22, 26, 58); all others are taken for crashes."""
_PATH = pathlib.Path(__file__).with_name('playing.json')


class Noise(NamedTuple):
  """How something wanders: what is common to an onset, and what is not.

  Attributes:
    drift: Standard deviation of what changes slowly.
    stays: Its correlation over a beat.
    bar: Standard deviation of what returns with the bar.
    onset: Standard deviation of what is new at each onset.
    note: That of what each note has alone.
  """

  drift: float
  stays: float
  bar: float
  onset: float
  note: float


def places(notes: Notes) -> Int[np.ndarray, ' n']:
  """Returns the index into `PLACES` of each note.

  Example:
    >>> bar = Notes.build(
    ...   4, {'onset': [0, 1, 2, 4, 8], 'duration': 1, 'pitch': 60})
    >>> [PLACES[i] for i in places(bar)]
    ['downbeat', 'between', 'offbeat', 'backbeat', 'beat']
  """
  starts = time.bar_starts(notes, max(1, notes.end + 1))
  changes = time.meter_changes(notes)
  held = np.searchsorted([c[0] for c in changes], notes.onset, side='right') - 1
  counts = np.array([c[1] for c in changes])[held]
  units = np.array([4 / c[2] for c in changes])[held]
  bar = starts[np.searchsorted(starts, notes.onset, side='right') - 1]
  beats = (notes.onset - bar) / notes.ticks_per_beat
  return of_beats(beats / units, counts)


def of_beats(
  beats: Float[np.ndarray, ' n'], counts: Int[np.ndarray, ' n']
) -> Int[np.ndarray, ' n']:
  """Returns the same of places in bars.

  Args:
    beats: How many beats each is behind its bar line.
    counts: Beats of its bar.
  """
  whole = np.rint(beats)
  on = np.abs(beats - whole) < _NEAR
  half = np.abs(beats - np.floor(beats) - _HALF) < _NEAR
  back = (counts % 2 == 0) & (whole % 2 == 1)
  found = np.full(len(beats), PLACES.index('between'))
  found[half] = PLACES.index('offbeat')
  found[on] = PLACES.index('beat')
  found[on & back] = PLACES.index('backbeat')
  found[on & (whole == 0)] = PLACES.index('downbeat')
  return found


def roles(notes: Notes) -> Int[np.ndarray, ' n']:
  """Returns the index into `PITCHED` of each note, of drums into `DRUMS`.

  The melody is the most salient note of an onset (`studies.voices`), the bass
  the lowest of several that is not the melody.
  """
  found = np.full(len(notes), PITCHED.index('inner'))
  pitched = np.flatnonzero(~notes.is_drum)
  onset, pitch = notes.onset[pitched], notes.pitch[pitched]
  order = np.lexsort([pitch, onset])
  first = np.diff(onset[order], prepend=-1) > 0
  last = np.diff(onset[order], append=-1) != 0
  found[pitched[order[first & ~last]]] = PITCHED.index('bass')
  found[voices.melody(notes)] = PITCHED.index('melody')
  for name, keys in _KIT.items():
    found[notes.is_drum & np.isin(notes.pitch, keys)] = DRUMS.index(name)
  known = np.isin(notes.pitch, [key for keys in _KIT.values() for key in keys])
  found[notes.is_drum & ~known] = DRUMS.index('crash')
  return found


@functools.cache
def table() -> dict[str, Any]:
  """Returns the numbers of `playing.json`: what was measured, and of what."""
  found: dict[str, Any] = json.loads(_PATH.read_text('utf-8'))
  return found
