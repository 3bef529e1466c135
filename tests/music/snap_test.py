"""Against fractions and loops, without the code that is judged."""

import fractions

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.music.notes import Notes
from aurl_jax.music.snap import Snap
from tests.music.pieces import pieces

F = fractions.Fraction


def plain(notes):
  """Onsets at 12 ticks a beat, where all divisions are whole."""
  assert notes.ticks_per_beat == 12
  beats = {}
  for onset in notes.onset.tolist():
    beats.setdefault(onset // 12, []).append(F(onset % 12, 12))

  def miss(place, parts):
    return min(abs(place - F(i, parts)) for i in range(parts + 1))

  moved = []
  for beat, places in beats.items():
    straight = sum(miss(place, 4) for place in places)
    triplet = sum(miss(place, 3) for place in places)
    parts = 3 if straight - triplet > F(1, 20) else 4
    for place in places:
      # Of two as near the later one.
      best = min(range(parts, -1, -1), key=lambda i: abs(place - F(i, parts)))
      moved.append(beat * 12 + best * 12 // parts)
  return sorted(moved)


@hypothesis.given(pieces(last=200, ticks_per_beat=12))
def test_onsets_as_the_plain_reading(notes):
  assert Snap()(notes).onset.tolist() == plain(notes)


@hypothesis.given(pieces(last=4000))
def test_whole_strength_is_idempotent(notes):
  once = Snap()(notes)
  once.check()
  assert Snap()(once) == once


@hypothesis.given(pieces(last=4000))
def test_no_strength_changes_nothing(notes):
  assert Snap(strength=0)(notes) == notes


@hypothesis.given(pieces(last=4000), st.floats(0, 1))
def test_notes_stay_sane(notes, strength):
  moved = Snap(strength=strength)(notes)
  assert len(moved) == len(notes)
  assert sorted(moved.pitch) == sorted(notes.pitch)
  assert (moved.duration == 0).sum() == (notes.duration == 0).sum()
  assert moved.texts == notes.texts
  # No onset moves further than half a sixteenth or half a triplet.
  furthest = strength * notes.ticks_per_beat / 6 + 1
  shift = np.abs(np.sort(moved.onset) - np.sort(notes.onset))
  assert (shift <= furthest).all()


def test_legato_stays_legato():
  played = Notes.build(
    480,
    {'onset': [9, 118, 247, 362], 'duration': [110, 130, 113, 120],
     'pitch': [60, 62, 64, 65]},
  )  # fmt: skip
  moved = Snap()(played)
  assert moved.onset.tolist() == [0, 120, 240, 360]
  assert moved.duration.tolist() == [120] * 4


def test_triplets_are_found_beside_sixteenths():
  onset = [0, 120, 240, 360, 480, 640, 800, 960]
  rng = np.random.default_rng(0)
  late = np.maximum(onset + rng.integers(-14, 15, 8), 0)
  played = Notes.build(480, {'onset': late, 'duration': 100, 'pitch': 60})
  assert Snap()(played).onset.tolist() == onset
  assert Snap().triplet_beats(played).tolist() == [1]
  assert not len(Snap(triplet=0).triplet_beats(played))


def test_half_way():
  played = Notes.build(480, {'onset': 20, 'duration': 220, 'pitch': 60})
  moved = Snap(strength=0.5)(played)
  assert (moved.onset[0], moved.duration[0]) == (10, 230)


@pytest.mark.parametrize(
  'options', [{'strength': 1.1}, {'straight': 0}, {'penalty': -1}]
)
def test_options_out_of_range(options):
  with pytest.raises(ValueError, match=r'must|division'):
    Snap(**options)
