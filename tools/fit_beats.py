"""Fits the numbers of the beat tracker, from POP909's training songs alone.

Called by `tools/fit_studies.py`. Counts tell how well onsets of each mark fit
each place of a bar (naive Bayes); a softmax over readings of the same song
(true beats against double, half, off-beat and 3:2 ones, in all phases of the
bar) then weighs these facts, so that they count for no more than they are
worth; `SHARPNESS`, `CHANGE` and `JUMP` were tried on every twelfth song.
Axes: `c` readings of a song, `f` facts.
"""

import numpy as np

from aurl_jax.studies.beat_paths import BAR, PLACES
from aurl_jax.studies.onsets import MARKS, Onsets

SHARPNESS = 0.6
"""Weight of a place; all others follow."""
CHANGE, JUMP = 60.0, 8.0
_NEAR = 0.045
"""Seconds within which an onset is on a beat."""
_SECONDS = 230
"""Of a song: its one prior of tempo becomes one a second."""

Song = tuple[Onsets, np.ndarray, np.ndarray]
"""Onsets, seconds of the beats, and their places in the bar (-1: unknown)."""


def song(onsets: Onsets, rows: np.ndarray) -> Song | None:
  """Returns a song from the rows of `beat_midi.txt`, if its bars are of four.

  Args:
    onsets: Of the song.
    rows: [beats, 3]: seconds, first of two, downbeat.
  """
  down = np.flatnonzero(rows[:, 2] > 0)
  if len(down) < 2 or np.median(np.diff(down)) != BAR:
    return None
  before = np.searchsorted(down, np.arange(len(rows)), side='right') - 1
  place = np.arange(len(rows)) - down[np.maximum(before, 0)]
  place[: down[0]] %= BAR
  return onsets, rows[:, 0], np.where(place < BAR, place, -1)


def fit(songs: list[Song]) -> dict[str, list[float]]:
  """Returns the arrays `beat_places`, `beat_missed` and `beat_prices`."""
  place, marks, missed = _count(songs)
  facts = np.stack([_readings(one, place, marks, missed) for one in songs])
  weight = _weigh(facts)
  weight *= SHARPNESS / weight[0]
  table = [weight[0] * place]
  table += [w * m for w, m in zip(weight[1:], marks, strict=False)]
  last = len(MARKS) + 1
  rate, beat, on_beat, slope, curve = weight[last:]
  prices = [rate, beat, slope / _SECONDS, curve / _SECONDS, CHANGE, JUMP]
  return {
    'beat_places': np.concatenate([np.atleast_2d(t) for t in table])
    .round(2).ravel().tolist(),
    'beat_missed': (on_beat * missed).round(3).ravel().tolist(),
    'beat_prices': np.round(prices, 3).tolist(),
  }  # fmt: skip


