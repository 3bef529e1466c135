"""A bundle as StableHLO programs, for any batch, on CPU, CUDA and TPU.

    prefill.bin     reads prompts: the state behind them, and the cache
    step.bin        reads a step more
    field_0.bin …   logits of each field of the next step, in order
    weights.safetensors   the parameters, which all programs take
    manifest.json   see `deploy.exports`

What `jax.export` serialises (a versioned StableHLO module and the shapes of its
arguments) runs years on, with jax alone and none of this package's models, and
other compilers read it. Rows are any number; the length of prompts and the room
of the cache are fixed. Axes: `b` rows, `p` steps of a prompt, `f` fields, `d`
width, `v` ids of a field.
"""

import dataclasses
import importlib.util
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Array, Int

from aurl_jax.core import files, trees
from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import bundle as bundle_lib
from aurl_jax.deploy import exports, parity, weights
from aurl_jax.deploy.parity import Parity
from aurl_jax.models.cache import Cache
from aurl_jax.models.functional import Model

KIND = 'stablehlo'
PLATFORMS = ('cpu', 'cuda', 'tpu')
_WEIGHTS = 'weights.safetensors'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
  """What is fixed in programs.

  Attributes:
    prompt: Steps that prompts are padded to, on the left.
    room: Steps of the cache; 0 for the context of the model.
  """

  prompt: int = 32
  room: int = 0


def write(
  folder: files.StrPath,
  bundle: str | os.PathLike[str],
  prompts: Int[np.ndarray, 'n t f'] | None = None,
  sizes: Sizes | None = None,
) -> dict[str, Any]:
  """Writes the export of a bundle; arguments and result as of `onnx_export`.

  Raises:
    BundleError: There is no such bundle; or the sizes do not fit the model
      (code `export`).
  """
  sizes = sizes or Sizes()
  composer = bundle_lib.load(bundle)
  model = _portable(composer.model)
  room = sizes.room or model.config.context
  _check(model, sizes.prompt, room)
  made = _Programs(model, composer.params, sizes.prompt, room)
  contents = {f'{k}.bin': bytes(v.serialize()) for k, v in made.all().items()}
  flat = weights.arrays(composer.params)
  contents[_WEIGHTS] = safetensors.numpy.save(flat)
  config = model.config
  facts = {
    'vocabulary': list(model.vocabulary),
    'width': config.width,
    'lead': config.lead,
    'prompt': sizes.prompt,
    'room': room,
    'platforms': list(PLATFORMS),
  }

  def measured(work: pathlib.Path) -> Parity | None:
    if prompts is None:
      return None
    return parity.measure(composer, prompts, load(work))

  return exports.write(folder, KIND, facts, contents, measured)


def _check(model: Model, prompt: int, room: int) -> None:
  """Raises BundleError unless programs of these sizes can be made."""
  if not 1 <= prompt < room <= model.config.context:
    raise BundleError(
      f'prompts of {prompt} steps and a cache of {room} do not fit a '
      f'context of {model.config.context}; a prompt is at least 1, and shorter '
      'than the cache, which is at most the context',
      code='export',
    )
  # Bars are planned by numbers of rows, which here are none.
  unknown = ('pattern', 'hierarchy'), ('pattern', 'bars'), ('mode', 'vae')
  for name, which in unknown:
    if getattr(model.config, name).startswith(which):
      raise BundleError(
        f'models of model.{name} {which!r} are not exported yet; take another',
        code='export',
      )
  _check_installed()


