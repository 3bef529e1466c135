"""Boxes of steps in a piano roll, on pieces whose steps are known."""

import importlib

import numpy as np
import pytest

from aurl_jax.tokens.bpe import Bpe
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.remi import Remi
from tests.tokens import pieces


@pytest.fixture(scope='module')
def roll(tool_folder):
  return importlib.import_module('attention_roll')


def told(tokenizer, ids, step):
  return [tokenizer.codec.event(int(id_), f) for f, id_ in enumerate(ids[step])]


@pytest.mark.parametrize('tokenizer', [Remi(), Compound(micro=4)], ids=repr)
def test_every_note_is_the_step_of_its_pitch(roll, tokenizer):
  music = pieces.chorale(3)
  ids = tokenizer.encode(music)
  notes = tokenizer.decode(ids)
  found = roll.boxes(tokenizer, ids)
  cells = getattr(tokenizer, 'micro', 0) or 1
  for i in range(len(notes)):
    assert found.left[i] * cells == notes.onset[i]
    assert found.width[i] * cells == notes.duration[i]
    assert ('pitch', notes.pitch[i]) in told(tokenizer, ids, found.step[i])
  # All other steps stand below, each once.
  below = found.step[len(notes) :].tolist()
  used = found.step[: len(notes)].tolist()
  assert sorted(set(below) | set(used)) == list(range(len(ids)))
  assert not set(below) & set(used)
  assert (found.pitch[len(notes) :] < notes.pitch.min()).all()


def test_a_step_of_a_grid_is_a_cell_of_all_that_sounds(roll):
  tokenizer = VoiceGrid()
  ids = tokenizer.encode(pieces.chorale(1))
  notes = tokenizer.decode(ids)
  found = roll.boxes(tokenizer, ids)
  assert set(found.step.tolist()) == set(range(len(ids)))
  for step in range(1, len(ids) - 1):
    cell = step - 1
    sounds = (notes.onset <= cell) & (notes.onset + notes.duration > cell)
    here = found.step == step
    assert (found.left[here] == cell).all()
    pitches = sorted(notes.pitch[sounds].tolist())
    if pitches:
      assert sorted(found.pitch[here].tolist()) == pitches


def test_merged_ids_stand_wherever_their_parts_do(roll):
  base = Remi(cells_per_beat=4)
  ids = base.encode(pieces.chorale(2))
  pair = tuple(ids[6:8, 0].tolist())
  tokenizer = Bpe(base=base, merges=(pair,))
  merged = ids.copy()
  merged[6] = base.codec.sizes[0]
  merged = np.delete(merged, 7, axis=0)
  plain, found = roll.boxes(base, ids), roll.boxes(tokenizer, merged)
  np.testing.assert_array_equal(found.left, plain.left)
  owners = np.arange(len(ids)) - (np.arange(len(ids)) >= 7)
  np.testing.assert_array_equal(found.step, owners[plain.step])


def test_a_panel_a_head_is_drawn(roll, tmp_path):
  tokenizer = Compound()
  ids = tokenizer.encode(pieces.chorale(5))
  weights = np.zeros((2, 3, len(ids), len(ids)))
  weights[..., 0] = 1
  step = len(ids) - 2
  said = roll.described(tokenizer, ids, step)
  assert said.startswith(f'step {step} in bar ')
  assert 'note, position' in said
  figure = roll.draw(weights, roll.boxes(tokenizer, ids), step, said)
  titles = [axes.get_title() for axes in figure.axes]
  assert titles[0] == 'layer 0, head 0'
  assert titles[5] == 'layer 1, head 2'
  figure.savefig(tmp_path / 'roll.png')
  assert (tmp_path / 'roll.png').stat().st_size > 1000