def _count(
  songs: list[Song],
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
  """Returns log odds: [96] of places, [v, 96] of marks, [2, 4] of beats."""
  places = np.zeros(BAR * PLACES)
  marks = [np.zeros((size, BAR * PLACES)) for size in MARKS]
  beats = np.zeros((2, BAR))
  for onsets, seconds, bar in songs:
    use, where = _places(onsets.seconds, seconds, bar)
    places += np.bincount(where[use], minlength=len(places))
    for mark, table in enumerate(marks):
      np.add.at(table, (onsets.marks[use, mark], where[use]), 1)
    heard = (seconds > onsets.seconds[0] - 0.1) & (bar >= 0)
    heard &= seconds < onsets.seconds[-1] + 0.1
    near = _gap(onsets.seconds, seconds) < _NEAR
    np.add.at(beats, (near[heard].astype(int), bar[heard]), 1)
  share = _smooth(places) / places.sum()
  share = 0.8 * share + 0.2 / len(share)
  odds = []
  for table in marks:
    total = table.sum(axis=1, keepdims=True)
    table = _smooth(table) + 20 * total / total.sum()
    odds.append(np.log(table / table.sum(axis=0)))
    odds[-1] -= np.log(table.sum(axis=1, keepdims=True) / table.sum())
  missed = np.log(beats / beats.sum(axis=0) / np.array([[0.3], [0.7]]))
  return np.log(share * len(share)), odds, missed


def _smooth(counts: np.ndarray) -> np.ndarray:
  steps = np.arange(-4, 5)
  window = np.exp(-0.5 * (steps / 0.7) ** 2)
  window /= window.sum()
  parts = zip(window, steps.tolist(), strict=True)
  return sum(w * np.roll(counts, s, axis=-1) for w, s in parts)


def _places(
  onset: np.ndarray, beats: np.ndarray, bar: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns which onsets lie between beats of known place, and where."""
  at = np.searchsorted(beats, onset, side='right') - 1
  inside = (at >= 0) & (at < len(beats) - 1)
  at = at.clip(0, len(beats) - 2)
  part = np.rint((onset - beats[at]) / (beats[at + 1] - beats[at]) * PLACES)
  where = bar[at] * PLACES + part.clip(0, PLACES).astype(np.int64)
  return inside & (bar[at] >= 0), where % (BAR * PLACES)


def _gap(onset: np.ndarray, beats: np.ndarray) -> np.ndarray:
  """Returns how far each beat is from an onset."""
  at = np.searchsorted(onset, beats).clip(1, len(onset) - 1)
  return np.minimum(np.abs(onset[at] - beats), np.abs(onset[at - 1] - beats))


def _readings(
  one: Song, place: np.ndarray, marks: list[np.ndarray], missed: np.ndarray
) -> np.ndarray:
  """Returns the facts of each reading, [c, f]; the first four are true."""
  onsets, beats, _ = one
  half = (beats[1:] + beats[:-1]) / 2
  double = np.sort(np.append(beats, half))
  third = np.interp(
    np.arange(0, len(beats) - 1, 1 / 3), np.arange(len(beats)), beats
  )
  grids = [
    beats, double, beats[::2], beats[1::2], half, double[1::4], double[3::4],
    third, third[::2], third[1::2], third[::4],
  ]  # fmt: skip
  rows = []
  for grid in grids:
    for phase in range(BAR):
      bar = (np.arange(len(grid)) + phase) % BAR
      use, where = _places(onsets.seconds, grid, bar)
      where, kinds = where[use], onsets.marks[use]
      lengths = np.diff(grid)
      at = np.searchsorted(grid, onsets.seconds[use], side='right') - 1
      inside = (grid >= onsets.seconds[0] - 0.1) & (
        grid <= onsets.seconds[-1] + 0.1
      )
      near = (_gap(onsets.seconds, grid) < _NEAR).astype(int)
      length = np.log(np.median(lengths))
      rows.append(
        [
          place[where].sum(),
          *(t[kinds[:, m], where].sum() for m, t in enumerate(marks)),
          -np.log(lengths[at] / 0.7).sum(),
          -inside.sum(),
          missed[near, bar][inside].sum(),
          length,
          -(length**2),
        ]
      )
  return np.array(rows)


def _weigh(facts: np.ndarray, steps: int = 3000) -> np.ndarray:
  """Returns the weights of the facts, [f]; those of music are not negative.

  Args:
    facts: [songs, c, f].
    steps: Of Adam.
  """
  scale = np.ones(facts.shape[2])
  scale[:-2] = 100
  facts = facts / scale
  weight, mean, square = np.eye(len(scale))[0], 0.0, 0.0
  for step in range(1, steps + 1):
    score = facts @ weight
    chance = np.exp(score - score.max(axis=1, keepdims=True))
    chance /= chance.sum(axis=1, keepdims=True)
    right = np.where(np.arange(chance.shape[1]) < BAR, chance, 0)
    right /= np.maximum(right.sum(axis=1, keepdims=True), 1e-300)
    slope = np.einsum('sc,scf->f', right - chance, facts) / len(facts)
    slope -= 0.3 * weight / len(facts)
    mean = 0.9 * mean + 0.1 * slope
    square = 0.999 * square + 0.001 * slope**2
    root = np.sqrt(square / (1 - 0.999**step)) + 1e-8
    weight = weight + 0.02 * mean / (1 - 0.9**step) / root
    weight[:-2] = np.maximum(weight[:-2], 0)
  return weight / scale
