import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import parity
from aurl_jax.deploy.composer import Composer
from aurl_jax.music.notes import Notes
from tests.generation import writers


@pytest.fixture(scope='module')
def composer():
  tokenizer = writers.TOKENIZERS['compound']
  model, params = writers.model_of('compound')
  return Composer(model=model, params=params, tokenizer=tokenizer)


def piece(notes):
  at = np.arange(notes)
  columns = {'onset': at, 'duration': 1, 'pitch': 50 + at % 20}
  return Notes.build(4, columns)


def test_prompts_are_the_first_steps_of_pieces_that_are_long_enough(composer):
  music = [piece(5), piece(60), piece(70), piece(80)]
  rows = parity.prompts(composer, music, 2)
  assert rows.shape == (2, parity.STEPS + 1, 7)
  for row, notes in zip(rows, music[1:], strict=False):
    whole = composer.tokenizer.encode(notes)
    np.testing.assert_array_equal(row, whole[: parity.STEPS + 1])


def test_no_prompts_are_an_error(composer):
  with pytest.raises(BundleError, match='--prompts') as caught:
    parity.prompts(composer, [piece(3)])
  assert caught.value.code == 'prompts'


def test_differences_and_disagreement_are_counted(composer):
  rows = parity.prompts(composer, [piece(60), piece(70)], 2)[:, :6]
  model, params = composer.model, composer.params
  # Step by step: what comes behind a step is not there yet.
  judge = jax.jit(model.logits)
  exact = [[] for _ in range(7)]
  for t in range(5):
    told = _last(functools.partial(judge, params), rows, t)
    for column, logits in zip(exact, told, strict=True):
      column.append(logits)
  exact = [np.stack(column, axis=1) for column in exact]
  found = parity.measure(composer, rows, lambda _: exact)
  assert found.largest < 1e-4
  assert (found.agreement, found.predictions) == (1.0, 70)
  assert (found.prompts, found.steps) == (2, 5)
  wrong = [x.copy() for x in exact]
  wrong[3][1, 2] = -wrong[3][1, 2]
  found = parity.measure(composer, rows, lambda _: wrong)
  assert found.agreement == pytest.approx(69 / 70)
  assert found.largest == pytest.approx(
    2 * np.abs(exact[3][1, 2]).max(), rel=0.01
  )


def _last(judge, rows, t):
  """Logits of step t + 1, all later ones 0."""
  at = np.arange(rows.shape[1] - 1)
  ids = np.where(at[:, None] <= t, rows[:, :-1], 0)
  targets = np.where(at[:, None] <= t, rows[:, 1:], 0)
  real = np.broadcast_to(at <= t, rows.shape[:1] + at.shape).astype(np.int32)
  places = np.broadcast_to(at.astype(np.int32), real.shape)
  found = judge(*map(jnp.asarray, (ids, real, places, targets)))
  return [np.asarray(x[:, t]) for x in found]
