"""Repeats and hits against loops over all notes and maps."""

import hypothesis
import numpy as np
import pytest

from aurl_jax.studies.melody import points
from aurl_jax.studies.melody.points import MAPS, Prototype
from tests.studies.melody.melodies import lines


def worth(cells, pitch, wanted, start, rise, how):
  """Score and exact share of one alignment, by the words of the module."""
  sign, up, down = how
  notes = list(zip(cells.tolist(), pitch.tolist(), strict=True))
  soft = exact = seen = 0.0
  for c, p in zip(wanted.cells.tolist(), wanted.pitch.tolist(), strict=True):
    cell, want = start + c * up // down, rise + sign * p
    best = 0.0
    for at, q in notes:
      if at == cell and q == want:
        best = 1.0
      elif at == cell and abs(q - want) <= 2:
        best = max(best, points.NEAR_PITCH)
      elif abs(at - cell) <= 6 and q == want:
        best = max(best, points.NEAR_TIME)
    soft, exact, seen = soft + best, exact + (best == 1), seen + (best > 0)
  last = start + int(wanted.cells[-1]) * up // down
  inside = sum(start <= at <= last for at, _ in notes)
  extra = points.EXTRA * max(inside - seen, 0)
  many = len(wanted.cells)
  return (soft - extra) / many, exact / many


@hypothesis.given(lines(least=8, most=25))
def test_hits_are_what_the_words_say(line):
  cells, pitch = line.cells, line.pitch
  wanted = Prototype(
    cells[1:7] - cells[1], pitch[1:7] - pitch[1], int(cells[6] - cells[1]) + 3
  )
  hits = points.scan(cells, pitch, wanted)
  assert len(hits.score) > 0
  for score, exact, cell, rise, kind in zip(*hits, strict=True):
    how = list(MAPS.values())[kind]
    want = worth(cells, pitch, wanted, int(cell), int(rise), how)
    assert (score, exact) == pytest.approx(want, abs=1e-9)
  told = {
    (int(c), int(r), int(k))
    for c, r, k in zip(hits.cell, hits.rise, hits.how, strict=True)
  }
  for kind, how in enumerate(MAPS.values()):
    for cell, rise in zip(cells.tolist(), pitch.tolist(), strict=True):
      score, exact = worth(cells, pitch, wanted, cell, rise, how)
      if score >= 0.6 and exact >= 0.4:
        assert (cell, rise, kind) in told


@pytest.mark.parametrize('kind', ['transposed', 'inverted', 'augmented'])
@hypothesis.given(line=lines(least=8, most=40))
def test_repeats_are_there(kind, line):
  how = MAPS[kind]
  cells, pitch = line.cells, line.pitch
  found = points.repeats(cells, pitch, how)
  notes = set(zip(cells.tolist(), pitch.tolist(), strict=True))
  half = len(found.spans) // 2
  for place in range(half):
    (a, b), (c, d) = found.spans[place], found.spans[half + place]
    assert b <= c or d <= a
    source = list(zip(cells[a:b].tolist(), pitch[a:b].tolist(), strict=True))
    best = 0
    for u, q in zip(cells[c:d].tolist(), pitch[c:d].tolist(), strict=True):
      for t, p in source:
        shift, rise = u - how.up * t, q - how.sign * p
        best = max(
          best,
          sum(
            (how.up * x + shift, how.sign * y + rise) in notes
            for x, y in source
          ),
        )
    assert best >= 4


def test_a_planted_repeat_is_among_them():
  rng = np.random.default_rng(1)
  pitch = rng.integers(50, 80, 60)
  pitch[40:48] = pitch[5:13] + 4
  found = points.repeats(np.arange(60) * 12, pitch, MAPS['transposed'])
  assert [5, 13] in found.spans.tolist()
  assert [40, 48] in found.spans.tolist()


def test_nothing():
  none = np.zeros(0, np.int64)
  assert len(points.repeats(none, none, MAPS['inverted']).worth) == 0
