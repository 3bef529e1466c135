import numpy as np
import pytest

from aurl_jax.tokens import control_dropout, control_steps
from aurl_jax.tokens import controls as controls_lib
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.controls import Controls, Levels
from aurl_jax.tokens.remi import Remi
from tests.tokens import pieces

BOTH = [Remi(controls=True), Compound(controls=True)]


def told(tokenizer, seed=1):
  notes = pieces.chorale(seed, bars=6)
  asked = controls_lib.of(notes, tokenizer.grid, bars=True, style=5)
  return tokenizer.encode(notes, asked), tokenizer.encode(notes)


def test_kinds_are_those_of_the_steps():
  assert control_dropout.KINDS == control_steps.KINDS
  assert control_dropout.has_controls(BOTH[0].codec)
  assert not control_dropout.has_controls(Remi().codec)


@pytest.mark.parametrize('tokenizer', BOTH)
def test_the_twin_of_a_prompt_has_no_controls(tokenizer):
  ids, plain = told(tokenizer)
  codec = tokenizer.codec
  np.testing.assert_array_equal(
    control_dropout.unconditional(codec, ids), plain
  )
  some = control_dropout.unconditional(codec, ids, only=('style', 'density'))
  found = tokenizer.read_controls(some)
  assert found.style is None
  assert found.piece.density is None
  assert found.piece.key is not None
  assert all(bar.density is None for bar in found.bars)


@pytest.mark.parametrize('tokenizer', BOTH)
def test_controls_are_dropped_with_the_chance_asked_for(tokenizer):
  ids, plain = told(tokenizer)
  codec = tokenizer.codec
  number = control_dropout.kinds(codec, ids)
  counts, whole, draws = np.zeros(len(ids)), 0, 2000
  for seed in range(draws):
    rng = np.random.default_rng(seed)
    kept = control_dropout.kept(codec, ids, 0.2, rng)
    assert kept[number < 0].all()
    counts += kept
    whole += not kept[number >= 0].any()
    if seed < 20:
      # What is left is music that is told in full.
      back = tokenizer.decode(ids[kept])
      assert back == tokenizer.decode(plain)
  first_bar = int(tokenizer.bar_steps(ids)[0])
  of_piece = (number >= 0) & (np.arange(len(ids)) < first_bar)
  of_bars = (number >= 0) & ~of_piece
  share = counts / draws
  # All are dropped with 0.2; else a piece's with 0.2, a bar's twice so.
  np.testing.assert_allclose(share[of_piece], 0.8**2, atol=0.04)
  np.testing.assert_allclose(share[of_bars], 0.8**3, atol=0.04)
  assert 0.17 < whole / draws < 0.23


def test_nothing_is_dropped_without_a_chance():
  ids, _ = told(BOTH[0])
  rng = np.random.default_rng(0)
  assert control_dropout.kept(BOTH[0].codec, ids, 0.0, rng).all()
  assert BOTH[0].read_controls(ids) != Controls(piece=Levels())
