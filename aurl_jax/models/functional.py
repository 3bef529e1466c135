"""`Model`: the only bridge from flax modules to plain pytrees.

Parameters are nested dicts of float32 arrays, always one entry a layer;
`jax.jit`, `jax.grad`, optax, Orbax and partition rules see only dicts.
Axes: `b` batch, `t` time, `d` model width, `f` fields, `v` ids of a field.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from aurl_jax.core.errors import ConfigError
from aurl_jax.core.typing import Keys
from aurl_jax.models import cache as cache_lib
from aurl_jax.models.cache import Cache
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.vaegan import MusicTransformerVAEGAN

Params = dict[str, Any]

# A decoder pads prompts on the left to multiples of 32 steps.
_PADDING = 31


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Outputs:
  """What a pass gives.

  Attributes:
    logits: One float32 `[b, t, v]` a field, in the order of the fields.
    aux: Named extra results of the mode; empty for `transformer`.
  """

  logits: tuple[Float[Array, 'b t _'], ...]
  aux: dict[str, Array]


@dataclasses.dataclass(frozen=True)
class Model:
  """A network as pure functions of its parameters.

  Attributes:
    config: Hyperparameters.
    vocabulary: Number of ids of each field, the reserved 0 included.
    places: Tells where a step stands in its music (`tokens.places`): `init`,
      `advance`, `coordinates`, `pitches`, `infill`, and a call for whole
      rows. Hashable; None unless the config `needs_places`.

  Raises:
    ConfigError: The config needs places, and there are none; or its pattern
      `bars` is to read parts that are filled in behind their context.
  """

  config: ModelConfig
  vocabulary: tuple[int, ...]
  places: Any = None

  def __post_init__(self) -> None:
    if self.config.needs_places and self.places is None:
      raise ConfigError(
        f'model.positions: {self.config.positions!r} with model.pattern '
        f'{self.config.pattern!r}, model.metrical {self.config.metrical} and '
        f'model.shared_pitch {self.config.shared_pitch} needs to know where '
        'steps stand in the music; pass Model.build the Places of the '
        "tokenizer, or set 'rope', 'full', 0 and False",
        code='model_config',
      )
    by_bars = self.config.pattern in ('bars', 'hierarchy')
    if by_bars and self.places.infill:
      raise ConfigError(
        f'model.pattern: {self.config.pattern!r} reads bars in their order, '
        'but what this tokenizer fills in stands behind its context; set '
        "tokenizer.infill=False, or model.pattern 'full'",
        code='model_config',
      )

  @classmethod
  def build(
    cls, config: ModelConfig, vocabulary: tuple[int, ...], places: Any = None
  ) -> 'Model':
    """Returns the model of a config for a tokenizer's `codec.sizes`.

    Args:
      config: Hyperparameters.
      vocabulary: Number of ids of each field.
      places: Of the tokenizer; left out where the config has no need of it.
    """
    return cls(
      config, tuple(vocabulary), places if config.needs_places else None
    )

  @functools.cached_property
  def _graph(self) -> nnx.GraphDef:
    return nnx.split(nnx.eval_shape(lambda: self._module(jax.random.key(0))))[0]

  def _module(self, key: PRNGKeyArray) -> MusicTransformerVAEGAN:
    pitches = self.places.pitches if self.config.shared_pitch else ()
    return MusicTransformerVAEGAN(self.config, self.vocabulary, key, pitches)

  def init(self, key: PRNGKeyArray) -> Params:
    """Returns fresh parameters; one key gives the same ones everywhere."""
    draw = lambda key: nnx.to_pure_dict(nnx.split(self._module(key))[1])  # noqa: E731
    return jax.jit(draw)(key)

  def bind(self, params: Params) -> MusicTransformerVAEGAN:
    """Returns the module that computes with these parameters.

    It lives inside one traced function: nothing is kept in it.
    """
    return nnx.merge(self._graph, params)

  def apply(
    self,
    params: Params,
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
    positions: Int[Array, 'b t'],
    targets: Int[Array, 'b t f'],
    key: Keys | None = None,
  ) -> Outputs:
    """Returns the logits of every field of the next step.

    Args:
      params: As of `init`.
      ids: The steps that are read.
      segments: Number of the piece at each step, 0 for padding.
      positions: Index of each step inside its piece.
      targets: The steps to predict; the head reads a target's earlier
        fields when it predicts a later one.
      key: Of the dropout, one or one for each row; None means none.

    Raises:
      ConfigError: `t` is more than the context.
    """
    module = self.bind(params)
    hidden = self._hidden(module, ids, segments, positions, key)
    fields = range(len(self.vocabulary))
    return Outputs(
      tuple(module.field_logits(hidden, targets, f) for f in fields), {}
    )

  def log_probs(
    self,
    params: Params,
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
    positions: Int[Array, 'b t'],
    targets: Int[Array, 'b t f'],
    key: Keys | None = None,
  ) -> Float[Array, 'b t f']:
    """Returns the log-probability of each target id, in nats, float32.

    It is 0 where the target id is 0. Arguments as of `apply`.
    """
    module = self.bind(params)
    hidden = self._hidden(module, ids, segments, positions, key)
    columns = []
    for field in range(len(self.vocabulary)):
      logits = module.field_logits(hidden, targets, field)
      columns.append(_chosen(logits, targets[..., field]))
    return jnp.stack(columns, axis=-1)

  def attention_weights(
    self,
    params: Params,
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
    positions: Int[Array, 'b t'],
  ) -> Float[Array, 'layers b h t t']:
    """Returns how much each step (4th axis) takes of each earlier one.

    For looking at: all layers are kept, `layers * b * h * t * t` floats.
    Arguments as of `apply`.

    Raises:
      ConfigError: The pattern is `hierarchy`, in which no layer reads all
        steps.
    """
    if self.config.pattern == 'hierarchy':
      raise ConfigError(
        "model.pattern: no layer of 'hierarchy' reads all steps, so that there "
        'is no map of them; look at a model of another pattern',
        code='model_config',
      )
    self._check_length(ids.shape[1])
    module = self.bind(params)
    coordinates = self._coordinates(ids, segments)
    return module.decoder.weights(
      module.embedded(ids, coordinates), segments, positions, coordinates
    )

  def init_cache(
    self, batch: int, length: int, start: Int[Array, ' b'] | None = None
  ) -> Cache:
    """Returns an empty cache for `length` steps of `batch` rows.

    Rows end together: they are padded on the left, and `start` is the index
    of each one's first step (None: 0); see `models.cache`.
    """
    return cache_lib.init(self.config, batch, length, start, self.places)

  def prefill(
    self, params: Params, cache: Cache, ids: Int[Array, 'b t f']
  ) -> tuple[Float[Array, 'b d'], Cache]:
    """Returns the state after prompts, and their cache.

    Raises:
      ConfigError: The prompts are longer than the context.
    """
    self._check_length(ids.shape[1] - _PADDING)
    return cache_lib.prefill(self.bind(params), cache, ids, self.places)

  def step(
    self,
    params: Params,
    cache: Cache,
    ids: Int[Array, 'b f'],
    index: Int[Array, ''],
  ) -> tuple[Float[Array, 'b d'], Cache]:
    """Returns the state after one step more, which stands at `index`."""
    module = self.bind(params)
    return cache_lib.step(module, cache, ids, index, self.places)

  def field_logits(
    self,
    params: Params,
    hidden: Float[Array, 'b d'],
    partial: Int[Array, 'b f'],
    field: int,
  ) -> Float[Array, 'b v']:
    """Returns float32 logits of one field of the step being written.

    Args:
      params: As of `init`.
      hidden: State of the last step, as `prefill` and `step` return it.
      partial: Ids of the step; those at or after `field` are not read.
      field: Which field to predict; static.
    """
    return self.bind(params).field_logits(hidden, partial, field)

  def _hidden(
    self,
    module: MusicTransformerVAEGAN,
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
    positions: Int[Array, 'b t'],
    key: Keys | None,
  ) -> Float[Array, 'b t d']:
    self._check_length(ids.shape[1])
    coordinates = self._coordinates(ids, segments)
    return module.hidden(ids, segments, positions, key, coordinates)

  def _coordinates(
    self, ids: Int[Array, 'b t f'], segments: Int[Array, 'b t']
  ) -> Int[Array, 'b t 4'] | None:
    return None if self.places is None else self.places(ids, segments)

  def _check_length(self, length: int) -> None:
    if length > self.config.context:
      raise ConfigError(
        f'model.context: {length} steps are more than the '
        f'{self.config.context} that the model is made for; cut them, or '
        'train with a longer model.context',
        code='model_config',
      )


def _chosen(
  logits: Float[Array, 'b t v'], ids: Int[Array, 'b t']
) -> Float[Array, 'b t']:
  picked = jnp.take_along_axis(logits, ids[..., None], axis=-1)[..., 0]
  lost = jax.scipy.special.logsumexp(logits, axis=-1)
  return jnp.where(ids == 0, 0.0, picked - lost)
