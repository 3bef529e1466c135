"""Where phrases begin: the network by plain loops, and songs."""

import json
import math
import pathlib
import re

import hypothesis
import numpy as np
import pytest

from aurl_jax.music import midi
from aurl_jax.studies.structure import boundaries, evidence, lines, views
from tests.music.pieces import pieces
from tests.studies.structure import songs


def test_the_network_is_that_of_loops():
  rng = np.random.default_rng(0)
  around, facts = boundaries.AROUND, rng.normal(0, 3, (5, 3))
  weights = {
    'mean': rng.normal(size=3),
    'spread': 0.5 + rng.random(3),
    'one': rng.normal(size=(3, 2)),
    'one_bias': rng.normal(size=2),
    'two': rng.normal(size=(2 * len(around), 4)),
    'two_bias': rng.normal(size=4),
    'three': rng.normal(size=4),
    'three_bias': rng.normal(size=1),
  }
  found = boundaries.logits(facts, weights)
  hidden = {}
  for bar in range(5):
    scaled = [
      min(
        4, max(-4, (facts[bar, f] - weights['mean'][f]) / weights['spread'][f])
      )
      for f in range(3)
    ]
    hidden[bar] = [
      math.tanh(
        weights['one_bias'][h]
        + sum(scaled[f] * weights['one'][f, h] for f in range(3))
      )
      for h in range(2)
    ]
  for bar in range(5):
    wide = [v for off in around for v in hidden.get(bar + off, [0, 0])]
    top = [
      math.tanh(
        weights['two_bias'][k]
        + sum(v * weights['two'][i, k] for i, v in enumerate(wide))
      )
      for k in range(4)
    ]
    total = sum(top[k] * weights['three'][k] for k in range(4))
    assert found[bar] == pytest.approx(total + weights['three_bias'][0])


def test_the_weights_fit_the_facts():
  part = views.see(songs.song('AB'), songs.BAR * np.arange(17))
  weights = boundaries.fitted()
  assert evidence.facts(part).shape[1] == len(weights['mean'])
  assert sum(value.size for value in weights.values()) < 6500


@hypothesis.settings(deadline=None, max_examples=30)
@hypothesis.given(pieces(last=2000, ticks_per_beat=16))
def test_chances_are_chances(notes):
  if not len(notes):
    return
  part = views.see(notes, lines.heard(notes))
  found = boundaries.chances(part)
  assert found.shape == (len(part),)
  assert ((found >= 0) & (found <= 1)).all()
  assert boundaries.find(part)[0] == 0


def test_phrases_of_a_made_song_are_found():
  form = '-AABABB-'
  part = views.see(songs.song(form), songs.BAR * np.arange(65))
  found, truth = set(boundaries.find(part)[1:]), set(songs.starts(form)[1:])
  assert 2 * len(found & truth) / (len(found) + len(truth)) > 0.7


def test_phrases_of_songs_are_found(shared_data):
  scores = []
  for folder in sorted((shared_data / 'pop909' / 'valid').iterdir()):
    label = folder / 'structure' / 'alignment.json'
    facts = json.loads(label.read_text())
    if facts['melody_match'] >= 0.9:
      scores.append(score(folder, facts))
  assert len(scores) > 40
  # The annotators agree by 0.82.
  assert np.mean(scores) > 0.77


def score(folder: pathlib.Path, facts: dict) -> float:
  """F1 of exact bars against the first annotator."""
  notes = midi.read(folder / f'{folder.name}.mid').notes
  text = (folder / 'structure' / 'human_label1.txt').read_text()
  bars = [int(count) for count in re.findall(r'\d+', text)]
  truth = {sum(bars[:k]) for k in range(1, len(bars))}
  bar = facts['sixteenths_per_bar'] * notes.ticks_per_beat / 4
  first = facts['offset_16ths'] * notes.ticks_per_beat / 4
  edges = np.rint(first + bar * np.arange(sum(bars) + 1)).astype(np.int64)
  found = set(boundaries.find(views.see(notes, edges))[1:].tolist())
  return 2 * len(found & truth) / (len(found) + len(truth))
