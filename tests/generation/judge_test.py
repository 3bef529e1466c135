import dataclasses

import numpy as np
import pytest

from aurl_jax.generation import judge
from aurl_jax.music.notes import Notes, Track
from aurl_jax.music.rebuild import rebuilt

BAR = 16


def notes_of(rows, tracks=2):
  """Notes of (onset, duration, pitch, track)."""
  columns = np.array(rows).T.reshape(4, -1)
  names = ('onset', 'duration', 'pitch', 'track')
  return Notes.build(
    4,
    dict(zip(names, columns, strict=True)),
    tracks=[Track() for _ in range(tracks)],
  )


def tune(bars, low=0, seed=0):
  """A melody and chords that change in every bar."""
  rng = np.random.default_rng(seed)
  rows = []
  for bar in range(bars):
    chord = [48, 52, 55] if bar % 2 else [45, 48, 52]
    rows += [(bar * BAR, 16, pitch + low, 1) for pitch in chord]
    rows += [
      (bar * BAR + place, 4, int(rng.choice([60, 62, 64, 67, 69])) + low, 0)
      for place in (0, 4, 8, 12)
    ]
  return notes_of(rows)


def facts(notes, count):
  lead = [
    int(((notes.onset // BAR == bar) & (notes.track == 0)).sum())
    for bar in range(count)
  ]
  return judge.facts(notes, BAR, np.array(lead))


def test_facts_are_what_plain_loops_count():
  notes, found = tune(5, seed=3), facts(tune(5, seed=3), 5)
  for bar in range(5):
    rows = [i for i in range(len(notes)) if notes.onset[i] // BAR == bar]
    assert found.count[bar] == len(rows)
    assert found.time[bar] == sum(notes.duration[i] for i in rows)
    assert found.pitch[bar] == sum(
      notes.duration[i] * notes.pitch[i] for i in rows
    )
    for pitch_class in range(12):
      own = [i for i in rows if notes.pitch[i] % 12 == pitch_class]
      assert found.chroma[bar, pitch_class] == sum(
        notes.duration[i] for i in own
      )
    assert found.lead[bar] == sum(notes.track[i] == 0 for i in rows)
    assert found.played[bar, 0] == len(rows)
    assert found.played[bar].sum() == len(rows)
    assert len(found.content[bar]) == len(rows)


def judged(own, before, **how):
  how = {'melody': True, 'new': True, **how}
  return judge.verdict(facts(own, 4), facts(before, 8), **how)


def test_more_of_the_same_kind_is_fine():
  found = judged(tune(4, seed=9), tune(8, seed=1))
  assert not found.weak
  assert found.worst < 0.5


def test_each_fault_is_found_by_its_name():
  before = tune(8, seed=1)
  high = judged(tune(4, low=12, seed=9), before)
  assert [n for n, v in high.faults.items() if v > 1] == ['register']
  other = judged(tune(4, low=6, seed=9), before)
  assert other.faults['harmony'] > 1
  own = tune(4, seed=9)
  dense = rebuilt(own, {}, tracks=own.tracks)
  rows = [
    (o + shift, 1, p, t)
    for o, p, t in zip(
      dense.onset.tolist(), dense.pitch.tolist(), dense.track.tolist(),
      strict=True,
    )
    for shift in (0, 1, 2)
  ]  # fmt: skip
  assert judged(notes_of(rows), before).faults['density'] > 1
  lone = notes_of([(bar * BAR, 16, 48, 1) for bar in range(4)])
  assert judged(lone, before).faults['melody'] == 2
  assert 'melody' not in judged(lone, before, melody=False).faults
  half = notes_of([(0, 16, 60, 0), (16, 16, 60, 0)])
  assert judged(half, before).faults['empty'] == 4


def test_copies_are_those_of_the_piece_and_of_itself():
  before = tune(8, seed=1)
  assert judge.copies(facts(tune(4, seed=1), 4), facts(before, 8)) == 1
  assert judged(tune(4, seed=1), before).weak
  assert not judged(tune(4, seed=1), before, new=False).weak
  bar = [(0, 4, 60, 0), (4, 4, 67, 0)]
  rows = [(bar_ * BAR + o, d, p, t) for bar_ in range(4) for o, d, p, t in bar]
  # The first of four equal bars is none.
  assert judge.copies(facts(notes_of(rows), 4), facts(before, 8)) == 0.75
  nothing = facts(notes_of(np.zeros((0, 4), int)), 4)
  assert judge.copies(nothing, nothing) == 0


def test_the_first_bars_are_compared_with_nothing():
  own = facts(tune(4, low=12), 4)
  found = judge.verdict(own, own.part(0, 0), melody=True, new=True)
  assert set(found.faults) == {'empty', 'melody', 'copies', 'ending'}


@pytest.mark.parametrize(
  ('last', 'busy'),
  [
    ([(16, 16, 60, 0)], 0),
    ([(16, 4, 60, 0), (24, 8, 60, 0)], 1 / 2),
    ([(16 + i, 1, 60, 0) for i in range(16)], 8 / 2),
    ([], 0.8),
  ],
)
def test_a_last_bar_that_goes_on_is_busy(last, busy):
  first = [(4 * i, 4, 60 + i, 0) for i in range(4)]
  assert judge.busy(notes_of(first + last), BAR, 2) == pytest.approx(busy)


def test_of_weak_bars_the_worst_fault_counts():
  fine = judge.Verdict({'a': 0.9, 'b': 0.9})
  weak = judge.Verdict({'a': 1.2, 'b': 0.0})
  assert fine.score < weak.score
  assert (fine.weak, weak.weak) == (False, True)
  assert judge.Verdict({}).score == 0
  assert dataclasses.is_dataclass(fine)


def test_notes_that_pile_up_are_a_fault_and_chords_are_none():
  own, before = tune(4, seed=9), tune(8, seed=5)
  assert judge.crowd(facts(own, 4).content) == 4
  assert judge.crowd([judge.begins(own)]) == 4
  rows = np.stack([own.onset, own.duration, own.pitch, own.track], 1).tolist()
  chord = [(BAR + 2, 2, 60 + step, 1) for step in range(10)]
  again = [(BAR + 2, 2, 60 + step, 0) for step in range(10)]
  fine = judged(notes_of(rows + chord + again), before)
  assert 'crowd' not in fine.faults
  piled = [(BAR + 2, 2, 60 + step, 1) for step in range(30)]
  wild = judged(notes_of(rows + piled), before)
  assert wild.faults['crowd'] == pytest.approx(30 / 12)
  assert wild.weak
  assert judge.crowd(facts(notes_of([]), 1).content) == 0
  assert judge.crowd([judge.begins(notes_of([]))]) == 0


def played_by(tracks):
  """The tune with its melody and its chords by these instruments."""
  return facts(rebuilt(tune(4), {}, tracks=tracks), 4)


def test_who_plays_is_who_was_asked_or_has_played():
  violin, piano = Track(program=40), Track(program=0)
  before = played_by([violin, piano])
  assert judge.players(before, (), new=True) is None
  settled = judge.players(before, (), new=False)
  assert np.flatnonzero(settled).tolist() == [0, 40]
  asked = judge.players(before, (5, 16), new=True)
  assert np.flatnonzero(asked).tolist() == [*range(40, 48), 128]
  nothing = facts(notes_of([]), 1)
  assert judge.players(nothing, (), new=False) is None


@pytest.mark.parametrize(
  ('tracks', 'share'),
  [
    ((Track(program=0), Track(program=0)), 0),
    ((Track(program=0), Track(program=60)), 3 / 7),
    ((Track(is_drum=True), Track(program=0)), 4 / 7),
  ],
)
def test_strangers_are_a_fault(tracks, share):
  own, before = played_by(tracks), played_by([Track(program=0)] * 2)
  who = judge.players(before, (), new=False)
  found = judge.verdict(own, before, melody=False, new=False, players=who)
  assert found.faults.get('strangers', 0) == pytest.approx(share / 0.05)
  assert (
    'strangers'
    not in judge.verdict(own, before, melody=False, new=False).faults
  )
