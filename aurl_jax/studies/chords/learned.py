"""A small learned listener: what it says of each chord at each atom.

A perceptron of two hidden layers sees the facts of an atom (`facts`) from each
root in turn, with the same numbers, and gives a score for each quality. Its
numbers lie beside the code and are fitted by `tools/fit_chords.py`, of sets
whose licences let them go with the package. Axes: `a` atoms, `c` chords.
"""

import functools
import json
import pathlib

import numpy as np

from aurl_jax.music import chords as chords_lib
from aurl_jax.studies.chords import facts
from aurl_jax.studies.chords.atoms import Atoms
from aurl_jax.studies.chords.templates import turned

PATH = pathlib.Path(__file__).with_name('weights.json')
HIDDEN = (96, 48)
SHAPES: dict[str, tuple[int, ...]] = {
  'turned': (facts.TURNED * 12, HIDDEN[0]),
  'fixed': (facts.FIXED, HIDDEN[0]),
  'bias': (HIDDEN[0],),
  'second': HIDDEN,
  'second_bias': (HIDDEN[1],),
  'quality': (HIDDEN[1], len(chords_lib.QUALITIES)),
  'quality_bias': (len(chords_lib.QUALITIES),),
  'none': (HIDDEN[1],),
  'none_bias': (),
}
"""The numbers of the listener."""
LEAST = -9.0
"""Log chances below it are raised to it: the listener may be wrong."""


def scores(atoms: Atoms, levels: np.ndarray) -> np.ndarray:
  """Returns the log chance of each chord, [a, c] float64, `LEAST`..0.

  Args:
    atoms: Of a piece.
    levels: [a], of `pulse.Pulse`.
  """
  w = weights()
  turning, fixed = facts.tell(atoms, levels)
  count = len(atoms)
  seen = turning[:, :, turned()].transpose(0, 2, 1, 3)
  seen = seen.reshape(count * 12, SHAPES['turned'][0])
  first = (seen @ w['turned']).reshape(count, 12, HIDDEN[0])
  first += (fixed @ w['fixed'])[:, None] + w['bias']
  hidden = np.maximum(first, 0).reshape(count * 12, HIDDEN[0])
  hidden = np.maximum(hidden @ w['second'] + w['second_bias'], 0)
  result = np.empty((count, chords_lib.SIZE))
  quality = hidden @ w['quality'] + w['quality_bias']
  result[:, 1:] = quality.reshape(count, chords_lib.SIZE - 1)
  mean = hidden.reshape(count, 12, HIDDEN[1]).mean(axis=1)
  result[:, 0] = mean @ w['none'] + w['none_bias']
  result -= result.max(axis=1, keepdims=True, initial=-1e9)
  result -= np.log(np.exp(result).sum(axis=1, keepdims=True))
  return np.maximum(result, LEAST)


@functools.cache
def weights() -> dict[str, np.ndarray]:
  """Returns the numbers by name, float32, of `SHAPES`."""
  stored = json.loads(PATH.read_text())
  found = {}
  for name, shape in SHAPES.items():
    array = np.array(stored[name], np.float32).reshape(shape)
    array.setflags(write=False)
    found[name] = array
  return found
