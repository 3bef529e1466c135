"""Who is chosen: scores piece by piece, groups, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.deploy.ranking import Ranker
from aurl_jax.generation.errors import RequestError
from aurl_jax.models.critic import Critic, CriticConfig
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.marks import Marks
from aurl_jax.tokens.places import Places
from tests.tokens import pieces

TOKENIZER = VoiceGrid()
STEPS = 40


@pytest.fixture(scope='module')
def ranker():
  critic = Critic(
    CriticConfig(width=8, layers=1, beats=8),
    TOKENIZER.codec.sizes,
    Places.of(TOKENIZER),
    Marks.of(TOKENIZER),
  )
  variables = jax.jit(critic.init)(jax.random.key(0))
  return Ranker(critic, variables, STEPS)


@pytest.fixture(scope='module')
def music():
  lengths = [STEPS, 25, 33, 9]
  return [
    TOKENIZER.encode(pieces.chorale(seed, bars=4))[:length]
    for seed, length in enumerate(lengths * 17)
  ]


def test_a_piece_scores_what_it_scores_alone(ranker, music):
  found = ranker.scores(music)
  assert found.shape == (68,)
  for row in (0, 1, 65):
    ids = jnp.asarray(music[row], jnp.int32)[None]
    alone = ranker.critic.of_ids(
      ranker.variables, ids, jnp.ones(ids.shape[:2], jnp.int32)
    )
    assert found[row] == pytest.approx(float(alone.score[0]), abs=1e-5)


def test_the_highest_of_each_group_is_chosen(ranker, music):
  scores, chosen = ranker.scores(music), ranker.best(music, 4)
  assert len(chosen) == 17
  for group, best in enumerate(chosen):
    assert 4 * group <= best < 4 * group + 4
    assert scores[best] == scores[4 * group : 4 * group + 4].max()


def test_what_cannot_be_judged_is_refused(ranker, music):
  with pytest.raises(RequestError, match='no pieces to judge'):
    ranker.scores([])
  with pytest.raises(RequestError, match='make no groups of 3'):
    ranker.best(music[:4], 3)
  with pytest.raises(RequestError, match='piece 1 is empty'):
    ranker.scores([music[0], music[0][:0]])
  long = np.concatenate([music[0], music[0]])
  with pytest.raises(RequestError, match='piece 1 has 80 steps'):
    ranker.scores([music[0], long])
