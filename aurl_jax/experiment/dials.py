"""How far the dials of a run's latents turn, measured on its data.

And what each takes along: where another attribute goes half as far or more,
its own dial is turned against it, by the least share that keeps it below that.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from aurl_jax.data.cache import fitting
from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.dials import Dials
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.evaluation import attributes
from aurl_jax.experiment import data, sections
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.models.latent import Latents

LIMIT = 1024
"""Pieces that dials are measured on, at most."""
_HEARD = 128
"""Pieces by which is measured what a dial takes along, at most."""
_ENDS = (-2.0, 2.0)
"""How far dials are turned for that."""
_APART = 0.45
"""Share of a dial's way that others may go: a half, and some room."""
_STILL = 1e-6
"""Deviations below which nothing has moved."""
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of a turn, by which another dial is turned against what it takes along."""


def known(composer: Composer, folder: Workdir) -> Composer:
  """Returns the model of a run with its dials, if it has any.

  What has not been measured yet is, on the training split, and stays in the
  run's folder.

  Raises:
    ConfigError: The file of the dials is damaged.
    DataError: They were never measured, and the run's data is gone.
  """
  latent = composer.model.config.latent
  if not latent.dial_names:
    return composer
  if folder.dials.is_file():
    found = Dials.load(folder.dials, latent)
  else:
    config = sections.parse(folder.read_config())
    found = fit(LatentSpace(composer), data.prepared(config, quiet=True))
    found.save(folder.dials)
  return dataclasses.replace(composer, dials=found)


def fit(space: LatentSpace, cache: Any, count: int = LIMIT) -> Dials:
  """Returns the dials of a model, measured on its training split.

  Args:
    space: The model.
    cache: Its data.
    count: Pieces at most; 0 takes all.
  """
  config = space.composer.model.config
  pieces = excerpts(cache['train'], count, 0, config.context)
  dials = Dials.fit(config.latent, space.posterior(pieces))
  return holding(space, dials, pieces[:_HEARD])


def holding(
  space: LatentSpace, dials: Dials, pieces: Sequence[np.ndarray]
) -> Dials:
  """Returns dials that hold back what they take along, measured on pieces.

  Of each dial, the attribute that goes furthest along is held back if that is
  half as far or more.

  Args:
    space: The model.
    dials: Of it; what they hold already is measured anew.
    pieces: Ids of excerpts of its data.
  """
  hearing = _Hearing(space, space.encode(pieces))
  still = hearing(dials)
  found = {
    name: _held(hearing, still, dials, name) for name in dials.deviations
  }
  holds = {name: held for name, held in found.items() if held}
  return dataclasses.replace(dials, holds=holds)


@dataclasses.dataclass(frozen=True)
class _Hearing:
  """What is heard of latents when dials of theirs are turned."""

  space: LatentSpace
  latents: Latents

  def __call__(self, dials: Dials, **by: float) -> Float[np.ndarray, 'a']:
    """Returns the mean of each attribute that has a dial, in deviations."""
    turned = dials.turn(self.latents, **by) if by else self.latents
    means = attributes.means([x.notes for x in self.space.decode(turned)])
    found = [
      means[name] / (deviation or np.inf)
      for name, deviation in dials.deviations.items()
    ]
    return np.nan_to_num(np.array(found))


def _held(
  hearing: _Hearing, still: Float[np.ndarray, 'a'], dials: Dials, name: str
) -> dict[str, float]:
  """Returns what one dial holds back: an attribute and its share, or nothing.

  Args:
    hearing: By which is judged.
    still: What is heard when nothing is turned.
    dials: All of them.
    name: Of the one.
  """
  names = list(dials.deviations)
  best: tuple[float, dict[str, float]] = (np.inf, {})
  other, sign = '', 0.0
  for share in _SHARES:
    held = {other: sign * share} if share else {}
    holding = dataclasses.replace(dials, holds={name: held})
    low, high = (hearing(holding, **{name: far}) for far in _ENDS)
    own = max(abs(high - low)[names.index(name)], _STILL)
    far = np.ptp([low, still, high], axis=0) / own
    far[names.index(name)] = 0
    if not share:
      at = int(far.argmax())
      other, sign = names[at], -float(np.sign((high - low)[at]))
    best = min(best, (float(far.max()), held), key=lambda one: one[0])
    if best[0] < _APART:
      break
  return best[1]


def excerpts(
  split: Any, count: int, seed: int, context: int
) -> list[np.ndarray]:
  """Returns random pieces that fit the context, as long as most of them.

  Of a split with excerpts these are the whole ones in `grid`; elsewhere
  lengths say nothing, and all count.

  Args:
    split: As of `data.cache.fitting`.
    count: Pieces at most; 0 takes all.
    seed: Of the order.
    context: Most steps of a piece.
  """
  found = list(fitting(split, context, seed))
  lengths = np.bincount([len(ids) for ids in found])
  if lengths.max(initial=0) > len(found) / 2:
    found = [ids for ids in found if len(ids) == lengths.argmax()]
  return found[: count or None]
