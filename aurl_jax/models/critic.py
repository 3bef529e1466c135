"""The critic of `vae_gan`: how much steps, bars and a whole piece sound real.

It reads distributions over ids, so that what is told of them flows back to
whoever made them (straight-through ids: `models.replay`), and scores every
step, every bar and the whole (critics of several scales: Wang et al. 2018,
pix2pixHD, section 3.2; of patches: Isola et al. 2017). Beside the ids it is
told of each beat which pitch classes begin in it, how many notes, and how
alike the beats' pitch classes are. All its linear maps are normalised
(`models.spectral`). Rows hold one piece each. Axes: `b` batch, `t` steps, `d`
width, `n` beats, `m` bars, `k` scores of a scale, `v` ids of a field.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from aurl_jax.core.errors import ConfigError
from aurl_jax.models import spectral
from aurl_jax.models.config import ModelConfig
from aurl_jax.models.encoder import both_ways
from aurl_jax.models.hierarchy import Stack
from aurl_jax.models.layers import INIT_SCALE, Embedding, Linear, RMSNorm
from aurl_jax.tokens import marks as marks_lib
from aurl_jax.tokens.marks import Marks

SCALES = ('note', 'bar', 'phrase')
"""What is scored: each step, each bar, the whole."""
Variables = dict[str, Any]
"""`params` and `aux`, the vectors of `models.spectral`."""
_USUAL_NOTES = 4.0
"""Notes a beat that count as 1."""
_QUIET = 0.1
"""Added to a chroma's squared length, so that beats next to silence have no
steep gradients."""
_BAR, _TIME = 0, 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class CriticConfig:
  """The shape of a critic.

  Attributes:
    width: Model width, divisible by twice the heads.
    layers: Blocks.
    heads: Attention heads a layer.
    beats: Beats told apart; what follows is of the last one.
    bars: Bars told apart, likewise.
  """

  width: int = 64
  layers: int = 2
  heads: int = 2
  beats: int = 16
  bars: int = 4

  def __post_init__(self) -> None:
    for field in dataclasses.fields(self):
      if getattr(self, field.name) < 1:
        raise ConfigError(f'critic.{field.name} must be at least 1')
    _ = self.block

  @property
  def block(self) -> ModelConfig:
    """The config of its blocks."""
    return ModelConfig(
      width=self.width, heads=self.heads, layers=1, dropout=0.0
    )


class Reading(NamedTuple):
  """Rows as the critic takes them in; penalties are of `x`.

  Attributes:
    x: Embedded steps, with what is told of their beats.
    real: Which are no padding.
    bar: The bar that each stands in.
  """

  x: Float[Array, 'b t d']
  real: Bool[Array, 'b t']
  bar: Int[Array, 'b t']


class Scale(NamedTuple):
  """The scores of one scale.

  Attributes:
    score: Above 0 for real, below for made.
    share: What each counts in its row; adds up to 1, or 0 in an empty row.
  """

  score: Float[Array, 'b k']
  share: Float[Array, 'b k']

  @property
  def mean(self) -> Float[Array, ' b']:
    """The mean score of each row."""
    return (self.score * self.share).sum(axis=-1)


class Verdict(NamedTuple):
  """What the critic says of rows.

  Attributes:
    scales: In the order of `SCALES`.
    features: Of each block, the mean of what it makes of each bar.
  """

  scales: tuple[Scale, ...]
  features: tuple[Float[Array, 'b m d'], ...]

  @property
  def score(self) -> Float[Array, ' b']:
    """One number a row: the mean over the scales."""
    return jnp.stack([scale.mean for scale in self.scales]).mean(axis=0)


class CriticNet(nnx.Module):
  """The parameters of a critic, and what they compute."""

  def __init__(
    self, config: CriticConfig, vocabulary: tuple[int, ...], key: PRNGKeyArray
  ) -> None:
    embed, side, blocks, *heads = jax.random.split(key, 3 + len(SCALES))
    d = config.width
    self.embed = Embedding(vocabulary, d, embed)
    sides = marks_lib.COUNT + config.beats
    self.side = Linear(sides, d, side, INIT_SCALE)
    keys = jax.random.split(blocks, config.layers)
    self.blocks = nnx.Dict(
      {str(i): Stack(config.block, 1, key) for i, key in enumerate(keys)}
    )
    self.norm = RMSNorm(d)
    self.scores = nnx.Dict(
      {
        name: Linear(d, 1, head, INIT_SCALE)
        for name, head in zip(SCALES, heads, strict=True)
      }
    )
    self.config = config

  def embedded(
    self, soft: Sequence[Float[Array, 'b t _']], sides: Float[Array, 'b t _']
  ) -> Float[Array, 'b t d']:
    """Returns steps given as distributions, with what their beats tell."""
    rows = [share @ self.embed.table(f) for f, share in enumerate(soft)]
    return sum(rows, start=self.side(sides))

  def verdict(self, reading: Reading) -> Verdict:
    """Returns scores and features of rows."""
    x, features = reading.x, []
    bars = _shares(reading.bar, reading.real, self.config.bars)
    for number in range(self.config.layers):
      x = both_ways(self.blocks[str(number)], x, reading.real)
      features.append(jnp.einsum('bmt,btd->bmd', bars, x))
    x = self.norm(x)
    steps = _share(reading.real)
    pooled = jnp.einsum('bmt,btd->bmd', bars, x)
    whole = jnp.einsum('bt,btd->bd', steps, x)[:, None]
    shares = steps, _share(bars.any(-1)), _share(reading.real.any(-1)[:, None])
    scales = [
      Scale(self.scores[name](part)[..., 0], share)
      for name, part, share in zip(
        SCALES, (x, pooled, whole), shares, strict=True
      )
    ]
    return Verdict(tuple(scales), tuple(features))


@dataclasses.dataclass(frozen=True)
class Critic:
  """A critic as pure functions of its variables.

  Attributes:
    config: Its shape.
    vocabulary: Ids of each field.
    places: Tells where a step stands (`tokens.places`).
    marks: What ids say of pitch classes and onsets.
  """

  config: CriticConfig
  vocabulary: tuple[int, ...]
  places: Any
  marks: Marks

  def init(self, key: PRNGKeyArray) -> Variables:
    """Returns fresh variables; all maps have the norm 1."""
    params = nnx.to_pure_dict(nnx.split(self._module(key))[1])
    aux = spectral.init(params, jax.random.fold_in(key, 1))
    return {'params': spectral.normalise(params, aux), 'aux': aux}

  def read(
    self,
    variables: Variables,
    soft: Sequence[Float[Array, 'b t _']],
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
  ) -> Reading:
    """Returns rows as the critic takes them in.

    Args:
      variables: As of `init`.
      soft: A distribution over the ids of each field, one-hot in its value.
      ids: These ids, which tell where steps stand.
      segments: 0 for padding, else 1.
    """
    real = segments > 0
    coordinates = self.places(ids, segments)
    beat = jnp.minimum(
      coordinates[..., _TIME] // self.places.beat, self.config.beats - 1
    )
    bar = jnp.minimum(coordinates[..., _BAR], self.config.bars - 1)
    told = beat_sides(self.marks(soft), beat, real, self.config.beats)
    return Reading(self._net(variables).embedded(soft, told), real, bar)

  def verdict(self, variables: Variables, reading: Reading) -> Verdict:
    """Returns scores and features of rows."""
    return self._net(variables).verdict(reading)

  def of_ids(
    self,
    variables: Variables,
    ids: Int[Array, 'b t f'],
    segments: Int[Array, 'b t'],
  ) -> Verdict:
    """Returns the verdict on rows of ids."""
    reading = self.read(variables, self.one_hot(ids), ids, segments)
    return self.verdict(variables, reading)

  def one_hot(
    self, ids: Int[Array, 'b t f']
  ) -> tuple[Float[Array, 'b t _'], ...]:
    """Returns ids as distributions."""
    return tuple(
      jax.nn.one_hot(ids[..., f], size)
      for f, size in enumerate(self.vocabulary)
    )

  def iterated(self, variables: Variables) -> Variables:
    """Returns the variables whose vectors have followed the parameters."""
    aux = spectral.iterate(variables['params'], variables['aux'])
    return variables | {'aux': aux}

  def _net(self, variables: Variables) -> CriticNet:
    params = spectral.normalise(variables['params'], variables['aux'])
    return nnx.merge(self._graph, params)

  @functools.cached_property
  def _graph(self) -> nnx.GraphDef:
    return nnx.split(nnx.eval_shape(lambda: self._module(jax.random.key(0))))[0]

  def _module(self, key: PRNGKeyArray) -> CriticNet:
    return CriticNet(self.config, self.vocabulary, key)


def beat_sides(
  marks: Float[Array, 'b t _'],
  beat: Int[Array, 'b t'],
  real: Bool[Array, 'b t'],
  beats: int,
) -> Float[Array, 'b t _']:
  """Returns what each step is told of its beat, differentiable in the marks.

  The notes that begin in it over 4, the pitch classes as a direction (of a
  length of nearly 1), and its product with that of each other beat.

  Args:
    marks: Of the steps (`tokens.marks`).
    beat: Of each step, below `beats`.
    real: Which steps are no padding.
    beats: How many there may be.
  """
  at = jax.nn.one_hot(beat, beats) * real[..., None]
  total = jnp.einsum('btn,btc->bnc', at, marks)
  notes, chroma = total[..., :1] / _USUAL_NOTES, total[..., 1:]
  length = jnp.sqrt((chroma**2).sum(axis=-1, keepdims=True) + _QUIET)
  chroma = chroma / length
  alike = jnp.einsum('bnc,bmc->bnm', chroma, chroma)
  told = jnp.concatenate([notes, chroma, alike], axis=-1)
  return jnp.einsum('btn,bnc->btc', at, told)


def _shares(
  part: Int[Array, 'b t'], real: Bool[Array, 'b t'], count: int
) -> Float[Array, 'b m t']:
  """Returns what each step counts in the mean of each part."""
  at = (part[:, None] == jnp.arange(count)[:, None]) & real[:, None]
  return _share(at)


def _share(counted: Bool[Array, '*n k']) -> Float[Array, '*n k']:
  """Returns even shares of what is counted; zeros where nothing is."""
  total = counted.sum(axis=-1, keepdims=True)
  return counted / jnp.maximum(total, 1)
