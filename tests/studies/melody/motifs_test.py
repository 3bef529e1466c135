"""Motifs put there by hand are found, in whatever form they come back."""

import itertools

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.studies.melody.motifs import Finder
from tests.studies.melody.melodies import line_of, lines

THEME = np.array([60, 64, 62, 67, 65, 72, 71, 60])
LONG = np.array([1, 0.5, 0.5, 1, 1, 0.5, 0.5, 2])


def filling(rng):
  """Notes that are no motif: what comes back in them is chance."""
  return rng.integers(50, 80, 9), rng.choice([0.5, 1, 1.5], 9)


def with_theme(forms):
  """Returns a line with forms of the theme, and where they begin and end."""
  rng = np.random.default_rng(2)
  pitches, lengths, spans = [], [], []
  for pitch, long in forms:
    between, times = filling(rng)
    start = float(sum(lengths) + times.sum())
    pitches += [*between, *pitch]
    lengths += [*times, *long]
    spans.append((start, start + float(sum(long))))
  return line_of(pitches, lengths), spans


def agree(found, spans):
  """Which spans are among those of a motif, by half of their union."""
  hits = set()
  for place, (start, end) in enumerate(spans):
    for low, high in found.spans:
      common = min(end, high) - max(start, low)
      if common >= 0.7 * (max(end, high) - min(start, low)):
        hits.add(place)
  return hits


FORMS = {
  'transposed': (THEME + 5, LONG),
  'inverted': (2 * 65 - THEME, LONG),
  'augmented': (THEME - 3, LONG * 2),
}


@pytest.mark.parametrize('form', FORMS)
def test_each_form(form):
  line, spans = with_theme([(THEME, LONG), FORMS[form], (THEME, LONG)])
  found = Finder()(line)
  assert agree(found[0], spans) == {0, 1, 2}
  assert form in found[0].kinds or 'diminished' in found[0].kinds


def test_a_passing_note_and_a_wrong_one():
  passing = np.insert(THEME, 1, 62), np.insert(LONG, 0, 0.5) * 1.0
  passing[1][1] = 0.5
  wrong = THEME.copy()
  wrong[4] += 1
  line, spans = with_theme(
    [(THEME, LONG), passing, (wrong + 2, LONG), (THEME, LONG)]
  )
  assert agree(Finder()(line)[0], spans) == {0, 1, 2, 3}


def test_chance_is_no_motif():
  rng = np.random.default_rng(0)
  told = 0
  for _ in range(20):
    tune = line_of(rng.integers(48, 84, 80), rng.choice([0.5, 1, 1.5, 2], 80))
    told += len(Finder()(tune))
  assert told <= 1


@hypothesis.given(lines(most=80), st.integers(-20, 20))
def test_occurrences_are_apart_and_in_order(line, up):
  found = Finder()(line)
  for motif in found:
    starts, ends = motif.spans.T
    assert (ends > starts).all()
    assert (starts[1:] >= ends[:-1] - 1e-9).all()
    assert len(motif.spans) == len(motif.kinds) == len(motif.score) >= 2
    assert motif.beats[0] == motif.pitch[0] == 0
    assert (np.diff(motif.beats) >= 0).all()
    assert ((motif.score >= 0.5) & (motif.score <= 1)).all()
  saved = [motif.saved for motif in found]
  assert all(value >= 5 for value in saved)
  moved = type(line)(
    line.onset, line.duration, line.pitch + up, line.start, line.end
  )
  again = Finder()(moved)
  assert [m.spans.tolist() for m in again] == [m.spans.tolist() for m in found]


@hypothesis.given(st.lists(st.integers(50, 75), min_size=7, max_size=10))
def test_exact_repeats_cover_all(pitches):
  hypothesis.assume(len(set(pitches)) > 3)
  lengths = [1.0] * (len(pitches) - 1) + [3.0]
  found = Finder()(line_of(pitches * 4, lengths * 4))
  covered = sum(float(np.diff(m.spans, axis=1).sum()) for m in found)
  assert covered >= 0.6 * 4 * sum(lengths)


def test_a_rest_of_years_costs_nothing():
  rng = np.random.default_rng(4)
  between = rng.integers(50, 80, 6)
  pitches = [*THEME, *between, *THEME, *between[::-1], *THEME]
  lengths = [*LONG, *[1.5] * 5, 2e6, *LONG, *[0.5] * 5, 3e7, *LONG]
  found = Finder()(line_of(pitches, lengths))
  assert len(found[0].spans) == 3
  starts = np.append(0, np.cumsum(lengths))[[0, 14, 28]]
  np.testing.assert_allclose(found[0].spans[:, 0], starts, atol=0.1)


def test_too_short_for_any():
  assert Finder()(line_of([])) == ()
  assert Finder()(line_of([60, 62, 64])) == ()
  assert len(list(itertools.chain(Finder()(line_of([60] * 9))))) == 0
