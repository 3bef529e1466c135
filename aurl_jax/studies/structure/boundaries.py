"""Where phrases begin: a small network over the facts of bar lines.

Each bar line's facts (`structure.evidence`) become 16 numbers, those of 13
lines around it become 12, and these a chance: 5,600 weights, fitted to the
phrase labels of POP909's training songs (`tools/fit_structure.py`; labels of
Dai et al., 2020, MIT licence; the target is the share of the two annotators
who have a boundary there). A boundary is where the chance is high enough.

A search for the best lengths of phrases on top of it (a semi-Markov path, with
lengths as frequent as in the labels) did not help on training songs that were
held out: what lengths are usual the network has learned. Axes: `m` bars, `f`
facts.
"""

import functools
import json
import pathlib

import numpy as np

from aurl_jax.studies.structure import evidence
from aurl_jax.studies.structure.views import Views

PATH = pathlib.Path(__file__).with_name('fitted.json')
AROUND = (-8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8)
"""Bars, from a line to those whose facts are weighed with its own."""
CLIP = 4.0
"""Standard deviations beyond which a fact counts no more."""
ENOUGH = 0.45
"""Chance of a boundary; chosen on training songs that were held out."""


def find(views: Views, enough: float = ENOUGH) -> np.ndarray:
  """Returns the first bar of each phrase, [s] int64; the first one is 0."""
  return starts(chances(views), enough)


def starts(chance: np.ndarray, enough: float = ENOUGH) -> np.ndarray:
  """Returns the bars, 0 and those whose chance is high enough, [s] int64.

  Example:
    >>> starts(np.array([0.0, 0.1, 0.7])).tolist()
    [0, 2]
  """
  if not len(chance):
    return np.zeros(0, np.int64)
  return np.append(0, 1 + np.flatnonzero(chance[1:] >= enough))


def chances(views: Views) -> np.ndarray:
  """Returns how likely a phrase begins with each bar, [m], 0..1; bar 0: 1."""
  if not len(views):
    return np.zeros(0)
  found = logits(evidence.facts(views), fitted())
  chance = 1 / (1 + np.exp(-found))
  chance[0] = 1
  return chance


def logits(facts: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
  """Returns log odds of a boundary at each bar, [m].

  Args:
    facts: [m, f].
    weights: `mean`, `spread` [f]; `one` [f, h], `one_bias` [h]; `two`
      [13 * h, k], `two_bias` [k]; `three` [k], `three_bias` [1].
  """
  scaled = (facts - weights['mean']) / weights['spread']
  hidden = np.clip(scaled, -CLIP, CLIP) @ weights['one'] + weights['one_bias']
  edge = AROUND[-1]
  padded = np.pad(np.tanh(hidden), ((edge, edge), (0, 0)))
  near = [padded[edge + off : edge + off + len(facts)] for off in AROUND]
  wide = np.concatenate(near, axis=1) @ weights['two'] + weights['two_bias']
  return np.asarray(np.tanh(wide) @ weights['three'] + weights['three_bias'])


@functools.cache
def fitted() -> dict[str, np.ndarray]:
  """Returns the weights that come with the code."""
  stored = json.loads(PATH.read_text('utf-8'))
  return {name: np.array(rows, np.float64) for name, rows in stored.items()}
