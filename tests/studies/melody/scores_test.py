"""Scores against loops over all pairs of notes, and all frames."""

import math

import hypothesis
import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.csgraph
from hypothesis import strategies as st

from aurl_jax.studies.melody import scores
from aurl_jax.studies.melody.line import Line
from tests.studies.melody.melodies import line_of, lines


def shaken(found, late, wrong):
  """A line whose notes are late, and some of them wrong."""
  start = found.start + np.resize(late, len(found))
  start = np.maximum.accumulate(np.maximum(start, 0))
  pitch = found.pitch + np.resize(wrong, len(found))
  end = np.maximum(np.append(start[1:], found.end[-1:]), start)
  return Line(start * 2, (end - start) * 2, pitch, start, end)


shakes = st.lists(st.sampled_from([0, 0.02, -0.03, 0.2]), min_size=1)
wrongs = st.lists(st.sampled_from([0, 0, 12, 1]), min_size=1)


@hypothesis.given(lines(), shakes, wrongs)
def test_notes_are_the_largest_matching(truth, late, wrong):
  found = shaken(truth, late, wrong)
  fits = (np.abs(found.start[:, None] - truth.start) <= 0.05 + 1e-9) & (
    found.pitch[:, None] == truth.pitch
  )
  pairs = scipy.sparse.csgraph.maximum_bipartite_matching(
    scipy.sparse.csr_matrix(fits)
  )
  hits = int((pairs >= 0).sum())
  told = scores.notes(found, truth)
  assert told['note_precision'] == pytest.approx(hits / len(found))
  assert told['note_recall'] == pytest.approx(hits / len(truth))
  want = 2 * hits / (len(found) + len(truth))
  assert told['note_f'] == pytest.approx(want)


def at(found, second):
  for start, end, pitch in zip(
    found.start, found.end, found.pitch, strict=True
  ):
    if start <= second < end:
      return int(pitch)
  return None


@hypothesis.given(lines(most=8), shakes, wrongs)
def test_frames_are_counted_one_by_one(truth, late, wrong):
  found = shaken(truth, late, wrong)
  told = scores.frames(found, truth)
  last = max(found.end[-1], truth.end[-1])
  pairs = [
    (at(found, (n + 0.5) / 100), at(truth, (n + 0.5) / 100))
    for n in range(math.ceil(last * 100))
  ]
  voiced = [(f, t) for f, t in pairs if t is not None]
  same = sum(f == t for f, t in voiced)
  chroma = sum(f is not None and f % 12 == t % 12 for f, t in voiced)
  heard = sum(f is not None for f, _ in voiced)
  near = pytest.approx
  assert told['raw_pitch'] == near(same / len(voiced), abs=0.02)
  assert told['raw_chroma'] == near(chroma / len(voiced), abs=0.02)
  assert told['voicing_recall'] == near(heard / len(voiced), abs=0.02)


def test_silence():
  silent, tune = line_of([]), line_of([60, 62])
  told = scores.notes(silent, tune) | scores.frames(silent, tune)
  assert told['note_recall'] == told['raw_pitch'] == 0
  assert math.isnan(told['note_precision'])
  back = scores.notes(tune, silent) | scores.frames(tune, silent)
  assert math.isnan(back['raw_pitch'])
  assert back['voicing_false_alarm'] == 1
  nothing = scores.notes(silent, silent) | scores.frames(silent, silent)
  assert all(math.isnan(value) for value in nothing.values())
