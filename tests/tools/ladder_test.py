"""Music that is spoilt is farther away, the more so the more it is."""

import itertools
import json

import pytest

from aurl_jax.music import midi
from tests.tokens import pieces

COUNT = 32


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """Pieces of two halves, as files of a set."""
  (tmp_path / 'set').mkdir()
  for seed in range(2 * COUNT):
    path = tmp_path / 'set' / f'{seed}.mid'
    midi.write(pieces.chorale(seed, bars=4), path)
  monkeypatch.setenv('AURL_DATA', str(tmp_path))
  return tmp_path


@pytest.mark.slow
def test_each_way_is_told_from_the_other_half_and_from_what_it_was(
  folder, load_tool, capsys
):
  tool = load_tool('ladder')
  assert tool.main(['--set', 'set', f'--pieces={COUNT}']) == 0
  floor, *ways = map(json.loads, capsys.readouterr().out.splitlines())
  assert floor['floor']['frechet'] > 0
  assert len(ways) == 4
  for way in ways:
    own = [step['own']['frechet'] for step in way['steps']]
    assert own[0] == pytest.approx(0, abs=1e-6)
    assert own[-1] > own[0]
    grows = all(a < b for a, b in itertools.pairwise(own))
    assert way['own_frechet'] is grows
