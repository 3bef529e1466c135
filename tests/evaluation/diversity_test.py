"""How varied sets are, judged by BLEU in plain loops."""

import collections
import itertools
import math

import numpy as np
import pytest

from aurl_jax.evaluation import diversity
from aurl_jax.music.notes import Notes, Track
from tests.tokens import pieces


def line(pitches, gap=4):
  columns = {
    'onset': [gap * i for i in range(len(pitches))],
    'duration': 1,
    'pitch': list(pitches),
  }
  return Notes.build(4, columns)


def spelled(notes):
  """The words of each track, by loops over its onsets."""
  found = []
  for track in sorted(set(notes.track[~notes.is_drum].tolist())):
    top = {}
    for on, key, where in zip(
      notes.onset.tolist(), notes.pitch.tolist(), notes.track, strict=True
    ):
      if where == track:
        top[on] = max(top.get(on, 0), key)
    times = sorted(top)
    told = [
      (
        top[b] - top[a],
        min(48, round((b - a) * 12 / notes.ticks_per_beat)),
      )
      for a, b in itertools.pairwise(times)
    ]
    if told:
      found.append(told)
  return found


def bleu(number, texts):
  """BLEU of a piece against all others, orders 1 to 4."""
  logs = 0.0
  for order in (1, 2, 3, 4):
    grams = [
      collections.Counter(
        tuple(part[i : i + order])
        for part in text
        for i in range(len(part) - order + 1)
      )
      for text in texts
    ]
    own = grams.pop(number)
    if not own:
      continue
    hits = sum(min(n, max(g[key] for g in grams)) for key, n in own.items())
    logs += math.log(max(hits, 0.5) / sum(own.values())) / 4
  sizes = [sum(map(len, text)) for text in texts]
  size = sizes.pop(number)
  nearest = min(sizes, key=lambda other: abs(other - size))
  return math.exp(logs) * min(1, math.exp(1 - nearest / size))


def test_words_are_those_of_loops():
  for seed in range(20):
    notes = pieces.piece(seed, notes=30)
    assert diversity.words(notes) == spelled(notes)


def test_self_bleu_is_that_of_loops():
  found = [pieces.piece(seed, notes=30) for seed in range(8)]
  found += [found[0], line([60, 62, 64, 65, 67])]
  texts = [text for text in map(spelled, found) if text]
  wanted = np.mean([bleu(i, texts) for i in range(len(texts))])
  assert diversity.self_bleu(found) == pytest.approx(wanted)


def test_one_thing_over_and_over():
  tune = line([60, 62, 64, 65, 67, 65, 64])
  higher = line([65, 67, 69, 70, 72, 70, 69])
  assert diversity.self_bleu([tune, higher, tune]) == pytest.approx(1)
  other = line([60, 72, 61, 73, 62, 74], gap=3)
  assert diversity.self_bleu([tune, other]) < 0.2
  assert diversity.distinct([tune, higher], 2) == pytest.approx(1 / 2)
  assert diversity.distinct([tune, other], 2) > 0.7


def test_what_has_no_words():
  drums = Notes.build(
    4,
    {'onset': [0, 4], 'duration': 1, 'pitch': 38},
    tracks=[Track(is_drum=True)],
  )
  assert diversity.words(drums) == diversity.words(line([60])) == []
  assert math.isnan(diversity.self_bleu([drums, line([60, 61])]))
  assert math.isnan(diversity.distinct([drums]))
