"""Which checkpoint a run goes back to."""

import types

import pytest

from aurl_jax.core.checkpoint import Checkpoints
from aurl_jax.core.errors import CheckpointError
from aurl_jax.experiment import rollback


class Kept(Checkpoints):
  """Checkpoints of some steps, of which some are damaged."""

  def __init__(self, steps, damaged=()):
    self.found, self.damaged, self.waited = steps, damaged, False

  def wait(self):
    self.waited = True

  def steps(self):
    assert self.waited
    return self.found

  def restore(self, like, step=None, partial=False):
    assert like == 'like'
    if step in self.damaged:
      raise CheckpointError('rot', code='damaged')
    return types.SimpleNamespace(state=step)


def _back(kept, every):
  return rollback.earlier(
    kept, every, like=lambda: 'like', fresh=lambda: 'fresh'
  )


@pytest.mark.parametrize(
  ('steps', 'every', 'most', 'expected'),
  [
    ([10, 20, 30], 10, 25, 20),
    ([10, 20, 30], 10, 20, 20),
    ([10, 20, 30], 10, 9, 10),
    ([], 10, 25, 'fresh'),
    # An interruption left 23, and 7: an unbroken run has neither.
    ([10, 20, 23], 10, 25, 20),
    ([7], 10, 9, 'fresh'),
    ([7], 0, 9, 'fresh'),
    # Only one is kept, and the interruption's took the place of 20.
    ([23], 10, 22, 23),
  ],
)
def test_goes_back_to_the_newest_of_the_rhythm(steps, every, most, expected):
  assert _back(Kept(steps), every)(most) == expected


def test_a_damaged_one_gives_way_to_an_older_one(caplog):
  assert _back(Kept([10, 20, 30], damaged=[20]), 10)(25) == 10
  assert 'checkpoint 20 is passed over: rot' in caplog.text
