"""Every MIDI file of the shared data through every tokenization and back."""

import collections

import pytest

from aurl_jax.core.errors import TokenError
from aurl_jax.music import midi, transform
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.remi import Remi
from tests import recogniser

EVENTS = [Remi(), Compound()]
CHORALES = ('jsb_chorales/midi_*', 'js_fakes/midi')
EVERY = 500
"""One file in so many is read in the fast tests, besides one a data set."""


def files(folder, *patterns):
  found = [
    path
    for pattern in patterns or ('**',)
    for path in sorted(folder.glob(f'{pattern}/*.mid*'))
  ]
  assert found
  return found


def sample(folder):
  """Returns a few files of each data set."""
  sets = collections.defaultdict(list)
  for path in files(folder):
    sets[path.relative_to(folder).parts[0]].append(path)
  return [path for paths in sets.values() for path in paths[::EVERY]]


def assert_round_trip(path):
  """Returns how many equal notes were merged."""
  notes = midi.read(path).notes
  counts = set()
  for tokenizer in EVENTS:
    rounded = transform.quantise(notes, tokenizer.grid)
    expected, merged = transform.merge_equal(rounded)
    assert tokenizer.decode(tokenizer.encode(notes)) == expected, path
    counts.add(merged)
  assert len(counts) == 1
  return counts.pop()


def test_a_sample_comes_back_quantised_and_is_grammatical(shared_data):
  for path in sample(shared_data):
    assert_round_trip(path)
    notes = midi.read(path).notes
    if len(notes) < 1000:
      for tokenizer in EVENTS:
        ids = tokenizer.encode(notes).tolist()
        assert recogniser.fault(tokenizer, ids) == '', path


@pytest.mark.slow
def test_every_file_comes_back_quantised(shared_data):
  merged = {path: assert_round_trip(path) for path in files(shared_data)}
  total = sum(merged.values())
  print(f'{len(merged)} files, {total} equal notes merged')
  assert len(merged) > 7000
  # A file in which most notes coincide would show a broken grid.
  assert total < 200_000


@pytest.mark.parametrize('every', [40, pytest.param(1, marks=pytest.mark.slow)])
def test_every_chorale_comes_back_quantised(shared_data, every):
  grid = VoiceGrid()
  left_out = collections.Counter()
  paths = files(shared_data, *CHORALES)[::every]
  for path in paths:
    notes = midi.read(path).notes
    try:
      ids = grid.encode(notes)
    except TokenError as error:
      left_out[error.code] += 1
      continue
    rounded = transform.quantise(notes, grid.grid)
    assert grid.decode(ids) == transform.merge_equal(rounded)[0], path
    assert recogniser.fault(grid, ids.tolist()) == '', path
  print(f'{len(paths)} chorales, left out by code: {dict(left_out)}')
  assert not left_out
