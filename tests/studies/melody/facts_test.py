"""Facts depend on the music alone, and neighbours are the cheapest ones."""

import hypothesis
import numpy as np
from hypothesis import strategies as st

from aurl_jax.music.notes import Notes
from aurl_jax.studies import groups
from aurl_jax.studies.melody import facts
from tests.music.pieces import pieces


@hypothesis.given(pieces(last=3000), st.randoms())
def test_no_track_and_no_order_is_told(notes, random):
  tuned = ~notes.is_drum
  columns = {
    name: getattr(notes, name)[tuned]
    for name in ('onset', 'duration', 'pitch', 'velocity')
  }
  one = Notes.build(notes.ticks_per_beat, columns, tempos=notes.tempos.tolist())
  track = np.array([random.randint(0, 3) for _ in range(int(tuned.sum()))])
  many = Notes.build(
    notes.ticks_per_beat,
    columns | {'track': track.astype(np.int64)},
    tempos=notes.tempos.tolist(),
  )
  a, b = facts.find(one), facts.find(many)
  np.testing.assert_array_equal(a.rows, b.rows)
  np.testing.assert_array_equal(a.near, b.near)
  assert a.rows.shape == (len(one), facts.WIDTH)
  assert np.isfinite(a.rows).all()
  assert (np.abs(a.rows) <= 4).all()


@hypothesis.given(pieces(last=3000, most=20))
def test_neighbours(notes):
  found = facts.find(notes)
  heard = found.heard
  for i in range(len(heard.onset)):
    for side, got in ((-1, found.near[i, 0]), (1, found.near[i, 1])):
      costs = {}
      for j in range(len(heard.onset)):
        a, b = (j, i) if side < 0 else (i, j)
        since = heard.onset[b] - heard.onset[a]
        if since > 0 and abs(j - i) <= 24:
          costs[j] = (
            abs(int(heard.pitch[b]) - int(heard.pitch[a]))
            + 6 * abs(heard.onset[b] - heard.end[a])
            + 2 * since
            + abs(int(heard.velocity[b]) - int(heard.velocity[a])) / 8
          )
      best = min(costs.values(), default=np.inf)
      if best < 40:
        assert costs[got] <= best + 1e-9
      else:
        assert got == i


def test_transposing_moves_only_what_tells_the_register():
  rng = np.random.default_rng(0)
  columns = {
    'onset': np.repeat(np.arange(40) * 240, 2),
    'duration': 200,
    'pitch': rng.integers(48, 70, 80),
    'velocity': rng.integers(40, 100, 80),
  }
  one = facts.find(Notes.build(480, columns))
  up = columns | {'pitch': columns['pitch'] + 7}
  other = facts.find(Notes.build(480, up))
  moved = np.abs(one.rows - other.rows).max(axis=0) > 1e-3
  assert 1 <= moved.sum() <= 2
  np.testing.assert_array_equal(one.near, other.near)


def test_silence():
  found = facts.of(groups.played(Notes.build(480)))
  assert found.rows.shape == (0, facts.WIDTH)
  assert found.near.shape == (0, facts.NEIGHBOURS)
