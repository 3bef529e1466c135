"""How far the dials of a run's latents turn, measured on its data."""

import dataclasses
from typing import Any

import numpy as np

from aurl_jax.data.cache import fitting
from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.dials import Dials
from aurl_jax.deploy.latents import LatentSpace
from aurl_jax.experiment import data, sections
from aurl_jax.experiment.workdir import Workdir

LIMIT = 1024
"""Pieces that dials are measured on, at most."""


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
  return Dials.fit(config.latent, space.posterior(pieces))


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
