"""Latents that look as if drawn of the prior: the game of their own critic.

See `models.latent_critic`. It has no gate: its music are draws of the prior,
and a critic that cannot tell them apart says that the aim is reached.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from aurl_jax.core import random
from aurl_jax.core.typing import Keys
from aurl_jax.models.critic import Scale, Variables, Verdict
from aurl_jax.parallel import rowwise
from aurl_jax.training import critic as critic_lib
from aurl_jax.training.gan import Gan, GanState, stepped
from aurl_jax.training.losses import Sums
from aurl_jax.training.state import TrainState
from aurl_jax.training.terms import Rows

_ENCODER = r'(^|/)encoder/'
_NAME = 'latents/'
"""Of what metrics tell, behind `gan/`."""


class Matching:
  """The critic of latents, and what it teaches the encoder."""

  def __init__(self, gan: Gan, mesh: jax.sharding.Mesh | None) -> None:
    """Takes what all steps share.

    Args:
      gan: The objects, with a `matcher`.
      mesh: Where state and batches lie; None for one device.
    """
    assert gan.matcher is not None
    self._gan, self._mesh, self._critic = gan, mesh, gan.matcher

  def critic_step(
    self, gan: GanState, part: tuple[Rows, Keys]
  ) -> tuple[GanState, Sums, Float[Array, '']]:
    """Returns the state after a step of the critic, sums, and the norm.

    Args:
      gan: Before it.
      part: Rows as of `Game.written`, and keys.
    """
    work = rowwise.over_rows(self._gradient, self._mesh)
    variables = gan['matcher']
    grads, sums = work(variables, part)
    after, opt, norm = stepped(
      self._gan.optimizer,
      variables,
      gan['matcher_opt'],
      grads,
      sums.pop('rows'),
    )
    matcher = self._critic.iterated(after)
    return gan | {'matcher': matcher, 'matcher_opt': opt}, sums, norm

  def lesson(
    self, state: TrainState, gan: GanState
  ) -> tuple[Any, Variables, Float[Array, ''], str, str]:
    """Returns who teaches, by what, with which weight, whom, and its name."""
    config = self._gan.config
    weight = jnp.where(state['step'] >= config.warmup, config.latents, 0.0)
    return self._teach, gan['matcher'], weight, _ENCODER, _NAME

  def _gradient(
    self, variables: Variables, part: tuple[Rows, Keys]
  ) -> tuple[Any, Sums]:
    rows, keys = part
    first, second = (random.fold_rows(keys, name) for name in ('one', 'two'))
    real = self._critic.prior(first)
    fake = self._critic.filled(rows['made'].latents, rows['used'], second)
    counted = rows['real'] & ~rows['drawn']

    def loss(params: Any) -> tuple[Array, tuple[Array, Array]]:
      now = variables | {'params': params}
      scores = self._critic.score(now, real), self._critic.score(now, fake)
      each = critic_lib.critic_loss('hinge', *map(_verdict, scores))
      return jnp.where(counted, each, 0).sum(), scores

    grads, (one, two) = jax.grad(loss, has_aux=True)(variables['params'])
    return grads, {
      'rows': counted.sum().astype(jnp.float32),
      f'ratio/gan/{_NAME}accuracy': critic_lib.right(one, two, counted),
    }

  def _teach(
    self, same: tuple[Any, Variables], part: tuple[Rows, Keys]
  ) -> tuple[Any, Sums]:
    """Returns what the critic teaches the encoder on rows, summed up."""
    (params, variables), (rows, keys) = same, part
    first, second = (random.fold_rows(keys, name) for name in ('three', 'two'))

    def loss(params: Any) -> Array:
      found = self._gan.replay.model.posterior(
        params, rows['ids'], rows['segments']
      )
      latents = self._critic.filled(found.sample(first), found.used, second)
      score = self._critic.score(variables, latents)
      return jnp.where(rows['real'], -score, 0).sum()

    count = rows['real'].sum().astype(jnp.float32)
    return jax.grad(loss)(params), {'rows': count}


def _verdict(score: Float[Array, ' b']) -> Verdict:
  """Returns the verdict of one scale with one score a row."""
  scale = Scale(score[:, None], jnp.ones_like(score[:, None]))
  return Verdict((scale,), ())
