"""What the network of melodies is fitted to, and that fitting learns."""

import numpy as np
import pytest

from aurl_jax.studies import groups
from aurl_jax.studies.groups import Played


@pytest.fixture(scope='module')
def tool(load_tool, tool_folder):
  return load_tool('fit_melody')


def song(seed=0, many=300):
  """Loud notes are the melody, soft low ones accompany."""
  rng = np.random.default_rng(seed)
  onset = np.sort(rng.integers(0, 2 * many, many)) * 0.125 + 0.4
  label = rng.integers(0, 3, many)
  heard = Played(
    np.arange(many),
    onset + rng.normal(0, 0.004, many).clip(-0.01, 0.01),
    onset + rng.choice([0.125, 0.25, 0.5], many),
    np.choose(label, [72, 60, 40]) + rng.integers(0, 12, many),
    np.choose(label, [100, 60, 80]) + rng.integers(-8, 8, many),
    groups.firsts(onset),
  )
  order = np.argsort(heard.onset, kind='stable')
  columns = {
    name: getattr(heard, name)[order]
    for name in ('onset', 'end', 'pitch', 'velocity')
  }
  first = groups.firsts(columns['onset'])
  return Played(np.arange(many), **columns, first=first), label[order]


def test_written_notes_stand_on_the_grid_with_their_roles(tool):
  heard, label = song()
  moved, role, loud = tool.written(heard, label, heard.velocity * 1.0)
  assert (np.diff(moved.onset) >= 0).all()
  # Within the song the grid is off by no more than its period is.
  steps = np.diff(moved.onset[moved.first]) / 0.125
  assert np.abs(steps - np.round(steps)).max() < 0.05
  length = (moved.end - moved.onset) / 0.125
  assert np.abs(length - np.round(length)).max() < 0.05
  assert length.min() > 0.9
  rows = zip(moved.pitch, moved.velocity, role, loud, strict=True)
  kept = zip(heard.pitch, heard.velocity, label, heard.velocity, strict=True)
  assert sorted(rows) == sorted(kept)


def test_a_varied_song_is_the_same_song(tool):
  heard, label = song()
  for seed in range(12):
    moved, role = tool.varied((heard, label), np.random.default_rng(seed))
    assert sorted(role) == sorted(label)
    assert (np.diff(moved.onset) >= 0).all()
    assert moved.first.tolist() == groups.firsts(moved.onset).tolist()
    apart = np.unique(np.sort(moved.pitch) - np.sort(heard.pitch))
    assert len(apart) == 1
    assert 1 <= moved.velocity.min() <= moved.velocity.max() <= 127


def test_stretches_keep_notes_and_neighbours_together(tool):
  rows = tool.first_rows(tool.known(song(many=300)))
  scale = np.zeros(rows[0].shape[1]), np.ones(rows[0].shape[1])
  rng = np.random.default_rng(0)
  facts, near, mask, label = tool.stretches([rows, rows], 128, scale, rng)
  assert facts.shape[:2] == mask.shape == (2, 128)
  for place in range(2):
    first = np.flatnonzero((rows[0] == facts[place, 0]).all(axis=1))[0]
    np.testing.assert_array_equal(rows[0][first : first + 128], facts[place])
    np.testing.assert_array_equal(rows[2][first : first + 128], label[place])
    inside = (rows[1] >= first) & (rows[1] < first + 128)
    got = near[place] + first
    want = rows[1][first : first + 128]
    np.testing.assert_array_equal(
      got[inside[first : first + 128]], want[inside[first : first + 128]]
    )


@pytest.mark.slow
def test_fitting_learns_what_anyone_hears(tool, monkeypatch, capsys):
  monkeypatch.setattr(tool, 'NOTES', (128, 128))
  songs = [tool.known(song(seed)) for seed in range(12)]
  rows = [tool.first_rows(one) for one in songs]
  kept = []
  held = [tool.first_rows(tool.known(song(99)))]
  one = tool.fit(0, [rows], 12, held, kept.append)
  assert tool.right(one, held) > 0.97
  assert len(kept) == 6
  lines = capsys.readouterr().out.splitlines()
  assert len(lines) == 12
  second = [tool.second_rows(each, one) for each in songs]
  two = tool.fit(1, [second], 12)
  found = tool.accuracy((one, two), [song(99)])
  assert found['notes'] == 300
  assert found['roles'] > 0.97