def load(folder: files.StrPath) -> 'Programs':
  """Returns the programs of an export, whose files are checked.

  Raises:
    BundleError: As `exports.read`.
  """
  folder = pathlib.Path(folder)
  manifest = exports.read(folder, KIND, _names)
  _check_installed()
  # What else lies there has not been checked.
  names = sorted(_names(manifest['model']) - {_WEIGHTS})
  calls = {
    name.removesuffix('.bin'): jax.export.deserialize(
      bytearray((folder / name).read_bytes())
    )
    for name in names
  }
  try:
    flat = safetensors.numpy.load((folder / _WEIGHTS).read_bytes())
  except safetensors.SafetensorError as error:
    raise BundleError(
      f'{folder / _WEIGHTS} is no safetensors file: {error}', code='format'
    ) from error
  nested = trees.of_paths(flat)
  return Programs(manifest['model'], nested, calls)


class Programs:
  """The programs of an export; they know no model.

  Attributes:
    facts: What the manifest says of the model.
  """

  def __init__(
    self,
    facts: Mapping[str, Any],
    params: Any,
    calls: Mapping[str, jax.export.Exported],
  ) -> None:
    """Takes what `load` has read."""
    self.facts = facts
    self._params = params
    self._calls = {name: jax.jit(call.call) for name, call in calls.items()}

  def prefill(
    self,
    ids: Int[Array, 'b p f'],
    start: Int[Array, ' b'],
    following: Int[Array, 'b p f'],
  ) -> tuple[Array, list[Array]]:
    """Returns the state behind prompts, and their cache.

    Args:
      ids: Padded on the left.
      start: Index of the first step of each.
      following: The next step of each step, read by models with a lead alone.
    """
    hidden, *cache = self._calls['prefill'](self._params, ids, start, following)
    return hidden, cache

  def step(
    self,
    cache: list[Array],
    ids: Int[Array, 'b f'],
    index: Int[Array, ''],
    following: Int[Array, 'b f'],
  ) -> tuple[Array, list[Array]]:
    """Returns the state behind one step more, at an index, and the cache."""
    hidden, *after = self._calls['step'](
      self._params, cache, ids, index, following
    )
    return hidden, after

  def field(
    self, field: int, state: Array, partial: Int[Array, 'b f'], *lead: Any
  ) -> Array:
    """Returns the logits of a field of the next step.

    Args:
      field: Which.
      state: Of the last step, as `step` gives it.
      partial: The next step; what stands at or behind the field is not read.
      *lead: Of a field of the lead, which is predicted before the last step is
        read: the cache from before it, the last step, and its index. The state
        is not read.
    """
    name = f'field_{field}'
    if field < self.facts['lead']:
      found = self._calls[name](self._params, *lead, partial)
    else:
      found = self._calls[name](self._params, state, partial)
    logits: Array = found
    return logits

  def __call__(self, rows: Int[np.ndarray, 'n t f']) -> list[np.ndarray]:
    """Returns logits of all fields of all steps but the first (`parity`)."""
    ids = jnp.asarray(rows, jnp.int32)
    count, fields = len(rows), ids.shape[2]
    lead, prompt = self.facts['lead'], self.facts['prompt']
    # The first step alone is the prompt.
    given = (
      jnp.zeros((count, prompt, fields), jnp.int32).at[:, -1].set(ids[:, 0])
    )
    after = jnp.zeros_like(given).at[:, -1].set(ids[:, 1])
    start = jnp.full(count, prompt - 1, jnp.int32)
    hidden, cache = self.prefill(given, start, after)
    before = self._empty(count, start)
    found: list[list[Array]] = [[] for _ in range(fields)]
    for step in range(ids.shape[1] - 1):
      index = jnp.int32(prompt - 1 + step)
      last, next_ = ids[:, step], ids[:, step + 1]
      if step:
        before = cache
        hidden, cache = self.step(cache, last, index, next_)
      for field in range(fields):
        told = (before, last, index) if field < lead else ()
        found[field].append(self.field(field, hidden, next_, *told))
    return [np.stack([np.asarray(x) for x in each], 1) for each in found]

  def _empty(self, count: int, start: Int[Array, ' b']) -> list[Array]:
    """Returns a cache of which only the lead of the first step reads."""
    ids = jnp.zeros(
      (count, self.facts['prompt'], len(self.facts['vocabulary'])), jnp.int32
    )
    return self.prefill(ids, start, ids)[1]


