"""`tools/structure_figures.py`: its comparisons, and a model that copies."""

import dataclasses
import types

import numpy as np
import pytest

from aurl_jax.generation.piece import Piece
from aurl_jax.music.notes import Notes, Track
from aurl_jax.music.rebuild import rebuilt
from aurl_jax.tokens import controls


@pytest.fixture(scope='module')
def tool(load_tool):
  return load_tool('structure_figures')


class Copier:
  """Writes eight bars and, of `A8B8A8`, copies them."""

  def __init__(self):
    self.asked = []

  def request(self, **asked):
    self.asked.append(asked)
    return types.SimpleNamespace(**asked)

  def generate(self, request):
    rng = np.random.default_rng(request.seed)
    pitch = rng.integers(50, 80, 8 * 16 * 2)
    pitch = np.concatenate([pitch, pitch[: 8 * 16]])
    onset = np.arange(24 * 16)
    notes = Notes.build(4, {'onset': onset, 'duration': 2, 'pitch': pitch})
    log = [{'tries': 2, 'weak': False}, {'tries': 1, 'weak': True}]
    return [
      Piece(
        notes=notes,
        ids=np.ones((2, 1), np.int32),
        seed=request.seed,
        ended=True,
        grammatical=True,
        more={'form': 'A8B8A8', 'written': log},
      )
    ]


def test_pieces_are_written_once_and_drawn(tool, tmp_path):
  composer = Copier()
  asked = {'form': 'A8B8A8', 'minutes': 1.0, 'seed': 3}
  first = tool.written(composer, asked, 2, tmp_path)
  assert [row['seed'] for row in first] == [3, 4]
  again = tool.written(composer, asked, 3, tmp_path)
  assert len(composer.asked) == 3
  assert again[:2] == first
  row = first[0]
  assert row['mid'] > max(row['short'], row['long'])
  assert (row['stretches'], row['drawn_again'], row['weak']) == (2, 1, 1)
  # The last note begins in the last cell, and sounds on for one.
  assert row['hangs'] == pytest.approx(1 / 16)
  assert row['busy'] == pytest.approx(1)
  tool.picture(first, tmp_path)
  assert (tmp_path / 'structure.png').read_bytes()[:4] == b'\x89PNG'
  line = tool.drafts(first)
  assert (line['stretches'], line['drawn_again'], line['weak']) == (4, 2, 2)


def test_a_median_is_inside_or_not_and_distances_are_by_the_floor(tool):
  train = np.linspace(0, 1, 101)
  bands = tool.structure.BANDS
  real = {
    'train': dict.fromkeys(bands, train),
    'valid': dict.fromkeys(bands, train + 0.1),
  }
  rows = [
    {'short': value + 0.2, 'mid': value + 0.4, 'long': np.nan}
    for value in train.tolist()
  ]
  rows = [*rows[:101], dict.fromkeys(bands, 0.5)]
  found = {line['indicator']: line for line in tool.compared(rows, real)}
  assert found['short']['inside']
  assert not found['mid']['inside']
  assert found['short']['floor'] == pytest.approx(0.1)
  assert found['short']['by_floor'] == pytest.approx(2, abs=0.05)
  assert found['long']['pieces'] == 1
  assert dataclasses.is_dataclass(Piece)


def test_pieces_of_so_many_bars_have_no_form(tool, tmp_path):
  composer = Copier()
  rows = tool.written(composer, {'bars': 24, 'seed': 5}, 2, tmp_path)
  assert composer.asked[0] == {'bars': 24, 'seed': 5}
  assert [row['form'] for row in rows] == ['', '']
  assert rows[0]['hangs'] == pytest.approx(1 / 16)
  assert tool.drafts(rows)['ended'] == 2
  tool.picture(rows, tmp_path)
  assert (tmp_path / 'structure.png').read_bytes()[:4] == b'\x89PNG'


def test_pieces_may_be_as_long_as_those_of_the_music(tool, tmp_path):
  composer = Copier()
  rows = tool.written(composer, {'bars': 0, 'seed': 1}, 6, tmp_path, [24, 32])
  found = [asked['bars'] for asked in composer.asked]
  assert set(found) == {24, 32}
  again = Copier()
  tool.written(again, {'bars': 0, 'seed': 1}, 6, tmp_path / 'two', [24, 32])
  assert [asked['bars'] for asked in again.asked] == found
  assert len(rows) == 6


def test_pieces_may_be_asked_for_the_instruments_of_the_music(tool, tmp_path):
  composer, families = Copier(), [(0,), (5, 16)]
  asked = {'form': 'A8B8A8', 'minutes': 1.0, 'seed': 1}
  rows = tool.written(composer, asked, 6, tmp_path, (), families)
  found = [one['controls'].instruments for one in composer.asked]
  assert set(found) == set(families)
  assert {tuple(row['families']) for row in rows} == {(0,)}
  drums = Notes.build(4, {'onset': 0, 'duration': 1, 'pitch': [36, 40]})
  played = [Track(program=42), Track(is_drum=True)]
  both = rebuilt(drums, {'track': np.array([0, 1])}, tracks=played)
  assert controls.families(both) == (5, 16)


def test_an_indicator_that_no_piece_has_is_told_so(tool):
  bands = tool.structure.BANDS
  real = {
    name: dict.fromkeys(bands, np.linspace(low, 1, 9))
    for name, low in (('train', 0.2), ('valid', 0.3))
  }
  rows = [{'short': 0.5, 'mid': 0.5, 'long': np.nan}]
  assert tool.compared(rows, real)[-1] == {'indicator': 'long', 'pieces': 0}
