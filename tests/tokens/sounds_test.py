"""Attributes of slots from ids, against those of the notes in them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.evaluation import attributes as judge
from aurl_jax.music import time
from aurl_jax.music.notes import Notes, Track
from aurl_jax.tokens import sounds
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.places import Places
from aurl_jax.tokens.remi import Remi
from tests.tokens import pieces

GRID, COMPOUND = VoiceGrid(), Compound(voices=2)


def padded(rows):
  """Rows of ids side by side, and which of their steps are real."""
  longest = max(map(len, rows))
  ids = np.zeros((len(rows), longest, rows[0].shape[1]), np.int32)
  segments = np.zeros((len(rows), longest), np.int32)
  for at, row in enumerate(rows):
    ids[at, : len(row)], segments[at, : len(row)] = row, 1
  return ids, segments


def read(tokenizer, rows, slots, beats):
  """Attributes of rows of ids, [b, s] each, in their own units."""
  places, (ids, segments) = Places.of(tokenizer), padded(rows)

  @jax.jit
  def found(ids, segments):
    where = places(ids, segments)
    return places.sounds(ids, segments, where, slots, beats)

  told = found(jnp.asarray(ids), jnp.asarray(segments))
  return {
    name: np.asarray(value) * sounds.SCALES[name][1] + sounds.SCALES[name][0]
    for name, value in told.items()
  }


def weight(cell, bars, beat):
  """How strong a cell is, by the words of the definition."""
  inside = cell - max(bar for bar in bars if bar <= cell)
  if inside == 0:
    return 0
  parts = ((-1, beat), (-2, beat / 2), (-3, beat / 4))
  return next((level for level, part in parts if inside % part == 0), -4)


def by_slot(notes, slots, beats):
  """The same, note by note."""
  cells = beats * notes.ticks_per_beat
  found = {name: np.zeros(slots) for name in judge.NAMES}
  weighted = np.zeros(slots)
  bars = time.bar_starts(notes).tolist()
  for at, strong in enumerate(judge.strengths(notes)):
    onset, pitch = int(notes.onset[at]), int(notes.pitch[at])
    found['density'][min(onset // cells, slots - 1)] += 1 / beats
    missed = next(
      cell
      for cell in range(onset, 10_000)
      if weight(cell, bars, notes.ticks_per_beat)
      == weight(onset, bars, notes.ticks_per_beat) + strong
    )
    found['syncopation'][min(missed // cells, slots - 1)] += strong / beats
    for cell in range(onset, onset + int(notes.duration[at])):
      if not notes.is_drum[at]:
        found['polyphony'][min(cell // cells, slots - 1)] += 1 / cells
        weighted[min(cell // cells, slots - 1)] += pitch / cells
  silent = found['polyphony'] == 0
  loud = np.where(silent, 1, found['polyphony'])
  found['register'] = np.where(silent, 60, weighted / loud)
  return found


def chorales():
  return [
    pieces.chorale(0, bars=2),
    pieces.chorale(1, bars=3, meter=(3, 4)),
    pieces.chorale(2, bars=2, pickup=4),
  ]


def bands():
  """Two bars of piano, bass and drums, every bar with something in it."""
  music = []
  for seed in range(3):
    rng = np.random.default_rng(seed)
    count = 24
    onset = np.append([0, 48], rng.integers(0, 90, count - 2))
    music.append(
      Notes.build(
        12,
        {
          'onset': onset,
          'duration': np.minimum(rng.integers(1, 60, count), 96 - onset),
          'pitch': rng.integers(30, 90, count),
          'track': rng.integers(0, 3, count),
        },
        tracks=[
          Track(program=0),
          Track(program=33),
          Track(program=0, is_drum=True),
        ],
      )
    )
  return music


@pytest.mark.parametrize(
  ('tokenizer', 'music'),
  [(GRID, chorales), (COMPOUND, bands)],
  ids=['grid', 'compound'],
)
@pytest.mark.parametrize(('slots', 'beats'), [(10, 1), (4, 2), (3, 1)])
def test_they_are_those_of_the_notes(tokenizer, music, slots, beats):
  rows = [tokenizer.encode(piece) for piece in music()]
  found = read(tokenizer, rows, slots, beats)
  for at, row in enumerate(rows):
    wanted = by_slot(tokenizer.decode(row), slots, beats)
    for name in judge.NAMES:
      np.testing.assert_allclose(
        found[name][at], wanted[name], atol=1e-4, err_msg=name
      )


@pytest.mark.parametrize(
  ('tokenizer', 'music'),
  [(GRID, chorales), (COMPOUND, bands)],
  ids=['grid', 'compound'],
)
def test_the_last_cell_is_that_before_the_last_end(tokenizer, music):
  rows = [tokenizer.encode(piece) for piece in music()]
  places, (ids, segments) = Places.of(tokenizer), padded(rows)
  ids, segments = jnp.asarray(ids), jnp.asarray(segments)
  found = places.sounds.last(ids, segments, places(ids, segments))
  decoded = [tokenizer.decode(row) for row in rows]
  cells = [n.end * 12 // n.ticks_per_beat for n in decoded]
  scale = 12 // tokenizer.grid.cells_per_beat
  assert found.tolist() == [c // scale - 1 for c in cells]
  nothing = jnp.zeros_like(segments)
  where = places(ids, nothing)
  assert places.sounds.last(ids, nothing, where).tolist() == [0] * len(rows)


def test_a_transposition_moves_register_alone():
  ids = GRID.encode(pieces.chorale(5, bars=2))
  pitches, holds = (GRID.codec.holds(n, ids) for n in ('pitch', 'hold'))
  higher = ids + 3 * ((pitches | holds) & (ids > 0))
  higher[0] = ids[0]
  found = read(GRID, [ids, higher.astype(np.int32)], 4, 2)
  for name, (one, other) in found.items():
    sounding = found['polyphony'][0] > 0
    moved = 3 * sounding if name == 'register' else 0
    np.testing.assert_allclose(other - one, moved, atol=1e-4)


def test_sums_over_slots_are_the_excerpt_s():
  music = pieces.chorale(4, bars=2)
  row = GRID.encode(music)
  found = read(GRID, [row], 8, 1)
  whole = judge.of(GRID.decode(row))
  for name in ('density', 'polyphony', 'syncopation'):
    assert found[name].mean() == pytest.approx(
      whole[name] * GRID.decode(row).end / 32, rel=1e-5
    )


def test_a_note_in_several_steps_has_none():
  assert sounds.Sounds.of(Remi()) is None
  assert hash(Places.of(GRID)) == hash(Places.of(VoiceGrid()))


def as_rolls(notes, cells):
  """Cell by cell, in plain Python: where notes begin, sound, and how loud."""
  found = {name: np.zeros((cells, 128)) for name in sounds.ROLLS}
  for at in np.flatnonzero(~notes.is_drum):
    onset, pitch = int(notes.onset[at]), int(notes.pitch[at])
    if onset >= cells:
      continue
    found['onset'][onset, pitch] = 1
    found['sustain'][onset : onset + int(notes.duration[at]), pitch] = 1
    loud = max(found['velocity'][onset, pitch], int(notes.velocity[at]) / 127)
    found['velocity'][onset, pitch] = loud
  return found


@pytest.mark.parametrize(
  ('tokenizer', 'music', 'cells'),
  [(GRID, chorales, 40), (COMPOUND, bands, 96), (COMPOUND, bands, 50)],
)
def test_rolls_are_those_of_the_notes(tokenizer, music, cells):
  rows = [tokenizer.encode(piece) for piece in music()]
  places, (ids, segments) = Places.of(tokenizer), padded(rows)

  @jax.jit
  def rolls(ids, segments):
    where = places(ids, segments)
    return places.sounds.rolls(ids, segments, where, cells)

  found = rolls(jnp.asarray(ids), jnp.asarray(segments))
  for at, row in enumerate(rows):
    wanted = as_rolls(tokenizer.decode(row), cells)
    for name in ('onset', 'sustain'):
      np.testing.assert_array_equal(found[name][at], wanted[name])
    if tokenizer is COMPOUND:
      loud = wanted['velocity']
      np.testing.assert_allclose(found['velocity'][at], loud, atol=1e-6)
    else:
      assert not found['velocity'].any()
