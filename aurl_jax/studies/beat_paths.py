"""The best path of beats through a piece: a bar pointer, beat by beat.

A hidden semi-Markov model. A state is a beat: the frame at which it falls,
the length of the beat before it and its place in a bar of four (as the bar
pointer of Whiteley et al., "Bayesian modelling of temporal structure in
musical audio", ISMIR 2006, with tempos on whole frames and changes at beats
only: Krebs et al., "An efficient state-space model for joint tempo and meter
tracking", ISMIR 2015). Each onset says how well it fits each of the `4 * 24`
places of a bar.

Work is frames × lengths × (longest + 4 × reach), memory about 1 KB a frame.
Axes: `t` frames of 20 ms, `k` lengths of a beat, 4 beats of a bar, 24 places
of a beat.
"""

import dataclasses

import numpy as np

from aurl_jax.studies import weights
from aurl_jax.studies.onsets import MARKS, Onsets

FRAME = 0.02
"""Seconds of a frame."""
LAGS = np.arange(13, 76)
"""Frames a beat may last: 40 to 231 beats a minute."""
BAR = 4
PLACES = 24
_REACH = 4
"""Lengths up and down that the next beat may have."""
_NEVER = np.float32(-1e30)
_CHUNK = 1024


@dataclasses.dataclass(frozen=True)
class Model:
  """The fitted numbers, each already times its weight.

  Attributes:
    place: [96] of an onset at each place of a bar.
    marks: One [values, 96] for each mark of an onset.
    missed: [2, 4], of a beat of the bar without and with an onset on it.
    rate: Of an onset, times minus the logarithm of the beat's length.
    beat: Price of a beat.
    tempo: Coefficients of x and -x**2 a second, x the log of the length.
    change: Price of a change of tempo, times its logarithm.
    jump: Price of a bar that is no four beats.
  """

  place: np.ndarray
  marks: list[np.ndarray]
  missed: np.ndarray
  rate: float
  beat: float
  tempo: tuple[float, float]
  change: float
  jump: float

  @classmethod
  def load(cls) -> 'Model':
    """Returns the model that lies beside the code."""
    table = weights.load('beat_places').reshape(-1, BAR * PLACES)
    cuts = np.cumsum(MARKS)[:-1]
    rate, beat, slope, curve, change, jump = weights.load('beat_prices')
    return cls(
      place=table[0],
      marks=np.split(table[1:], cuts),
      missed=weights.load('beat_missed').reshape(2, BAR),
      rate=float(rate),
      beat=float(beat),
      tempo=(float(slope), float(curve)),
      change=float(change),
      jump=float(jump),
    )

  def scores(self, onsets: Onsets) -> np.ndarray:
    """Returns how well each onset fits each place, [e, 96] float32."""
    total = np.tile(self.place, (len(onsets), 1))
    for mark, table in enumerate(self.marks):
      total += table[onsets.marks[:, mark]]
    return total.astype(np.float32)


def best(onsets: Onsets, model: Model) -> tuple[np.ndarray, np.ndarray]:
  """Returns the beats from before the first onset to behind the last.

  Args:
    onsets: One or more, without long silences.
    model: The numbers.

  Returns:
    [b] float64, seconds on the frame grid; and [b] int64, places in the bar,
    0 for the downbeat.
  """
  pad = int(LAGS[-1])
  start = float(onsets.seconds[0]) - pad * FRAME
  frame = np.rint((onsets.seconds - start) / FRAME).astype(np.int64)
  lattice = _Lattice(model, onsets, frame)
  frames, places = lattice.run()
  return frames * FRAME + start, places


_BY_NEARNESS = sorted(range(-_REACH, _REACH + 1), key=abs)


def _price(reach: int, change: float) -> tuple[slice, slice, np.ndarray]:
  """Returns the lengths to and of which a tempo changes, and the prices."""
  to = slice(max(0, -reach), len(LAGS) - max(0, reach))
  of = slice(max(0, reach), len(LAGS) + min(0, reach))
  price = change * np.abs(np.log(LAGS[to] / LAGS[of]))
  return to, of, price.astype(np.float32)[:, None]


