"""Against a plain reference: loops and fractions, no shared code."""

import fractions
import functools
import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.music import midi
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes, Text, Track
from aurl_jax.music.quantise import merge_equal, quantise, to_cells
from tests.music.pieces import pieces

GRIDS = [
  Grid(),
  Grid(cells_per_beat=4, velocity_bins=1, voices=2),
  Grid(cells_per_beat=24, velocity_bins=128, chords=True),
  Grid(cells_per_beat=3, voices=1, bar_beats=4, exact_beats=2),
  Grid(cells_per_beat=4, program=5, voices=3),
]
CHORDS = {'Am7': 'A:min7', 'C/E': 'C:maj', 'Gm(odd)': 'G:min', 'N.C.': 'N'}


def half_up(value: fractions.Fraction) -> int:
  return math.floor(value + fractions.Fraction(1, 2))


def nearest(value, choices, distance):
  """The nearest choice, the first of those as near."""
  best = choices[0]
  for choice in choices[1:]:
    if distance(value, choice) < distance(value, best):
      best = choice
  return best


@functools.cache
def nearest_tempo(micros: int, grid: Grid) -> int:
  """Ratios, compared exactly; `tempos` begins with the slowest."""

  def ratio(a, b):
    return fractions.Fraction(max(a, b), min(a, b))

  return nearest(micros, grid.tempos.tolist(), ratio)


