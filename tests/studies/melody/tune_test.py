"""The line is the likeliest way, and tunes that anyone hears are heard."""

import itertools

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.music import midi
from aurl_jax.music.notes import Notes, Track
from aurl_jax.studies import groups
from aurl_jax.studies.melody import facts, tune
from tests.music.pieces import pieces


def pop(tracks=False, up=0):
  """A tune over broken chords and a bass."""
  rng = np.random.default_rng(3)
  rows = []
  for bar in range(32):
    root = [0, 9, 5, 7][bar % 4]
    at = bar * 1920
    rows += [(at, 1900, 36 + root, 70, 2)]
    chord = [48 + root, 55 + root, 60 + (root + 4) % 12 - 12]
    rows += [(at + 240 * n, 230, chord[n % 3], 55, 1) for n in range(8)]
    rows += [
      (at + 480 * n, 460, 69 + int(rng.integers(-3, 6)), 95, 0)
      for n in range(4)
    ]
  table = np.array(sorted(rows))
  names = ('onset', 'duration', 'pitch', 'velocity', 'track')
  columns = dict(zip(names, table.T, strict=True))
  columns['pitch'] = columns['pitch'] + up
  if not tracks:
    columns['track'] = 0
  band = [Track('a'), Track('b'), Track('c')][: 3 if tracks else 1]
  return Notes.build(480, columns, tracks=band)


@pytest.mark.parametrize('tracks', [False, True])
def test_the_tune_is_heard(tracks):
  notes = pop(tracks)
  found = tune.find(notes)
  mine = np.zeros(len(notes), bool)
  mine[found.melody] = True
  true = notes.velocity == 95
  assert (mine & true).sum() / true.sum() > 0.9
  assert (mine & ~true).sum() / mine.sum() < 0.15


def voices(beside):
  """Notes of a second voice behind the melody, or some beside it."""
  many = 100
  onset = np.arange(many) * 480
  onset[many // 2 : many // 2 + beside] = onset[:beside] + 60
  order = np.argsort(onset, kind='stable')
  pitch = np.where(np.arange(many) < many // 2, 72, 60)
  notes = Notes.build(
    480, {'onset': onset[order], 'duration': 460, 'pitch': pitch[order]}
  )
  found = facts.find(notes)
  chance = np.zeros((many, 3))
  chance[:, 2] = 0.1
  second = found.heard.pitch == 60
  chance[second, 1], chance[~second, 0] = 0.9, 0.9
  return found, chance


def test_a_second_voice_that_is_never_beside_the_first_is_none():
  found, chance = voices(0)
  np.testing.assert_allclose(tune.settled(found, chance), [[0.9, 0, 0.1]] * 100)
  for beside in (2, 20, 50):
    found, chance = voices(beside)
    np.testing.assert_array_equal(tune.settled(found, chance), chance)
  # Without any melody it is the melody; without a second voice all stays.
  alone = np.tile([0.2, 0.7, 0.1], (100, 1))
  assert (tune.settled(found, alone).argmax(axis=1) == 0).all()
  sole = np.tile([0.7, 0.2, 0.1], (100, 1))
  np.testing.assert_array_equal(tune.settled(found, sole), sole)


@hypothesis.given(pieces(last=3000))
def test_one_note_at_a_time_in_any_piece(notes):
  found = tune.find(notes)
  pitched = np.flatnonzero(~notes.is_drum)
  assert sorted(found.index.tolist()) == pitched.tolist()
  assert set(found.role.tolist()) <= {0, 1, 2}
  mine = set(found.melody.tolist())
  heard = groups.played(notes)
  for group in np.unique(heard.group):
    members = set(heard.index[heard.group == group].tolist())
    assert len(members & mine) <= 1


def best_way(found, odds):
  """The score of the best of all ways, one by one."""
  heard = found.heard
  choices = [
    [None, *np.flatnonzero(heard.group == g).tolist()]
    for g in range(len(heard.first))
  ]
  best = -np.inf
  for way in itertools.product(*choices):
    best = max(best, score([n for n in way if n is not None], heard, odds))
  return best


def score(way, heard, odds):
  total = float(sum(odds[note] for note in way))
  for before, note in itertools.pairwise(way):
    if heard.onset[note] - heard.onset[before] < 2:
      leap = abs(int(heard.pitch[note]) - int(heard.pitch[before]))
      total -= 0.05 * leap + 0.15 * max(leap - 12, 0)
    if heard.onset[note] < (heard.onset[before] + heard.end[before]) / 2:
      total -= 0.5
  return total


@hypothesis.given(
  st.lists(
    st.tuples(st.integers(0, 4), st.integers(50, 75), st.integers(-30, 30)),
    min_size=1,
    max_size=7,
  )
)
def test_the_line_is_nearly_the_best_of_all(rows):
  table = np.array(sorted(set(rows)))
  notes = Notes.build(
    480, {'onset': table[:, 0] * 480, 'duration': 480, 'pitch': table[:, 1]}
  )
  found = facts.find(notes)
  odds = np.random.default_rng(0).normal(0, 2, len(found.heard.onset))
  way = tune.line(found, odds)
  got = score(way.tolist(), found.heard, odds)
  # Of the ways that pass a chord by, only the best one is kept.
  assert got >= best_way(found, odds) - 1.5


@pytest.mark.parametrize('low', [30, 60, 90])
def test_a_piece_of_one_line_is_its_tune(low):
  pitch = [low + step % 7 for step in range(40)]
  columns = {'onset': [480 * k for k in range(40)], 'duration': 480}
  alone = Notes.build(480, columns | {'pitch': pitch})
  assert tune.find(alone).melody.tolist() == list(range(40))
  # Two lines are judged note by note.
  both = Notes.build(
    480,
    {
      'onset': columns['onset'] * 2,
      'duration': 480,
      'pitch': pitch + [p - 12 for p in pitch],
    },
  )
  assert len(tune.find(both).melody) <= 40


@pytest.mark.slow
def test_melodies_of_pop909(shared_data):
  right = total = 0
  for song in sorted((shared_data / 'pop909/valid').iterdir())[:10]:
    notes = midi.read(song / f'{song.name}.mid').notes
    names = [track.name for track in notes.tracks]
    true = notes.track == names.index('MELODY')
    columns = {
      name: getattr(notes, name)
      for name in ('onset', 'duration', 'pitch', 'velocity')
    }
    one = Notes.build(
      notes.ticks_per_beat, columns, tempos=notes.tempos.tolist()
    )
    wanted = {
      (int(o), int(p))
      for o, p in zip(notes.onset[true], notes.pitch[true], strict=True)
    }
    mine = tune.find(one).melody
    told = set(
      zip(one.onset[mine].tolist(), one.pitch[mine].tolist(), strict=True)
    )
    right += len(told & wanted)
    total += (len(told) + len(wanted)) / 2
  assert right / total > 0.75
