"""The lattice against all paths of a tiny model, scored by hand."""

import dataclasses
import itertools

import numpy as np
import pytest

from aurl_jax.studies import beat_paths
from aurl_jax.studies.onsets import MARKS, Onsets


def regular(count, length, start=0.0):
  seconds = start + length * np.arange(count)
  return Onsets(seconds, np.zeros((count, len(MARKS)), np.int64))


def score(model, onsets, beats, places):
  """The score of a path, by the definition of the model."""
  fits = model.scores(onsets)
  lags = np.diff(beats)
  slope, curve = model.tempo
  rate = [slope * x - curve * x * x for x in np.log(lags * beat_paths.FRAME)]
  total = rate[0]
  pad = int(beat_paths.LAGS[-1])
  frames = np.rint((onsets.seconds - onsets.seconds[0]) / beat_paths.FRAME)
  frames = frames.astype(int) + pad
  for at, lag in enumerate(lags):
    seconds = lag * beat_paths.FRAME
    total += rate[at] * seconds - model.beat
    for frame, fit in zip(frames, fits, strict=True):
      if beats[at] <= frame < beats[at + 1]:
        place = round((frame - beats[at]) / lag * 24) + 24 * places[at]
        total += fit[place % 96] - model.rate * np.log(seconds / 0.7)
    if at:
      total -= model.change * abs(np.log(lag / lags[at - 1]))
    near = np.abs(frames - beats[at + 1]).min() <= 2
    total += model.missed[int(near), places[at + 1]]
  return total


def test_no_other_path_is_better():
  model = dataclasses.replace(beat_paths.Model.load(), jump=1e6)
  onsets = regular(5, 0.3)
  seconds, places = beat_paths.best(onsets, model)
  start = onsets.seconds[0] - beat_paths.LAGS[-1] * beat_paths.FRAME
  beats = np.rint((seconds - start) / beat_paths.FRAME).astype(int)
  found = score(model, onsets, beats, places)
  last = int(np.rint(1.2 / beat_paths.FRAME)) + beat_paths.LAGS[-1]
  random = np.random.default_rng(0)
  for _ in range(3000):
    first = int(random.integers(0, beat_paths.LAGS[-1]))
    lag, path = int(random.choice(beat_paths.LAGS)), [first]
    while path[-1] <= last:
      path.append(path[-1] + lag)
      near = np.clip(lag + random.integers(-2, 3), 13, 75)
      lag = int(near)
    bar = (np.arange(len(path)) + random.integers(0, 4)) % 4
    assert score(model, onsets, np.array(path), bar) <= found + 1e-2


@pytest.mark.parametrize('length', [0.4, 0.6, 0.8])
def test_a_metronome(length):
  seconds, _ = beat_paths.best(regular(40, length), beat_paths.Model.load())
  gaps = np.diff(seconds[2:-2])
  # Any level of the meter will do, but it must be one and stay.
  ratio = np.median(gaps) / length
  assert min(abs(np.log2(ratio) - n) for n in (-1, 0, 1)) < 0.06
  assert gaps.max() - gaps.min() <= 0.041


def test_places_follow_each_other():
  random = np.random.default_rng(1)
  seconds = np.cumsum(random.uniform(0.1, 0.9, 60))
  marks = random.integers(0, 4, (60, len(MARKS)))
  model = dataclasses.replace(beat_paths.Model.load(), jump=1e6)
  beats, places = beat_paths.best(Onsets(seconds, marks), model)
  assert ((np.diff(places) % 4) == 1).all()
  lags = np.rint(np.diff(beats) / beat_paths.FRAME)
  assert set(lags) <= set(beat_paths.LAGS)
  steps = [abs(b - a) for a, b in itertools.pairwise(lags)]
  assert max(steps) <= 4