class Reference:
  """The rules of the module docstring of `music.quantise`, one by one."""

  def __init__(self, notes: Notes, grid: Grid) -> None:
    self.notes, self.grid = notes, grid
    self.scale = fractions.Fraction(grid.cells_per_beat, notes.ticks_per_beat)

  def cell(self, tick) -> int:
    return half_up(int(tick) * self.scale)

  def instrument(self, track: int) -> tuple[bool, int]:
    if self.grid.program is not None:
      return False, self.grid.program
    _, program, is_drum = self.notes.tracks[track]
    return (True, 0) if is_drum else (False, program)

  def tracks(self) -> tuple[dict[int, int], list[tuple[bool, int]]]:
    used = sorted(set(self.notes.track.tolist()))
    used.sort(key=lambda track: (self.instrument(track), track))
    numbers, kept = {}, []
    for track in used:
      instrument = self.instrument(track)
      if kept.count(instrument) < self.grid.voices:
        kept.append(instrument)
      numbers[track] = len(kept) - 1
    return numbers, kept

  def rows(self) -> list[tuple[int, int, int, int, int]]:
    numbers, _ = self.tracks()
    durations = self.grid.durations.tolist()
    width = 128 // self.grid.velocity_bins
    rows = []
    for onset, track, pitch, duration, velocity in zip(
      self.notes.onset.tolist(),
      self.notes.track.tolist(),
      self.notes.pitch.tolist(),
      self.notes.duration.tolist(),
      self.notes.velocity.tolist(),
      strict=True,
    ):
      length = max(1, self.cell(duration))
      length = nearest(length, durations, lambda a, b: abs(a - b))
      middle = max(1, velocity // width * width + width // 2)
      rows.append((self.cell(onset), numbers[track], pitch, length, middle))
    return sorted(rows)

  def changes(self, events, default, end):
    """(cell, value) of what counts; `events` are (tick, value)."""
    by_cell = {} if default is None else {0: default}
    for tick, value in events:
      by_cell[self.cell(tick)] = value
    kept = []
    for cell in sorted(by_cell):
      if cell < end and (not kept or kept[-1][1] != by_cell[cell]):
        kept.append((cell, by_cell[cell]))
    return kept

  def check(self, result: Notes) -> None:
    result.check()
    rows = self.rows()
    names = ('onset', 'track', 'pitch', 'duration', 'velocity')
    found = zip(*(getattr(result, n).tolist() for n in names), strict=True)
    assert list(found) == rows
    assert result.ticks_per_beat == self.grid.cells_per_beat
    _, kept = self.tracks()
    assert result.tracks == tuple(Track('', p, d) for d, p in kept)
    assert result.program.tolist() == [kept[row[1]][1] for row in rows]
    assert result.is_drum.tolist() == [kept[row[1]][0] for row in rows]
    self.check_tables(result, max((r[0] + r[3] for r in rows), default=0))

  def check_tables(self, result: Notes, end: int) -> None:
    grid, notes = self.grid, self.notes
    tempos = [
      (tick, nearest_tempo(micros, grid))
      for tick, micros in notes.tempos.tolist()
    ]
    assert result.tempos.tolist() == self.changes(tempos, 500_000, end)
    meters = [
      (tick, grid.nearest_meter(top, bottom))
      for tick, top, bottom in notes.meters.tolist()
    ]
    expected = self.changes(meters, grid.nearest_meter(4, 4), end)
    assert result.meters.tolist() == [(cell, *m) for cell, m in expected]
    chords = [
      (text.tick, CHORDS[text.text])
      for text in notes.texts
      if text.kind == 'chord' and text.text in CHORDS
    ]
    expected = self.changes(chords, None, end) if grid.chords else []
    assert result.texts == tuple(
      Text(cell, -1, 'chord', label) for cell, label in expected
    )
    assert len(result.keys) == len(result.controls) == len(result.bends) == 0
    assert result.title == ''


@st.composite
def sung_pieces(draw):
  """Pieces with readable and unreadable chords, and dense tempos."""
  piece = draw(pieces(nested=True, ticks_per_beat=draw(st.integers(1, 600))))
  symbols = st.sampled_from([*CHORDS, 'what'])
  chords = draw(st.lists(st.tuples(st.integers(0, 3000), symbols), max_size=5))
  return piece.replace(
    texts=tuple(Text(t, -1, 'chord', s) for t, s in sorted(chords))
  )


@pytest.mark.parametrize('grid', GRIDS, ids=range(len(GRIDS)))
@hypothesis.given(piece=sung_pieces())
def test_the_rules_hold(piece, grid):
  result = quantise(piece, grid)
  if not len(piece):
    assert result == Notes.build(grid.cells_per_beat)
    return
  Reference(piece, grid).check(result)
  assert quantise(result, grid) == result


@hypothesis.given(
  st.integers(0, 2**50), st.integers(1, 32767), st.integers(1, 480)
)
def test_cells_are_exact_far_from_the_start(tick, ticks_per_beat, cells):
  exact = half_up(fractions.Fraction(tick * cells, ticks_per_beat))
  assert to_cells(np.array([tick]), ticks_per_beat, cells).tolist() == [exact]


@hypothesis.given(
  st.lists(
    st.sampled_from([1, 2**24 - 1, 499_000, 503_623])
    | st.integers(1, 2**24 - 1)
  )
)
def test_tempos_go_to_the_nearest_bin(tempos):
  grid = Grid()
  piece = Notes.build(
    12,
    {'onset': range(len(tempos) + 1), 'duration': 1, 'pitch': 60},
    tempos=list(enumerate(tempos)),
  )
  expected = [nearest_tempo(t, grid) for t in [*tempos, 0][: len(tempos)]]
  found = dict(quantise(piece, grid).tempos.tolist())
  in_force = None
  for cell, tempo in enumerate(expected):
    in_force = found.get(cell, in_force)
    assert in_force == tempo


@hypothesis.given(pieces(nested=True))
def test_merging_keeps_the_longest_then_loudest(piece):
  best = {}
  for onset, track, pitch, duration, velocity in zip(
    piece.onset.tolist(),
    piece.track.tolist(),
    piece.pitch.tolist(),
    piece.duration.tolist(),
    piece.velocity.tolist(),
    strict=True,
  ):
    key = onset, track, pitch
    best[key] = max(best.get(key, (0, 0)), (duration, velocity))
  merged, gone = merge_equal(piece)
  merged.check()
  assert gone == len(piece) - len(best)
  columns = ('onset', 'track', 'pitch', 'duration', 'velocity')
  found = zip(*(getattr(merged, n).tolist() for n in columns), strict=True)
  assert list(found) == [(*key, *best[key]) for key in sorted(best)]
  assert (
    merged.replace(
      **{
        name: getattr(piece, name) for name in (*columns, 'program', 'is_drum')
      }
    )
    == piece
  )


def test_shared_files_follow_the_rules(shared_data):
  paths = sorted(shared_data.rglob('*.mid'))[::400]
  assert len(paths) > 15
  for path in paths:
    piece = midi.read(path).notes
    for grid in GRIDS[:2]:
      result = quantise(piece, grid)
      Reference(piece, grid).check(result)
      assert quantise(result, grid) == result
