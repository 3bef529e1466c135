"""The generator plants what it says, and its judge counts what is there."""

import importlib

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures('tool_folder')


def tune(seed, many=120):
  rng = np.random.default_rng(seed)
  length = rng.choice([0.5, 1.0], many)
  onset = np.append(0, np.cumsum(length))[:-1]
  return np.stack([onset, length, rng.integers(55, 80, many)], axis=1)


@pytest.mark.parametrize('level', ['none', 'light', 'heavy'])
def test_planted_motifs_are_there(level):
  tool = importlib.import_module('plant_motifs')
  rng = np.random.default_rng(0)
  motif = tool.draw_motif(tune(1), rng)
  made = tool.plant(tune(2), motif, rng, tool.LEVELS[level])
  made.notes.check()
  assert (made.spans[1:, 0] >= made.spans[:-1, 1]).all()
  ends = made.tune[:, 0] + made.tune[:, 1]
  assert (made.tune[1:, 0] >= ends[:-1] - 1e-6).all()
  steps = np.diff(motif[:, 2])
  for (start, end), kind in zip(made.spans, made.kinds, strict=True):
    inside = (made.tune[:, 0] >= start) & (made.tune[:, 0] < end)
    pitch = made.tune[inside, 2]
    if level == 'none' and kind in ('same', 'transposed'):
      assert np.diff(pitch).tolist() == steps.tolist()
    if level == 'none' and kind == 'inverted':
      assert np.diff(pitch).tolist() == (-steps).tolist()
    if level == 'none' and kind == 'ornamented':
      assert len(pitch) > len(motif)


def test_the_judge():
  tool = importlib.import_module('plant_motifs')
  rng = np.random.default_rng(0)
  motif = tool.draw_motif(tune(1), rng)
  host = tune(2)
  made = tool.plant(host, motif, rng, tool.LEVELS['none'])
  told = tool.judged(made, [made.spans])
  assert told['recalled'] == told['true'] == told['planted'] == 5
  assert told['false'] == told['native'] == 0
  # What is neither planted nor heard again is false.
  gap = made.spans[1:, 0] - made.spans[:-1, 1]
  free = int(gap.argmax())
  start = made.spans[free, 1]
  wrong = np.array([[start, start + gap[free] * 0.9]])
  told = tool.judged(made, [np.concatenate([made.spans[:2], wrong])])
  assert (told['true'], told['false'], told['recalled']) == (2, 1, 2)
  # Two motifs that share the planted ones do not add up.
  told = tool.judged(made, [made.spans[:2], made.spans[2:]])
  assert told['recalled'] == 3


def test_a_repeat_of_the_tune_is_native():
  tool = importlib.import_module('plant_motifs')
  rng = np.random.default_rng(0)
  host = tune(3)
  again = host.copy()
  again[:, 0] += host[-1, 0] + host[-1, 1]
  both = np.concatenate([host, again])
  motif = tool.draw_motif(tune(1), rng)
  made = tool.Planted(both, np.zeros((0, 2)), (), motif)
  half = again[0, 0]
  spans = np.array([[10.0, 16.0], [half + 10, half + 16]])
  told = tool.judged(made, [spans])
  assert (told['native'], told['false']) == (2, 0)
