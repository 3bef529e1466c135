"""What a critic and its generator minimise, as pure functions.

Losses are of each row and means over the scales of `models.critic`, so that
parts of a batch add up. Axes: `b` rows, `k` scores of a scale.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from aurl_jax.core.errors import ConfigError
from aurl_jax.models.critic import Scale, Verdict
from aurl_jax.parallel import rules

KINDS = ('hinge', 'wgan')
_TINY = 1e-12
_LARGEST_RATIO = 1e4
"""Of gradients: taming-transformers clips there, too."""

Score = Callable[[Array], Float[Array, ' b']]
"""From embedded rows to one score each."""


def critic_loss(kind: str, real: Verdict, fake: Verdict) -> Float[Array, ' b']:
  """Returns what the critic minimises.

  Args:
    kind: `hinge` (Lim & Ye 2017, "Geometric GAN", equation 20) or `wgan`, the
      negative distance of Arjovsky et al. 2017, which needs a penalty.
    real: On music.
    fake: On what was made.
  """
  if kind == 'wgan':
    return fake.score - real.score
  return _over_scales(
    [
      _row(one, jax.nn.relu(1 - one.score))
      + _row(other, jax.nn.relu(1 + other.score))
      for one, other in zip(real.scales, fake.scales, strict=True)
    ]
  )


def generator_loss(fake: Verdict) -> Float[Array, ' b']:
  """Returns what the generator minimises, of either kind: the score, down."""
  return -fake.score


def feature_loss(real: Verdict, fake: Verdict) -> Float[Array, ' b']:
  """Returns how far what the critic makes of rows lies apart.

  Mean absolute differences, of each block the mean over bars and width
  (Salimans et al. 2016, section 3.1; row by row where what was made is a
  reconstruction, Larsen et al. 2016, section 2.3).
  """
  return _over_scales(
    [
      jnp.abs(one - other).mean(axis=(1, 2))
      for one, other in zip(real.features, fake.features, strict=True)
    ]
  )


def r1(score: Score, x: Float[Array, 'b *n']) -> Float[Array, ' b']:
  """Returns half the squared norm of the gradient at real rows.

  Mescheder et al. 2018, "Which Training Methods for GANs do actually
  Converge?", equation 9.
  """
  return 0.5 * _squared_slopes(score, x)


def gradient_penalty(
  score: Score,
  real: Float[Array, 'b *n'],
  fake: Float[Array, 'b *n'],
  share: Float[Array, ' b'],
) -> Float[Array, ' b']:
  """Returns how far the norm of the gradient between two rows is from 1.

  Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", equation 3.

  Args:
    score: The critic.
    real: Embedded music.
    fake: What was made, likewise.
    share: Where between the two, 0..1.
  """
  share = share.reshape(-1, *(1,) * (real.ndim - 1))
  slopes = _squared_slopes(score, share * real + (1 - share) * fake)
  return (jnp.sqrt(slopes + _TINY) - 1) ** 2


def right(
  real: Float[Array, ' b'],
  fake: Float[Array, ' b'],
  counted: Bool[Array, ' b'],
) -> Float[Array, '2']:
  """Returns how many scores lie on their side, and how many there are.

  The sides meet in the middle of all scores, so that a critic whose scores
  have no zero is judged alike; one that knows nothing has half of them right.

  Example:
    >>> yes = jnp.array([True, True])
    >>> right(jnp.array([5.0, 1.0]), jnp.array([0.0, 2.0]), yes).tolist()
    [2.0, 4.0]
  """
  both = jnp.concatenate([real, fake])
  middle = jnp.nanmedian(jnp.where(jnp.tile(counted, 2), both, jnp.nan))
  sides = (jnp.sign(real - middle) - jnp.sign(fake - middle)) / 2
  return jnp.stack(
    [jnp.where(counted, 1 + sides, 0).sum(), 2.0 * counted.sum()]
  )


def gradient_ratio(grads: Any, other: Any, pattern: str) -> Float[Array, '']:
  """Returns the norm of one gradient over that of another.

  It makes the other as long as the first: Esser et al. 2021, "Taming
  Transformers", equation 7, there of the last layer.

  Args:
    grads: A tree as the parameters.
    other: Likewise.
    pattern: Regex on the paths of the parameters that count.

  Raises:
    ConfigError: No parameter matches.
  """
  one, two = (_norm(tree, pattern) for tree in (grads, other))
  return jnp.clip(one / (two + _TINY), 0, _LARGEST_RATIO)


def _squared_slopes(
  score: Score, x: Float[Array, 'b *n']
) -> Float[Array, ' b']:
  slopes = jax.grad(lambda x: score(x).sum())(x)
  return (slopes.reshape(len(x), -1) ** 2).sum(axis=1)


def _row(scale: Scale, values: Float[Array, 'b k']) -> Float[Array, ' b']:
  return (scale.share * values).sum(axis=-1)


def _over_scales(losses: Sequence[Array]) -> Float[Array, ' b']:
  return jnp.stack(losses).mean(axis=0)


def _norm(grads: Any, pattern: str) -> Float[Array, '']:
  found = [
    (leaf**2).sum()
    for path, leaf in jax.tree_util.tree_leaves_with_path(grads)
    if re.search(pattern, rules.path_name(path))
  ]
  if not found:
    raise ConfigError(f'gan: no parameter matches {pattern!r}')
  return jnp.sqrt(jnp.stack(found).sum())
