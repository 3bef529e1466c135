"""A model in few bits: its weights, and on wish the inputs of its products.

What comes out is a `Composer` as any other, which computes with the weights as
they will be stored, so that what is measured of it holds for its bundle. Axes:
`b` rows, `t` time, `f` fields.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from aurl_jax.core import trees
from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import packing as packing_lib
from aurl_jax.deploy import priors as priors_lib
from aurl_jax.deploy import tuning as tuning_lib
from aurl_jax.deploy import weights
from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.packing import Packing
from aurl_jax.deploy.tuning import Network, Told, Tuning
from aurl_jax.models import rounding
from aurl_jax.models.functional import Model

SCHEMES = ('weights', 'weights_activations')
"""What is quantised."""
_ROWS, _STEPS = 8, 512
"""Of a batch of music that reaches are seen in."""


def quantised(
  composer: Composer,
  packing: Packing,
  music: Sequence[np.ndarray] = (),
  tuning: Tuning | None = None,
  *,
  lessons: Sequence[np.ndarray] = (),
  tell: Told = lambda step, loss: None,
) -> Composer:
  """Returns a model that computes with weights as they will be stored.

  Args:
    composer: The model.
    packing: How its weights will be stored.
    music: Ids of pieces that tell how far the inputs of products reach; none
      leaves inputs as they are.
    tuning: How it is fine-tuned to what it was; None for not at all.
    lessons: Ids of pieces that it is fine-tuned by.
    tell: Is told of each step of that.

  Raises:
    BundleError: It is quantised already (code `packing`), has latents and
      inputs were to be rounded or it to be fine-tuned (`latents`), or cannot
      be fine-tuned so (`tuning`).
  """
  model, params = composer.model, composer.params
  if model.config.activations:
    raise BundleError(
      'the inputs of this model are rounded already; quantise the model that '
      'it was made of',
      code='packing',
    )
  if music:
    model, params = _calibrated(composer, music)
  if tuning is not None:
    pair = Network(composer.model, composer.params), Network(model, params)
    params = tuning_lib.tuned(*pair, packing, lessons, tuning, tell)
  arrays = weights.arrays(params)
  stored = packing_lib.pack(arrays, packing)
  shapes = {path: array.shape for path, array in arrays.items()}
  found = packing_lib.unpack(stored, shapes, packing)
  params = trees.of_paths(found)
  priors = composer.priors
  if priors is not None:
    # The encoder that they are of, in other bits.
    encoder = priors_lib.fingerprint(params)
    priors = dataclasses.replace(priors, encoder=encoder)
  return dataclasses.replace(
    composer, model=model, params=params, priors=priors
  )


def reaches(
  composer: Composer, music: Sequence[np.ndarray]
) -> dict[str, float]:
  """Returns how far the inputs of each product reach, by path.

  Args:
    composer: A model without latents.
    music: Ids of pieces; of long ones the first steps.
  """
  model, params = _with_reaches(composer)
  seen = _seer(model)
  found: dict[str, float] = {}
  for ids in _batches(music, model.config.context):
    for path, value in weights.arrays(seen(params, ids)).items():
      if rounding.is_reach(path):
        found[path] = max(found.get(path, 0.0), float(value))
  return found


def _calibrated(
  composer: Composer, music: Sequence[np.ndarray]
) -> tuple[Model, dict[str, Any]]:
  """Returns a model that rounds the inputs of products, its reaches seen."""
  if composer.model.config.has_latents:
    raise BundleError(
      'inputs are rounded of models without latents alone; quantise its '
      "weights: scheme 'weights'",
      code='latents',
    )
  model, params = _with_reaches(composer)
  arrays = weights.arrays(params)
  for path, value in reaches(composer, music).items():
    arrays[path] = np.float32(value) * np.ones_like(arrays[path])
  return model, trees.of_paths(arrays)


def _with_reaches(composer: Composer) -> tuple[Model, dict[str, Any]]:
  """Returns a model that rounds inputs, and parameters that round none yet."""
  old = composer.model
  config = dataclasses.replace(old.config, activations=rounding.BITS)
  model = dataclasses.replace(old, config=config)
  arrays = weights.arrays(composer.params)
  for path, shape in weights.shapes(model).items():
    if rounding.is_reach(path):
      arrays[path] = np.zeros(shape, np.float32)
  return model, trees.of_paths(arrays)


def _seer(model: Model) -> Any:
  """Returns a program whose gradients are what reaches have been seen."""

  def loss(params: Any, ids: Int[Array, 'b t f']) -> Array:
    segments = (ids[..., 0] > 0).astype(jnp.int32)
    positions = jnp.broadcast_to(jnp.arange(ids.shape[1]), segments.shape)
    targets = jnp.pad(ids[:, 1:], ((0, 0), (0, 1), (0, 0)))
    return model.log_probs(params, ids, segments, positions, targets).sum()

  return jax.jit(jax.grad(loss))


def _batches(
  music: Sequence[np.ndarray], context: int
) -> Iterator[Int[np.ndarray, 'b t f']]:
  """Yields pieces as rows of one shape, what is missing 0."""
  steps = min(_STEPS, context)
  for first in range(0, len(music), _ROWS):
    some = music[first : first + _ROWS]
    rows = np.zeros((_ROWS, steps, some[0].shape[1]), np.int32)
    for row, ids in zip(rows, some, strict=False):
      row[: len(ids[:steps])] = ids[:steps]
    yield rows
