"""Which of several pieces sound most real: the critic of a `vae_gan` chooses.

Rejection by a critic's score, the simplest of what Azadi et al. 2019,
"Discriminator Rejection Sampling", refine: of each group of samples the one
that it scores highest is kept. Axes: `n` pieces, `g` groups.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jaxtyping import Float, Int

from aurl_jax.generation.errors import RequestError
from aurl_jax.models.critic import Critic, Variables

_AT_ONCE = 64


@dataclasses.dataclass(frozen=True, eq=False)
class Ranker:
  """Scores pieces.

  Attributes:
    critic: What judges.
    variables: Of it.
    context: Steps of the longest piece that it has seen.
  """

  critic: Critic
  variables: Variables
  context: int

  def scores(
    self, pieces: Sequence[Int[np.ndarray, '_ f']]
  ) -> Float[np.ndarray, ' n']:
    """Returns how real each piece sounds, higher for more.

    Scores of one critic compare; they mean nothing by themselves.

    Args:
      pieces: Ids of the tokenizer that the critic was trained with.

    Raises:
      RequestError: There is none (code `no_pieces`), one is longer than the
        context or empty (`too_long`, `no_notes`).
    """
    if not len(pieces):
      raise RequestError('there are no pieces to judge', code='no_pieces')
    for at, ids in enumerate(pieces):
      self._check(at, ids)
    found = [
      self._some(pieces[first : first + _AT_ONCE])
      for first in range(0, len(pieces), _AT_ONCE)
    ]
    return np.concatenate(found)

  def best(
    self, pieces: Sequence[Int[np.ndarray, '_ f']], of: int
  ) -> Int[np.ndarray, ' g']:
    """Returns the index of the best piece of each group, of ties the first.

    Args:
      pieces: Ids, one group behind the other.
      of: Pieces of a group, by which `pieces` must divide.

    Raises:
      RequestError: As `scores`, or the groups do not come out even.
    """
    if of < 1 or len(pieces) % of:
      raise RequestError(
        f'{len(pieces)} pieces make no groups of {of}; give a multiple',
        code='groups',
      )
    scores = self.scores(pieces).reshape(-1, of)
    chosen: np.ndarray = scores.argmax(axis=1) + of * np.arange(len(scores))
    return chosen

  def _check(self, at: int, ids: np.ndarray) -> None:
    if not len(ids):
      raise RequestError(f'piece {at} is empty', code='no_notes')
    if len(ids) > self.context:
      raise RequestError(
        f'piece {at} has {len(ids)} steps, and the critic was trained on at '
        f'most {self.context}; cut it',
        code='too_long',
      )

  def _some(self, pieces: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the scores of at most `_AT_ONCE` pieces."""
    ids = np.zeros((_AT_ONCE, self.context, pieces[0].shape[1]), np.int32)
    segments = np.zeros(ids.shape[:2], np.int32)
    for row, piece in enumerate(pieces):
      ids[row, : len(piece)] = piece
      segments[row, : len(piece)] = 1
    return np.asarray(self._judge(self.variables, ids, segments))[: len(pieces)]

  @functools.cached_property
  def _judge(self) -> Callable[..., jax.Array]:
    critic = self.critic
    return jax.jit(lambda *given: critic.of_ids(*given).score)