class _Programs:
  """Makes the programs of a model."""

  def __init__(self, model: Model, params: Any, prompt: int, room: int) -> None:
    self.model, self.prompt, self.room = model, prompt, room
    self.fields = len(model.vocabulary)
    self.params = jax.tree.map(_described, params)
    (self.rows,) = jax.export.symbolic_shape('b')
    self.tree: Any = None

  def all(self) -> dict[str, jax.export.Exported]:
    """Returns them by name."""
    step = self._ids(())
    found = {'prefill': self._made(self._prefill, *self._prompt())}
    cache = jax.eval_shape(self._prefill, self.params, *self._prompt())[1:]
    index = jax.ShapeDtypeStruct((), jnp.int32)
    found['step'] = self._made(self._step, list(cache), step, index, step)
    width, dtype = self.model.config.width, self.model.config.dtype
    state = jax.ShapeDtypeStruct((self.rows, width), jnp.dtype(dtype))
    for field in range(self.fields):
      if field < self.model.config.lead:
        asked: tuple[Any, ...] = list(cache), step, index, step
        found[f'field_{field}'] = self._made(self._lead(field), *asked)
      else:
        found[f'field_{field}'] = self._made(self._field(field), state, step)
    return found

  def _made(self, function: Any, *asked: Any) -> jax.export.Exported:
    exported = jax.export.export(jax.jit(function), platforms=PLATFORMS)
    return exported(self.params, *asked)

  def _ids(self, inner: tuple[int, ...]) -> jax.ShapeDtypeStruct:
    shape = (self.rows, *inner, self.fields)
    return jax.ShapeDtypeStruct(shape, jnp.int32)

  def _prompt(self) -> tuple[Any, Any, Any]:
    ids = self._ids((self.prompt,))
    return ids, jax.ShapeDtypeStruct((self.rows,), jnp.int32), ids

  def _prefill(
    self, params: Any, ids: Array, start: Array, following: Array
  ) -> list[Array]:
    cache = self.model.init_cache(ids.shape[0], self.room, start)
    hidden, cache = self.model.prefill(params, cache, ids, following)
    return [hidden, *self._leaves(cache)]

  def _step(
    self, params: Any, leaves: Any, ids: Array, index: Array, following: Array
  ) -> list[Array]:
    cache = self._cache(leaves)
    hidden, cache = self.model.step(params, cache, ids, index, following)
    return [hidden, *self._leaves(cache)]

  def _field(self, field: int) -> Any:
    return lambda params, hidden, partial: self.model.field_logits(
      params, hidden, partial, field
    )

  def _lead(self, field: int) -> Any:
    return lambda params, leaves, last, index, partial: self.model.lead_logits(
      params, self._cache(leaves), (last, index), partial, field
    )

  def _leaves(self, cache: Cache) -> list[Array]:
    leaves, self.tree = jax.tree.flatten(cache)
    return leaves

  def _cache(self, leaves: Any) -> Cache:
    found: Cache = jax.tree.unflatten(self.tree, leaves)
    return found


def _check_installed() -> None:
  """Raises BundleError unless programs can be serialised (code `extra`)."""
  if importlib.util.find_spec('flatbuffers') is None:
    raise BundleError(
      'jax.export serialises with flatbuffers, which is not installed; pip '
      "install 'aurl-jax[export]'",
      code='extra',
    )


def _portable(model: Model) -> Model:
  """Returns the model with what runs on any platform."""
  config = dataclasses.replace(model.config, attention='naive')
  return dataclasses.replace(model, config=config)


def _described(leaf: Any) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct(leaf.shape, jnp.float32)


def _names(model: Any) -> set[str]:
  fields = range(len(model['vocabulary']))
  return {f'field_{k}.bin' for k in fields} | {
    'prefill.bin',
    'step.bin',
    _WEIGHTS,
  }
