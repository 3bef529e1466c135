"""By how much one set of pieces varies more like music than another does."""

from collections.abc import Mapping, Sequence

import numpy as np

from aurl_jax.evaluation import musical, overlap
from aurl_jax.evaluation.bootstrap import Interval
from aurl_jax.evaluation.overlap import Described
from aurl_jax.music.notes import Notes


def gains(
  one: Sequence[Notes],
  other: Sequence[Notes],
  music: Sequence[Notes],
  *,
  features: Sequence[str] = overlap.USUAL,
  samples: int = 200,
  level: float = 0.95,
  seed: int = 0,
) -> Mapping[str, Interval]:
  """Returns by how much the overlap with music is larger, feature by feature.

  The mean of both directions (`overlap.Overlap`). Intervals are percentiles of
  the bootstrap over pairs: if 0 lies outside, the gain is none of chance.

  Args:
    one: Pieces.
    other: As many; a piece and the one at its place are drawn together.
    music: What both are compared with.
    features: Some of `musical.FEATURES`.
    samples: Of the bootstrap.
    level: Share of intervals that hold the truth.
    seed: Of the draws.

  Raises:
    ValueError: The sets differ in size, or there are fewer than two pairs.
  """
  if len(one) != len(other) or len(one) < 2:
    raise ValueError(
      f'sets of {len(one)} and {len(other)} pieces make no pairs; give as many '
      'of each, two or more'
    )
  sets = [[musical.features(notes) for notes in set_] for set_ in (one, other)]
  true = [musical.features(notes) for notes in music]
  rows = np.arange(len(one))
  rng = np.random.default_rng(seed)
  draws = rng.integers(0, len(one), (samples, len(one)))
  return {
    feature: _interval(
      [_gain(sets, true, feature, drawn) for drawn in (rows, *draws)], level
    )
    for feature in features
  }


def _gain(
  sets: Sequence[Sequence[Described]],
  true: Sequence[Described],
  feature: str,
  rows: np.ndarray,
) -> float:
  """Returns the gain of some pairs."""
  # Names of music are below 0: no piece of a set is one of them.
  names = rows.tolist(), list(range(-len(true), 0))
  one, other = (
    overlap.of_features([set_[row] for row in rows], true, feature, names).mean
    for set_ in sets
  )
  return one - other


def _interval(found: Sequence[float], level: float) -> Interval:
  """Returns the interval of a figure, told first, and those of draws."""
  low, high = np.quantile(found[1:], [(1 - level) / 2, (1 + level) / 2])
  return Interval(found[0], float(low), float(high))
