"""`AggregatePrior`: an equal mixture of the posteriors of training pieces.

The mixture of all posteriors is the prior that suits a trained encoder best
(Tomczak & Welling 2018, "VAE with a VampPrior", section 3; here the data stand
in for the learned pseudo-inputs, as in its "VampPrior data"). Axes: `b` pieces,
`m` components, `s` slots, `c` kinds of conditions.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from aurl_jax.core.errors import ConfigError
from aurl_jax.models.densities import normal_log_prob
from aurl_jax.models.latent import Latents, Posterior
from aurl_jax.models.prior import checked


@dataclasses.dataclass(frozen=True, kw_only=True)
class AggregatePrior:
  """A mixture of posteriors; use `AggregatePrior.of`.

  A slot that a component's piece does not have is standard normal in it.

  Attributes:
    posterior: Of `m` pieces.
    condition: int32 [m, c], the condition that each meets, 0 for unknown.
    names: What conditions there are.
    classes: How many classes each of them has.
  """

  posterior: Posterior
  condition: Any
  names: tuple[str, ...] = ()
  classes: tuple[int, ...] = ()

  @classmethod
  def of(
    cls,
    posterior: Posterior,
    count: int = 0,
    *,
    seed: int = 0,
    condition: Any = None,
    names: tuple[str, ...] = (),
    classes: tuple[int, ...] = (),
  ) -> 'AggregatePrior':
    """Returns the mixture of some pieces' posteriors, chosen at random.

    At random, for a choice that spreads them evenly would weigh rare music
    as much as common.

    Args:
      posterior: Of pieces.
      count: How many to take; 0, or more than there are, for all.
      seed: Of the choice.
      condition: int [b, c], what each piece meets; None for no conditions.
      names: Of the conditions.
      classes: How many classes each of them has.

    Raises:
      ConfigError: There are no pieces, or the condition does not fit.
    """
    rows = len(posterior.used)
    if not rows:
      raise ConfigError(
        'an aggregate of no posteriors is no prior; encode some pieces',
        code='no_pieces',
      )
    told = np.asarray(checked(names, classes, condition, rows))
    order = np.random.default_rng(seed).permutation(rows)
    chosen = np.sort(order[: count or None])
    means, logs = posterior.mean, posterior.log_variance
    used = np.asarray(posterior.used)[chosen]
    take = lambda x: np.asarray(x)[chosen]  # noqa: E731
    had = lambda x: np.where(used[..., None], take(x), 0)  # noqa: E731
    return cls(
      posterior=Posterior(
        mean=Latents(slots=had(means.slots), piece=take(means.piece)),
        log_variance=Latents(slots=had(logs.slots), piece=take(logs.piece)),
        used=used,
      ),
      condition=told[chosen],
      names=names,
      classes=classes,
    )

  def log_prob(
    self,
    latents: Latents,
    used: Bool[Array, 'b s'] | Bool[np.ndarray, 'b s'],
    condition: Any = None,
  ) -> Float[Array, ' b']:
    """Returns the log density of the latents that pieces have, in nats.

    Args:
      latents: Of pieces.
      used: The slots that each has; others do not count.
      condition: int [c]: of those components only that meet it, 0 for open.

    Raises:
      ConfigError: There are none, or the condition does not fit.
    """
    chosen = self._matching(condition)
    part = jax.tree.map(lambda x: jnp.asarray(x)[chosen], self.posterior)
    return _log_prob(part, jax.tree.map(jnp.asarray, latents), jnp.array(used))

  def sample(self, key: PRNGKeyArray, n: int, condition: Any = None) -> Latents:
    """Returns latents of `n` pieces.

    Args:
      key: Of the draws.
      n: How many.
      condition: As for `log_prob`.

    Raises:
      ConfigError: As `log_prob`.
    """
    chosen = self._matching(condition)
    which, noise = jax.random.split(key)
    at = chosen[np.asarray(jax.random.randint(which, (n,), 0, len(chosen)))]
    part = jax.tree.map(lambda x: jnp.asarray(x)[at], self.posterior)
    drawn: Latents = part.sample(noise)
    return drawn

  def _matching(self, condition: Any) -> np.ndarray:
    """Returns which components meet a condition."""
    wanted = np.asarray(checked(self.names, self.classes, condition, 1))
    if condition is not None and np.ndim(condition) != 1:
      raise ConfigError(
        'an aggregate takes one condition for all pieces, an id of each of '
        f'{", ".join(self.names) or "none"}; ask for others one by one',
        code='condition',
      )
    meets = ((wanted == 0) | (wanted == self.condition)).all(-1)
    if not meets.any():
      told = dict(zip(self.names, wanted[0].tolist(), strict=True))
      raise ConfigError(
        f'none of the {len(meets)} pieces of the aggregate meets {told}; leave '
        'some open (0), take more pieces, or a learned prior',
        code='condition',
      )
    return np.flatnonzero(meets)


@jax.jit
def _log_prob(
  components: Posterior, latents: Latents, used: Bool[Array, 'b s']
) -> Float[Array, ' b']:
  """Returns the log density under an equal mixture, row by row."""
  means, logs = components.mean, components.log_variance

  def one(row: tuple[Any, Any, Any]) -> Float[Array, '']:
    slots, piece, has = row
    each = normal_log_prob(slots[None], means.slots, logs.slots)
    whole = normal_log_prob(piece[None], means.piece, logs.piece)
    total = jnp.where(has, each, 0).sum(-1) + whole
    return jax.scipy.special.logsumexp(total) - jnp.log(len(total))

  rows: Array = jax.lax.map(one, (latents.slots, latents.piece, used))
  return rows
