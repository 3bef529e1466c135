"""What all tokenizers promise; of bars and of merges, their own tests."""

import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from aurl_jax import tokens
from aurl_jax.core import config
from aurl_jax.tokens.tokenizer import Tokenizer, save
from tests.tokens import judge, pieces

SEEDS = st.integers(0, 2**32 - 1)
SMALL = {'cells_per_beat': 4, 'bar_beats': 4, 'velocity_bins': 4, 'voices': 2}
ANY_MUSIC = [
  *(tokens.Remi(chords=True), tokens.Remi(**SMALL), tokens.Remi(voices=1)),
  tokens.Compound(chords=True),
  *(tokens.Compound(**SMALL), tokens.Compound(voices=1)),
  tokens.Compound(micro=8, pedal=True, chords=True),
  *(tokens.Compound(micro=3), tokens.Compound(pedal=True)),
  tokens.Compound(micro=2, pedal=True, cells_per_beat=2, bar_beats=4, voices=2),
  *(tokens.Performance(), tokens.Performance(drums=True)),
  tokens.Performance(velocity_bins=4, program=9),
]

CASES = [
  tokens.Remi(cells_per_beat=4, chords=True),
  tokens.Compound(voices=3),
  tokens.VoiceGrid(program=6),
  tokens.Compound(micro=6, pedal=True, controls=True),
  tokens.Performance(velocity_bins=16, program=6),
]


def music(tokenizer, seed, size=60):
  """A random piece, with pedals for those who tell more than the grid."""
  told = getattr(tokenizer, 'micro', 0) or getattr(tokenizer, 'pedal', False)
  return (pieces.pedalled if told else pieces.piece)(seed, size)


@pytest.mark.parametrize('tokenizer', ANY_MUSIC)
@hypothesis.given(seed=SEEDS, size=st.sampled_from((0, 1, 5, 60)))
def test_round_trip_gives_the_quantised_piece(tokenizer, seed, size):
  judge.assert_round_trip(tokenizer, music(tokenizer, seed, size))


@pytest.mark.parametrize('tokenizer', ANY_MUSIC)
@hypothesis.given(seed=SEEDS)
def test_decode_takes_any_ids(tokenizer, seed):
  ids = judge.noise(tokenizer, seed, 300)
  judge.assert_canonical(tokenizer, tokenizer.decode(ids))


@pytest.mark.parametrize('tokenizer', ANY_MUSIC)
@hypothesis.given(seed=SEEDS, torn=SEEDS)
def test_decode_takes_ids_that_were_torn(tokenizer, seed, torn):
  ids = judge.shuffled(tokenizer.encode(music(tokenizer, seed)), torn)
  judge.assert_canonical(tokenizer, tokenizer.decode(ids))


@pytest.mark.parametrize('tokenizer', CASES)
def test_a_saved_tokenizer_is_built_again_from_its_json(tokenizer):
  assert isinstance(tokenizer, Tokenizer)
  section = json.loads(json.dumps(save(tokenizer)))
  again = config.build(section, 'tokenizer')
  assert again == tokenizer
  notes = pieces.chorale(4)
  assert (again.encode(notes) == tokenizer.encode(notes)).all()


def test_the_package_is_its_table_of_contents():
  names = {'Remi', 'Compound', 'VoiceGrid', 'Performance', 'Codec'}
  assert names <= set(dir(tokens))
  assert all(getattr(tokens, name) for name in tokens.__all__)


@pytest.mark.parametrize('tokenizer', CASES)
def test_bars_have_as_many_steps_as_is_told(tokenizer):
  if tokenizer.steps_a_bar is None:
    counts = {
      int(np.diff(tokenizer.bar_steps(tokenizer.encode(piece)))[0])
      for piece in (pieces.chorale(seed, bars=4) for seed in range(6))
    }
    assert len(counts) > 1 or isinstance(tokenizer, tokens.Performance)
    return
  for seed in range(6):
    ids = tokenizer.encode(pieces.chorale(seed, bars=4))
    steps = np.diff(tokenizer.bar_steps(ids))
    assert steps.tolist() == [tokenizer.steps_a_bar] * len(steps)
