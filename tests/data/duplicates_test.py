"""Variants are made here; the share of shingles is counted with sets."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax.data import duplicates
from aurl_jax.data.duplicates import Duplicates, Options
from aurl_jax.music.notes import Notes, Track
from tests.music.pieces import pieces


def tune(seed, count=200):
  random = np.random.default_rng(seed)
  onset = np.cumsum(random.choice([120, 240, 480], count))
  pitch = 60 + np.cumsum(random.integers(-4, 5, count)) % 24
  return Notes.build(480, {'onset': onset, 'duration': 100, 'pitch': pitch})


def changed(notes, *, step=0, factor=1.0, drop=0.0, jitter=0, seed=0):
  random = np.random.default_rng(seed)
  keep = random.random(len(notes)) >= drop
  onset = notes.onset + random.integers(-jitter, jitter + 1, len(notes))
  return Notes.build(
    notes.ticks_per_beat,
    {
      'onset': np.rint(np.maximum(onset, 0) * factor).astype(int)[keep],
      'duration': 90,
      'pitch': (notes.pitch + step)[keep],
    },
  )


@pytest.mark.parametrize(
  'change',
  [
    {'step': 5},
    {'factor': 0.8},
    {'drop': 0.1},
    {'jitter': 15},
    {'step': -7, 'factor': 1.25, 'drop': 0.05, 'jitter': 8},
  ],
)
def test_variants_are_found(change):
  known = Duplicates()
  for seed in range(20):
    assert known.add(f'tune {seed}', tune(seed)) is None
  for seed in range(20):
    variant = changed(tune(seed), seed=seed, **change)
    assert known.add('variant', variant) == f'tune {seed}'
  assert (len(known), known.exact + known.near) == (20, 20)


def test_exact_duplicates_of_short_pieces():
  known = Duplicates()
  short = Notes.build(4, {'onset': [0, 4], 'duration': 4, 'pitch': [60, 62]})
  assert known.add('a', short) is None
  moved = Notes.build(8, {'onset': [8, 16], 'duration': 8, 'pitch': [50, 52]})
  assert known.add('b', moved) == 'a'
  assert known.exact == 1


def test_only_exact_ones_if_so_asked():
  known = Duplicates(Options(alike=1.1))
  assert known.add('a', tune(0)) is None
  assert known.add('b', changed(tune(0), drop=0.02)) is None
  assert known.add('c', tune(0)) == 'a'


def test_drums():
  random = np.random.default_rng(0)
  columns = {
    'onset': 120 * np.arange(200), 'duration': 60,
    'pitch': random.choice([36, 38, 42, 46, 49], 200),
  }  # fmt: skip
  drums = Notes.build(480, columns, tracks=[Track(is_drum=True)])
  fewer = Notes.build(
    480, columns | {'pitch': np.where(np.arange(200) == 50, 51,
                                      columns['pitch'])},
    tracks=[Track(is_drum=True)],
  )  # fmt: skip
  known = Duplicates()
  assert known.add('beat', drums) is None
  assert known.add('same', fewer) == 'beat'
  higher = Notes.build(
    480, columns | {'pitch': columns['pitch'] + 3},
    tracks=[Track(is_drum=True)],
  )  # fmt: skip
  assert known.add('other instruments', higher) is None


@hypothesis.given(st.integers(0, 1000), st.integers(0, 150))
def test_the_signature_estimates_the_common_share(seed, common):
  random = np.random.default_rng(seed)
  shared = random.integers(0, 2**63, common, np.uint64)
  own = random.integers(0, 2**63, (2, 200 - common), np.uint64)
  sets = [np.unique(np.append(shared, row)) for row in own]
  known = Duplicates(Options(hashes=1024))
  one, two = (known.signature(row) for row in sets)
  truth = len(set(sets[0].tolist()) & set(sets[1].tolist()))
  truth /= len(set(sets[0].tolist()) | set(sets[1].tolist()))
  assert abs(np.mean(one == two) - truth) < 0.08


@hypothesis.given(pieces(last=3000))
def test_any_piece(notes):
  known = Duplicates(Options(least=1))
  assert known.add('first', notes) is None
  assert known.add('second', notes) == 'first'
  found = duplicates.shingles(notes)
  assert (np.diff(found.astype(object)) > 0).all()


def test_same_seed_same_signature():
  found = duplicates.shingles(tune(1))
  one, two, other = (
    Duplicates(Options(seed=seed)).signature(found) for seed in (1, 1, 2)
  )
  assert (one == two).all()
  assert not (one == other).all()


@pytest.mark.parametrize('options', [{'alike': 0}, {'run': 2}, {'hashes': 7}])
def test_options_out_of_range(options):
  with pytest.raises(ValueError, match='must be'):
    Options(**options)
