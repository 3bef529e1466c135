"""How exactly notes are played: where they lie on the finest grid of a piece.

Who plays a line keeps to one manner: a sequencer's line begins and ends on the
grid to the tick, a hand's beside it, all its notes are as loud or as short.
The grid is found in the onsets alone, so nothing depends on ticks or tempos.
Axis: `n` notes, ascending by group.
"""

import dataclasses

import numpy as np

from aurl_jax.studies import groups
from aurl_jax.studies.groups import Played

FACTS = 8
_SHORTEST, _STEP = 0.1, 1.003
"""Seconds of the shortest period, and the ratio of one that is tried to the
next. They fill an octave: half a period fits wherever the period does."""
_IOI, _LAGS, _MOST = 1.0, 6, 1500
"""Seconds of the longest step that is looked at, from each note to how many
that follow, and how many steps are."""
_AROUND = 3.0
"""Seconds to either side in which the grid is steady."""
_EQUAL = 0.0043
"""Seconds by which lengths differ that are the same; no round number, so that
usual lengths lie on no edge."""


@dataclasses.dataclass(frozen=True)
class Grid:
  """The finest steady steps of a piece.

  Attributes:
    period: Seconds of a step, 0.1..0.2.
    beside: [n] how far each note begins beside it, radians of a step, -pi..pi.
    strength: [n] how much the onsets around keep to it, 0..1.
  """

  period: float
  beside: np.ndarray
  strength: np.ndarray


def grid(onset: np.ndarray) -> Grid:
  """Returns the grid of a piece.

  Args:
    onset: [n] seconds, nearly ascending; n > 0.
  """
  length = period(onset)
  angle = 2 * np.pi * (onset - onset[0]) / length
  order = np.argsort(onset, kind='stable')
  east, north = np.empty(len(onset)), np.empty(len(onset))
  east[order], _ = groups.local(onset[order], np.cos(angle[order]), _AROUND)
  north[order], _ = groups.local(onset[order], np.sin(angle[order]), _AROUND)
  beside = angle - np.arctan2(north, east)
  beside = np.arctan2(np.sin(beside), np.cos(beside))
  return Grid(length, beside, np.hypot(east, north))


def period(onset: np.ndarray) -> float:
  """Returns the seconds of a step that most times between onsets fill.

  Args:
    onset: [n] seconds, n > 0.

  Example:
    >>> round(period(np.array([0.0, 0.36, 0.54, 0.72, 1.08])), 2)
    0.18
  """
  tried = _SHORTEST * _STEP ** np.arange(np.log(2) / np.log(_STEP))
  ordered = np.sort(onset)
  steps = np.concatenate(
    [ordered[away:] - ordered[:-away] for away in range(1, _LAGS + 1)]
  )
  steps = steps[(steps > groups.TOGETHER) & (steps <= _IOI)]
  if not len(steps):
    return float(tried[-1])
  some = steps[
    np.linspace(0, len(steps) - 1, min(_MOST, len(steps))).astype(int)
  ]
  fit = np.cos(2 * np.pi * some[:, None] / tried).mean(axis=0)
  return float(tried[fit.argmax()])


def rows(heard: Played, began: np.ndarray) -> np.ndarray:
  """Returns the manner of each note, [n, FACTS] float64, -4..4.

  Args:
    heard: The notes; those of a group begin at once.
    began: [n] when each one begins indeed, seconds; n > 0.
  """
  length = heard.end - began
  found = grid(began)
  whole = 2 * np.pi * length / found.period
  alike = np.round(length / _EQUAL).astype(np.int64)
  late = (began - heard.onset) / groups.TOGETHER
  loud = np.bincount(heard.velocity)[heard.velocity] / len(began)
  columns = [
    2 * np.sin(found.beside),
    2 * np.cos(found.beside),
    found.strength,
    2 * np.sin(whole),
    2 * np.cos(whole),
    late,
    share(heard.onset, alike),
    loud,
  ]
  return np.clip(np.stack(columns, axis=1), -4, 4)


def share(onset: np.ndarray, values: np.ndarray) -> np.ndarray:
  """Returns the share of notes of the same value within 8 s, [n].

  Args:
    onset: [n] seconds, ascending.
    values: [n] whole numbers.
  """
  order = np.argsort(values, kind='stable')
  sorted_, value = onset[order], values[order]
  # One axis for both: time within a value, values far apart.
  far = float(onset[-1] - onset[0]) + 100.0
  place = sorted_ - onset[0] + value * far
  many = np.searchsorted(place, place + 8, side='right')
  many -= np.searchsorted(place, place - 8)
  found = np.empty(len(values))
  found[order] = many
  every = np.searchsorted(onset, onset + 8, side='right')
  every -= np.searchsorted(onset, onset - 8)
  return found / every
