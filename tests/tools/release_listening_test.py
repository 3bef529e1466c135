"""`tools/release_listening.py`: what is drawn and written for listeners."""

import numpy as np
import pytest

from aurl_jax.music import midi
from aurl_jax.music.notes import Notes


@pytest.fixture(scope='module')
def tool(load_tool, tool_folder):
  return load_tool('release_listening')


def pieces():
  return [
    Notes.build(4, {'onset': np.arange(8) * 4, 'duration': 4, 'pitch': pitch})
    for pitch in range(60, 70)
  ]


def test_each_excerpt_is_drawn_once_and_again_with_its_seed(tool):
  some = tool.drawn(pieces(), 6, seed=3)
  found = [int(notes.pitch[0]) for notes in some]
  assert len(set(found)) == 6
  assert found == [int(p.pitch[0]) for p in tool.drawn(pieces(), 6, seed=3)]
  assert found != [int(p.pitch[0]) for p in tool.drawn(pieces(), 6, seed=4)]


def test_names_tell_nothing_but_a_number(tool, tmp_path):
  tool.save(pieces()[:2], tmp_path / 'people')
  found = sorted((tmp_path / 'people').iterdir())
  assert [path.name for path in found] == ['000.mid', '001.mid']
  assert midi.read(found[1]).notes.pitch.tolist() == [61] * 8


def test_every_model_with_bounds_has_music_to_compare_with(tool):
  from aurl_jax.deploy import bundle

  assert set(tool.quality_bounds.CORPORA) <= {*bundle.shipped(), 'multi'}
