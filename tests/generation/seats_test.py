"""Masks of notes, one by one, against a plain walk through all notes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.generation import wishes
from aurl_jax.generation.seats import Seat
from aurl_jax.generation.wish import Wish
from aurl_jax.tokens.compound import Compound

TOKENIZER = Compound(voices=2, cells_per_beat=2, bar_beats=4)
CELLS, VOICES = 8, 2
C_MAJOR = {0, 2, 4, 5, 7, 9, 11}
PIANO = range(60, 66)
DRUMS = range(36, 39)


def seats_of(**wish):
  wish = Wish(
    key='C',
    ranges=((0, (60, 65)), ('drums', (36, 38))),
    meter=(4, 4),
    **wish,
  )
  steps = wishes.constraints(TOKENIZER, wish, 2)[0]
  return steps.seats


def state_of(seats, notes):
  """The state in bar 1 after notes (cell, program, voice, pitch, length)."""
  bar = np.zeros(len(TOKENIZER.codec.fields), np.int32)
  bar[0] = TOKENIZER.codec.id('bar')
  bar[2] = TOKENIZER.codec.id('meter', TOKENIZER.grid.meters.index((4, 4)), 2)
  state = seats.opened(seats.init())
  state = seats.told(state, jnp.asarray(bar))._replace(left=state.left)
  for note in notes:
    seat = Seat(*(jnp.int32(part) for part in note[:4]))
    state = seats.begun(state, seat, jnp.int32(note[4]))
  return state


def possible(notes, onsets, polyphony, each):
  """All notes that may follow: walked through, with the wish in numbers."""
  last = notes[-1][:4] if notes else (-1, -1, -1, -1)
  found = []
  for cell in range(max(last[0], 0), CELLS):
    sounding = [n for n in notes if n[1] != 128 and n[0] <= cell < n[0] + n[4]]
    for program, pitches in ((0, PIANO), (128, DRUMS)):
      for voice in range(VOICES):
        own = [n for n in sounding if n[2] == voice]
        crowded = len(sounding) >= polyphony or len(own) >= each
        for pitch in pitches:
          foreign = program == 0 and pitch % 12 not in C_MAJOR
          full = program == 0 and crowded
          note = (cell, program, voice, pitch)
          if cell in onsets and not (foreign or full) and note > last:
            found.append(note)
  return found


PLACES = [
  (),
  ((0, 0, 0, 60, 3),),
  ((0, 0, 0, 64, 8), (2, 0, 1, 65, 1)),
  ((0, 0, 0, 60, 2), (0, 0, 1, 65, 8), (2, 128, 1, 38, 1)),
  ((2, 0, 1, 65, 4), (4, 0, 0, 64, 4), (6, 0, 0, 62, 1)),
]


@pytest.mark.parametrize('notes', PLACES)
@pytest.mark.parametrize(
  ('wish', 'onsets', 'polyphony', 'each'),
  [
    ({}, range(CELLS), 99, 99),
    ({'polyphony': 2, 'rhythm': '4'}, range(0, CELLS, 2), 2, 99),
    ({'polyphony': 3, 'each': 1}, range(CELLS), 3, 1),
  ],
)
def test_masks_leave_what_a_plain_walk_finds(
  notes, wish, onsets, polyphony, each
):
  seats = seats_of(**wish)
  state = state_of(seats, notes)
  expected = possible(notes, onsets, polyphony, each)
  cells = np.flatnonzero(seats.cells(state)).tolist()
  wanted = {note[0] for note in expected}
  # Which track is held on is not looked at ahead, only how many: cells may be
  # fewer, never more.
  assert set(cells) <= wanted
  if each == 99:
    assert set(cells) == wanted
  found = [
    (cell, program, voice, pitch)
    for cell in cells[:3]
    for program in np.flatnonzero(
      seats.programs(state, Seat(jnp.int32(cell)))
    ).tolist()
    for voice in voices_of(seats, state, cell, program)
    for pitch in pitches_of(seats, state, cell, program, voice)
  ]
  assert found == [note for note in expected if note[0] in cells[:3]]


def voices_of(seats, state, *parts):
  seat = Seat(*map(jnp.int32, parts))
  return np.flatnonzero(seats.tracks_of(state, seat)).tolist()


def pitches_of(seats, state, *parts):
  seat = Seat(*map(jnp.int32, parts))
  return np.flatnonzero(seats.pitches(state, seat)).tolist()


def test_where_notes_are_due_choices_leave_as_many_seats():
  seats = seats_of(polyphony=6, rhythm=(0.0,), density=(4, 6))
  state = state_of(seats, ())
  assert np.flatnonzero(seats.cells(state)).tolist() == [0]
  assert not bool(seats.closes(state))
  # Piano: C D E F in two voices; drums: three in two voices. Four are due.
  assert voices_of(seats, state, 0, 0) == [0, 1]
  assert pitches_of(seats, state, 0, 0, 1) == [60, 62, 64, 65]
  # Six drums are left, of which the first voice has the first three.
  assert pitches_of(seats, state, 0, 128, 0) == [36, 37, 38]
  assert pitches_of(seats, state, 0, 128, 1) == []
  after = state_of(seats, ((0, 0, 0, 60, 1), (0, 0, 1, 60, 1)))
  assert pitches_of(seats, after, 0, 128, 1) == [36, 37]
  done = state_of(seats, ((0, 0, 0, p, 1) for p in (60, 62, 64, 65)))
  assert bool(seats.closes(done))


def test_notes_are_held_only_as_far_as_the_bar_can_spare():
  wish = Wish(
    instruments=('piano',),
    polyphony=1,
    rhythm='4',
    density=((2, 4), (4, 4)),
    meter=(4, 4),
  )
  seats = wishes.constraints(TOKENIZER, wish, 2)[0].seats
  lengths = np.arange(1, 20)
  seat = Seat(*map(jnp.int32, (0, 0, 0, 60)))
  state = state_of(seats, ())
  fits = np.asarray(seats.lengths(state, seat, lengths))
  # One more is due: cells 2, 4 and 6 are left, and one of them must be free.
  assert lengths[fits].tolist() == [1, 2, 3, 4, 5, 6]
  last = Seat(*map(jnp.int32, (6, 0, 0, 60)))
  state = state_of(seats, ((0, 0, 0, 60, 2),))
  fits = np.asarray(seats.lengths(state, last, lengths))
  # The next bar needs all of its four cells.
  assert lengths[fits].tolist() == [1, 2]


def test_other_numbers_need_no_other_program():
  one = seats_of(polyphony=2, density=(1, 3))
  other = seats_of(polyphony=3, density=(2, 5), rhythm='8')
  trees = [jax.tree.structure(seats) for seats in (one, other)]
  assert trees[0] == trees[1]
  shapes = [[np.shape(x) for x in jax.tree.leaves(s)] for s in (one, other)]
  assert shapes[0] == shapes[1]
