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
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from aurl_jax.core import random
from aurl_jax.core.errors import ConfigError
from aurl_jax.core.typing import Keys, Size
from aurl_jax.models import cache as cache_lib
from aurl_jax.models import chunk, fitting
from aurl_jax.models import latent as latent_lib
from aurl_jax.models import oneshot as oneshot_lib
from aurl_jax.models import targets as targets_lib
from aurl_jax.models.cache import Cache
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.latent import Latents, Posterior
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
    aux: Named extra results of the mode: none of `transformer`; of `vae`
      `kl_slots` and `kl_piece`, nats of each dim of each latent; with a
      one-shot decoder also what `models.oneshot` makes, and of the music; of
      a config with `heard` the logits `[b, t, c]` of each kind.
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
    fitting.check(self.config, self.vocabulary, self.places)

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
    beat = self.places.beat if self.config.latent.oneshot else 1
    labels = dict(self.places.heard) if self.config.heard else {}
    heard = {name: labels[name] for name in self.config.heard_names}
    return MusicTransformerVAEGAN(
      self.config, self.vocabulary, key, pitches, beat, heard
    )

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
        fields when it predicts a later one, and with a `lead` attention reads
        its first ones.
      key: Of the dropout, one or one for each row; None means none.

    Raises:
      ConfigError: `t` is more than the context.
    """
    module = self.bind(params)
    hidden, aux = self._hidden(module, ids, segments, positions, targets, key)
    if self.config.heard:
      aux |= module.heard(hidden)
    return Outputs(module.logits(hidden, ids, segments, targets), aux)

  def log_probs(
    self,
    params: Params,
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
    positions: Int[Array, 'b t'],
    targets: Int[Array, 'b t f'],
    key: Keys | None = None,
    latents: Latents | None = None,
  ) -> Float[Array, 'b t f']:
    """Returns the log-probability of each target id, in nats, float32.

    It is 0 where the target id is 0. Arguments as of `logits`.
    """
    found = self.logits(params, ids, segments, positions, targets, key, latents)
    columns = [
      targets_lib.chosen(logits, targets[..., field])
      for field, logits in enumerate(found)
    ]
    return jnp.stack(columns, axis=-1)

  def logits(
    self,
    params: Params,
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
    positions: Int[Array, 'b t'],
    targets: Int[Array, 'b t f'],
    key: Keys | None = None,
    latents: Latents | None = None,
  ) -> tuple[Float[Array, 'b t _'], ...]:
    """Returns the float32 logits of every field of the next step.

    Arguments as of `apply`. Of a model with latents they are those of the
    reconstruction from these; None takes the mean of the posterior, with a key
    a sample of it.
    """
    module = self.bind(params)
    steps = ids, segments, positions, targets
    hidden, _ = self._hidden(module, *steps, key, latents)
    return module.logits(hidden, ids, segments, targets)

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
    module, where = self.looked(params, ids, segments, positions)
    return module.decoder.weights(*where)

  def looked(
    self,
    params: Params,
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
    positions: Int[Array, 'b t'],
  ) -> tuple[MusicTransformerVAEGAN, tuple[Any, ...]]:
    """Returns the module, and what its decoder takes of steps.

    For looking at its layers (`models.looking`); arguments as of `apply`.
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
    x = module.read(ids, coordinates, targets_lib.following(ids, segments))
    told = None
    if self.config.has_latents:
      told, _ = self._told(module, ids, segments, coordinates, None)
    return module, (x, segments, positions, coordinates, told)

  def init_cache(
    self,
    batch: Size,
    length: int,
    start: Int[Array, ' b'] | None = None,
    latents: Latents | None = None,
  ) -> Cache:
    """Returns an empty cache for `length` steps of `batch` rows.

    Rows end together: they are padded on the left, and `start` is the index
    of each one's first step (None: 0); see `models.cache`.
    """
    if self.config.has_latents:
      latents = latents or self.prior_mean(batch)
      latent_lib.check(self.config.latent, latents, batch)
    return cache_lib.init(
      self.config, batch, length, start, self.places, latents
    )

  def prior_mean(self, batch: Size) -> Latents:
    """Returns the latents in the middle of the standard normal: zeros."""
    latent = self.config.latent
    return Latents(
      slots=jnp.zeros((batch, latent.slots, latent.slot)),
      piece=jnp.zeros((batch, latent.piece)),
    )

  def prefill(
    self,
    params: Params,
    cache: Cache,
    ids: Int[Array, 'b t f'],
    following: Int[Array, 'b t f'] | None = None,
  ) -> tuple[Float[Array, 'b d'], Cache]:
    """Returns the state after prompts, and their cache.

    Args:
      params: As of `init`.
      cache: With room for them.
      ids: The prompts, padded on the left.
      following: The next step of each, for a config with a `lead`.

    Raises:
      ConfigError: The prompts are longer than the context.
    """
    self._check_length(ids.shape[1] - _PADDING)
    module = self.bind(params)
    return cache_lib.prefill(module, cache, ids, self.places, following)

  def step(
    self,
    params: Params,
    cache: Cache,
    ids: Int[Array, 'b f'],
    index: Int[Array, ''],
    following: Int[Array, 'b f'] | None = None,
    live: Bool[Array, ' b'] | None = None,
  ) -> tuple[Float[Array, 'b d'], Cache]:
    """Returns the state after one step more, which stands at `index`.

    `following` is the next step, for a config with a `lead`, of which no more
    is read; rows that are not `live` leave the step out, see `models.cache`.
    """
    module = self.bind(params)
    return cache_lib.step(
      module, cache, ids, index, self.places, following, live
    )

  def extend(
    self,
    params: Params,
    cache: Cache,
    ids: Int[Array, 'b t f'],
    index: Int[Array, ''],
    following: Int[Array, 'b t f'] | None = None,
  ) -> chunk.Read:
    """Returns what reading steps at `index` and behind it gives.

    Arguments as of `step`; some of the steps may be taken back, see
    `models.chunk`.
    """
    module = self.bind(params)
    return chunk.extend(module, cache, ids, index, self.places, following)

  def lead_logits(
    self,
    params: Params,
    cache: Cache,
    last: tuple[Int[Array, 'b f'], Int[Array, '*i']],
    partial: Int[Array, 'b f'],
    field: int,
  ) -> Float[Array, 'b v']:
    """Returns float32 logits of a field of the lead of the next step.

    Args:
      params: As of `init`.
      cache: Before the last step is read.
      last: The last step, and its index, or one a row.
      partial: Ids of the next one; those at or after `field` are not read.
      field: Which field, below `config.lead`; static.
    """
    assert cache.before is not None
    module, (ids, index) = self.bind(params), last
    before = module.lead.or_start(cache.before, index == cache.start)
    return module.lead_logits(before, ids, partial, field)

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

  def posterior(
    self,
    params: Params,
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
  ) -> Posterior:
    """Returns the distribution of the latents of pieces, one a row.

    Args:
      params: As of `init`.
      ids: The steps.
      segments: 0 for padding, else 1.

    Raises:
      ConfigError: The model has no latents, or `t` is more than the context.
    """
    if not self.config.has_latents:
      raise ConfigError(
        f'model.mode: {self.config.mode!r} has no latents; train a model with '
        "model.mode 'vae'",
        code='model_config',
      )
    self._check_length(ids.shape[1])
    coordinates = self._coordinates(ids, segments)
    return self._posterior(self.bind(params), ids, segments, coordinates, None)

  def frames(
    self, params: Params, latents: Latents
  ) -> dict[str, Float[Array, 'b c p']]:
    """Returns what the one-shot decoder makes of latents, as logits.

    Args:
      params: As of `init`.
      latents: Of pieces.

    Returns:
      As of `models.oneshot.OneShot`.

    Raises:
      ConfigError: The model has no such decoder, or the latents are others.
    """
    if not self.config.latent.oneshot:
      raise ConfigError(
        'this model has no one-shot decoder; train one with '
        'model.latent.oneshot=2 and loss.auxiliary=frames=0.1',
        code='model_config',
      )
    latent_lib.check(self.config.latent, latents, len(latents.slots))
    found: dict[str, Array] = self.bind(params).oneshot(latents)
    return found

  def _posterior(
    self,
    module: MusicTransformerVAEGAN,
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
    coordinates: Any,
    key: Keys | None,
  ) -> Posterior:
    latent = self.config.latent
    slot = latent_lib.slot_of(latent, self.places, coordinates)
    read = ids, segments > 0, coordinates, slot, key
    if not latent.dials:
      return module.posterior(*read)
    sounds, given = self.places.sounds, (ids, segments, coordinates)
    # What is told of a slot counts as long as something sounds.
    until = sounds.last(*given) // (latent.beats * self.places.beat)
    found = module.posterior(*read, jnp.minimum(until, latent.slots - 1))
    told = sounds(*given, latent.slots, latent.beats)
    dials = [told[name] for name in latent.dial_names]
    return latent_lib.with_dials(found, dials)

  def _hidden(
    self,
    module: MusicTransformerVAEGAN,
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
    positions: Int[Array, 'b t'],
    targets: Int[Array, 'b t f'],
    key: Keys | None,
    latents: Latents | None = None,
  ) -> tuple[Float[Array, 'b t d'], dict[str, Array]]:
    """Returns the decoder's states, and what the mode gives beside."""
    self._check_length(ids.shape[1])
    coordinates = self._coordinates(ids, segments)
    told: Array | None = None
    aux: dict[str, Array] = {}
    if latents is not None:
      latent_lib.check(self.config.latent, latents, len(ids))
      told = self._spread(latents, coordinates)
    elif self.config.has_latents:
      first, key = (None, None) if key is None else random.split(key, 2)
      told, aux = self._told(module, ids, segments, coordinates, first)
    hidden = module.hidden(
      ids, segments, positions, key, coordinates, told, targets
    )
    return hidden, aux

  def _told(
    self,
    module: MusicTransformerVAEGAN,
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
    coordinates: Any,
    key: Keys | None,
  ) -> tuple[Float[Array, 'b t _'], dict[str, Array]]:
    """Returns what a sample of the posterior tells, and its divergence.

    Without a key that is its mean.
    """
    read, drawn = (None, None) if key is None else random.split(key, 2)
    found = self._posterior(module, ids, segments, coordinates, read)
    latents, latent = found.sample(drawn), self.config.latent
    if drawn is not None and latent.blur:
      noise = random.fold_rows(drawn, 'blur')
      latents = latent_lib.blurred(latents, found.dials, latent.blur, noise)
    kl, told = found.kl(), self._spread(latents, coordinates)
    aux: dict[str, Array] = {'kl_slots': kl.slots, 'kl_piece': kl.piece}
    if latent.oneshot:
      drop = None if key is None else random.fold_rows(key, 'oneshot')
      aux |= oneshot_lib.frames(module.oneshot, latents, found.used, drop)
      steps = ids, segments, coordinates, aux['roll/cells'].shape[1]
      aux |= oneshot_lib.rolls(self.places.sounds.rolls(*steps))
    return told, aux

  def _spread(
    self, latents: Latents, coordinates: Any
  ) -> Float[Array, 'b t _']:
    """Returns what latents tell each step."""
    latent = self.config.latent
    return latent_lib.told(latent, self.places, latents, coordinates)

  def _coordinates(
    self, ids: Int[Array, 'b t f'], segments: Int[Array, 'b t']
  ) -> Int[Array, 'b t 5'] | None:
    return None if self.places is None else self.places(ids, segments)

  def _check_length(self, length: int) -> None:
    if length > self.config.context:
      raise ConfigError(
        f'model.context: {length} steps are more than the '
        f'{self.config.context} that the model is made for; cut them, or '
        'train with a longer model.context',
        code='model_config',
      )