class _Lattice:
  """One forward and one backward pass."""

  def __init__(self, model: Model, onsets: Onsets, frame: np.ndarray) -> None:
    self._model = model
    self._last = int(frame[-1])
    self._size = self._last + 1 + int(LAGS[-1])
    room = self._size + _CHUNK + int(LAGS[-1]) + 1
    fit = np.zeros((BAR * PLACES, room), np.float32)
    np.add.at(fit.T, frame, model.scores(onsets))
    self._fit = fit.reshape(BAR, PLACES, room)
    counts = np.bincount(frame, minlength=room)
    self._sum = np.append(0, np.cumsum(counts)).astype(np.float32)
    near = np.convolve(counts[: self._size] > 0, np.ones(5), 'same') > 0
    self._on_beat = model.missed[near.astype(np.int64)].astype(np.float32)
    self._origin = np.zeros((self._size, len(LAGS), BAR), np.uint16)
    self._opens = np.zeros((int(LAGS[-1]), len(LAGS), BAR), np.bool_)

    self._prices = [_price(reach, model.change) for reach in _BY_NEARNESS]

  def run(self) -> tuple[np.ndarray, np.ndarray]:
    """Returns frames and places of the best path."""
    log = np.log(LAGS * FRAME)
    slope, curve = self._model.tempo
    a_second = slope * log - curve * log**2
    length = (a_second * LAGS * FRAME).astype(np.float32)
    opening = a_second.astype(np.float32)[:, None]
    kept = int(LAGS[-1] + LAGS[0])
    leaving = np.full((kept, len(LAGS), BAR), _NEVER)
    ends: list[tuple[float, int, tuple[int, int]]] = []
    for begin in range(0, self._size, _CHUNK):
      stop = min(begin + _CHUNK, self._size)
      ahead = self._ahead(begin, stop) + length[:, None]
      for low in range(begin, stop, int(LAGS[0])):
        frames = np.arange(low, min(low + int(LAGS[0]), stop))
        arriving = self._arriving(leaving, frames)
        self._open(arriving, frames, opening)
        leaves = self._change(arriving, frames)
        leaving[frames % kept] = leaves + ahead[frames - begin]
        ends += self._ends(arriving, frames)
    return self._back(*max(ends)[1:])

  def _ahead(self, begin: int, stop: int) -> np.ndarray:
    """Returns the score of a beat that starts at each frame, [t, k, 4]."""
    size, model = stop - begin, self._model
    scores = np.empty((size, len(LAGS), BAR), np.float32)
    next_beat = np.roll(self._fit[:, 0], -1, axis=0)
    for row, lag in enumerate(LAGS.tolist()):
      total = np.zeros((BAR, size), np.float32)
      for step in range(lag):
        place = round(step / lag * PLACES)
        part = self._fit[:, place] if place < PLACES else next_beat
        total += part[:, begin + step : stop + step]
      count = self._sum[begin + lag : stop + lag] - self._sum[begin:stop]
      total -= model.rate * np.log(lag * FRAME / 0.7) * count + model.beat
      scores[:, row] = total.T
    return scores

  def _arriving(self, leaving: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Returns the best score of a beat at each frame, [t, k, 4]."""
    source = frames[:, None] - LAGS
    score = leaving[source % len(leaving), np.arange(len(LAGS))]
    score[source < 0] = _NEVER
    return np.roll(score, 1, axis=2) + self._on_beat[frames][:, None]

  def _open(
    self, score: np.ndarray, frames: np.ndarray, opening: np.ndarray
  ) -> None:
    """Lets the piece begin at the frames before its first onset."""
    early = frames < len(self._opens)
    if early.any():
      opens = score[early] < opening
      self._opens[frames[early]] = opens
      score[early] = np.where(opens, opening, score[early])

  def _change(self, score: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Lets bar and tempo change, and notes where each state came from."""
    jump = score.max(axis=2, keepdims=True) - np.float32(self._model.jump)
    jumps = score < jump
    score = np.where(jumps, jump, score)
    came = np.broadcast_to(np.arange(BAR, dtype=np.uint16), score.shape)
    before = score.argmax(axis=2)[..., None].astype(np.uint16)
    came = np.where(jumps, before, came)
    came = (
      came + np.uint16(BAR) * np.arange(len(LAGS), dtype=np.uint16)[:, None]
    )
    result = np.full_like(score, _NEVER)
    origin = np.zeros(score.shape, np.uint16)
    for to, of, price in self._prices:
      offer = score[:, of] - price
      better = offer > result[:, to]
      np.copyto(result[:, to], offer, where=better)
      np.copyto(origin[:, to], came[:, of], where=better)
    self._origin[frames] = origin
    return result

  def _ends(
    self, score: np.ndarray, frames: np.ndarray
  ) -> list[tuple[float, int, tuple[int, int]]]:
    """Returns the best beat of each frame behind the last onset."""
    ends = []
    for row in np.flatnonzero(frames > self._last).tolist():
      lag, place = divmod(int(score[row].argmax()), BAR)
      ends.append(
        (float(score[row, lag, place]), int(frames[row]), (lag, place))
      )
    return ends

  def _back(
    self, frame: int, state: tuple[int, int]
  ) -> tuple[np.ndarray, np.ndarray]:
    """Returns frames and places of the beats up to this one."""
    lag, place = state
    path = [(frame, place)]
    while frame >= len(self._opens) or not self._opens[frame, lag, place]:
      frame -= int(LAGS[lag])
      place = (place - 1) % BAR
      path.append((frame, place))
      lag, place = divmod(int(self._origin[frame, lag, place]), BAR)
    frames, places = zip(*path[::-1], strict=True)
    return np.array(frames, np.int64), np.array(places, np.int64)
