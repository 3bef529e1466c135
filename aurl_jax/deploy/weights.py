"""The weights of a bundle: its parameters as the file `weights.safetensors`.

By path, in a dtype, or whole numbers of few bits and their scales
(`deploy.packing`); a model computes with float32 whatever they are. What is
read is held against what the config says: names, shapes and dtypes, before
anything is made of it.
"""

import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import safetensors
import safetensors.numpy

from aurl_jax.core import trees
from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import packing as packing_lib
from aurl_jax.deploy.packing import Packing
from aurl_jax.models.functional import Model

DTYPES = ('float32', 'float16')
"""Of weights that are stored as they are, or rounded once."""
PACKED = 'packed'
"""What a config has in place of a dtype where a section `packing` says more."""


def arrays(params: Mapping[str, Any]) -> dict[str, np.ndarray]:
  """Returns parameters by path, in the order of their tree."""
  return {
    path: np.asarray(jax.device_get(leaf))
    for path, leaf in trees.by_path(params).items()
  }


def to_bytes(
  found: dict[str, np.ndarray], dtype: str, packing: Packing | None
) -> bytes:
  """Returns the content of the file.

  Args:
    found: As of `arrays`.
    dtype: Of `DTYPES`.
    packing: How they are stored in few bits; None for the dtype.

  Raises:
    BundleError: There is no such dtype, or it does not hold a weight.
  """
  if packing is None:
    stored = {path: _stored(path, x, dtype) for path, x in found.items()}
  else:
    stored = packing_lib.pack(found, packing)
    for path, array in (found | stored).items():
      _check_finite(path, array, f'{packing.bits} bits')
  data: bytes = safetensors.numpy.save(stored)
  return data


def params(
  where: pathlib.Path, model: Model, data: bytes, config: Mapping[str, Any]
) -> dict[str, Any]:
  """Returns the parameters as float32, checked against the model's.

  Args:
    where: The file, for messages.
    model: Whose they shall be.
    data: Its content.
    config: Of the bundle.

  Raises:
    BundleError: It is no such file, or of another model.
  """
  packing = of_config(config)
  wanted = shapes(model)
  stored = checked(where, wanted, data, config)
  if packing is None:
    found = {path: x.astype(np.float32) for path, x in stored.items()}
  else:
    found = packing_lib.unpack(stored, wanted, packing)
  return trees.of_paths(found)


def shapes(model: Model) -> dict[str, tuple[int, ...]]:
  """Returns the shapes of a model's parameters by path."""
  like = jax.eval_shape(model.init, jax.random.key(0))
  return {path: tuple(x.shape) for path, x in trees.by_path(like).items()}


def checked(
  where: pathlib.Path,
  wanted: Mapping[str, tuple[int, ...]],
  data: bytes,
  config: Mapping[str, Any],
) -> dict[str, np.ndarray]:
  """Returns the arrays of a file as they are stored; raises as `params`."""
  try:
    stored: dict[str, np.ndarray] = safetensors.numpy.load(data)
  except safetensors.SafetensorError as error:
    raise BundleError(
      f'{where} is no safetensors file: {error}', code='format'
    ) from error
  packing = of_config(config)
  if packing is None:
    dtype = config.get('weights', 'float32')
    expected = {path: (shape, dtype) for path, shape in wanted.items()}
  else:
    expected = packing_lib.expected(wanted, packing)
  found = {path: (x.shape, str(x.dtype)) for path, x in stored.items()}
  if expected != found:
    names = sorted(
      path
      for path in expected.keys() | found.keys()
      if expected.get(path) != found.get(path)
    )
    raise BundleError(
      f'{where} does not fit config.json: {", ".join(names[:5])} differ or are '
      'missing',
      code='other_model',
    )
  return stored


def of_config(config: Mapping[str, Any]) -> Packing | None:
  """Returns how a bundle's weights are packed, None if they are not.

  Raises:
    BundleError: In a way that there is not.
  """
  if config.get('weights') != PACKED:
    return None
  told = config.get('packing')
  if (
    not isinstance(told, Mapping)
    or set(told) != {'bits', 'group'}
    or any(type(value) is not int for value in told.values())
  ):
    raise BundleError(
      f"config.json: 'packing' is {told!r}, not its bits and group; make the "
      'bundle again with `aurl quantise`',
      code='packing',
    )
  return Packing(**told)


def _stored(path: str, array: np.ndarray, dtype: str) -> np.ndarray:
  """Returns an array as it is stored in a dtype."""
  if dtype not in DTYPES:
    raise BundleError(
      f'weights cannot be stored as {dtype!r}; choose one of '
      + ', '.join(DTYPES),
      code='dtype',
    )
  with np.errstate(over='ignore'):
    stored = np.array(array, dtype, order='C')
  _check_finite(path, stored, dtype)
  return stored


def _check_finite(path: str, array: np.ndarray, kind: str) -> None:
  if not np.isfinite(array).all():
    raise BundleError(
      f'{path} holds numbers that {kind} cannot; store float32, or take an '
      'earlier checkpoint if they are no numbers at all',
      code='dtype',
    )
