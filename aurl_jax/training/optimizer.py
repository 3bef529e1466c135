"""From an `OptimizerConfig` to an optax transformation and its schedule."""

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

import jax
import optax
import optax.contrib
from optax.contrib import MuonDimensionNumbers

from aurl_jax.core.errors import ConfigError
from aurl_jax.parallel import rules
from aurl_jax.training.schedules import SCHEDULES, Schedule

# Parameters whose size means something other than complexity: gains, biases
# and rows of tables. Norms are vectors, but stacked layers hide that.
_EXEMPT = re.compile(
  r'(^|/)([^/]*embed|[^/]*norm|[^/]*bias|scale|summary)(/|$)'
)

# Kernels of more than two axes: the axes that they sum over and those that
# they make; what is left over counts matrices (queries, keys and values).
_AXES = (
  (re.compile(r'(^|/)q_kernel$'), MuonDimensionNumbers((0,), (1, 2))),
  (re.compile(r'kv_kernel$'), MuonDimensionNumbers((0,), (2, 3))),
  (re.compile(r'out_kernel$'), MuonDimensionNumbers((0, 1), (2,))),
)
# The root mean square of Adam's updates, as Muon's are to have it, so that
# one learning rate and one weight decay suit both (Liu et al. 2025).
_RMS = 0.2

_NAMES = ('adamw', 'lion', 'adafactor', 'muon', 'sgd')
"""What `OptimizerConfig.name` may be."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
  """How parameters follow their gradients.

  Attributes:
    name: `adamw` (Loshchilov & Hutter 2019), `lion` (Chen et al. 2023),
      `adafactor` (Shazeer & Stern 2018: no momentum, factored squares, steps
      relative to the size of the parameter; `b1` and `b2` have no effect),
      `muon` (Jordan et al. 2024, Liu et al. 2025: matrices by orthogonal
      momentum `b1`, 0.95 is usual; tables and vectors as `adamw`) or `sgd`
      with momentum `b1`.
    learning_rate: At its peak.
    warmup_steps: Steps until the peak.
    schedule: `cosine`, `wsd`, `rsqrt` or `constant`; see
      `training.schedules`.
    final_fraction: Last (`cosine`, `wsd`) or least (`rsqrt`) rate over the
      peak.
    decay_fraction: Share of the run in which `wsd` falls.
    b1: Decay of the mean of gradients.
    b2: Decay of the mean of their squares.
    eps: Added to the root of the latter.
    weight_decay: Pull to zero, times the learning rate; not on norms,
      biases, embeddings and anything with fewer than two axes.
    clip_norm: Largest global norm of a gradient; 0 for no limit.
    clip_value: Largest absolute value in a gradient, cut off before the norm
      is; 0 for no limit.
  """

  name: str = 'adamw'
  learning_rate: float = 1e-3
  warmup_steps: int = 100
  schedule: str = 'cosine'
  final_fraction: float = 0.1
  decay_fraction: float = 0.2
  b1: float = 0.9
  b2: float = 0.98
  eps: float = 1e-8
  weight_decay: float = 0.1
  clip_norm: float = 1.0
  clip_value: float = 0.0

  def __post_init__(self) -> None:
    _choice('name', self.name, _NAMES)
    _choice('schedule', self.schedule, tuple(SCHEDULES))
    for name in ('learning_rate', 'eps'):
      _require(getattr(self, name) > 0, name, 'must be positive')
    for name in ('b1', 'b2'):
      _require(0 <= getattr(self, name) < 1, name, 'must lie in [0, 1)')
    for name in ('warmup_steps', 'weight_decay', 'clip_norm', 'clip_value'):
      _require(getattr(self, name) >= 0, name, 'must not be negative')
    for name in ('final_fraction', 'decay_fraction'):
      _require(0 <= getattr(self, name) <= 1, name, 'must lie in [0, 1]')


def build(
  config: OptimizerConfig, steps: int
) -> tuple[optax.GradientTransformation, Schedule]:
  """Returns the optimizer of a run of so many steps, and its schedule."""
  schedule = SCHEDULES[config.schedule](
    config.learning_rate,
    config.warmup_steps,
    steps,
    config.final_fraction,
    config.decay_fraction,
  )
  return optax.chain(
    _clip(config),
    _direction(config),
    optax.add_decayed_weights(config.weight_decay, mask=decay_mask),
    optax.scale_by_learning_rate(schedule),
  ), schedule


def decay_mask(params: Mapping[str, Any]) -> Any:
  """Returns a tree of bools: which parameters weight decay pulls."""

  def decays(path: tuple[Any, ...], leaf: Any) -> bool:
    name = rules.path_name(path)
    return leaf.ndim > 1 and not _EXEMPT.search(name)

  return jax.tree_util.tree_map_with_path(decays, params)


def _clip(config: OptimizerConfig) -> optax.GradientTransformation:
  """Returns the limits; without a state, so that a run may change them."""
  value, norm = config.clip_value, config.clip_norm
  return optax.chain(
    optax.clip(value) if value else optax.identity(),
    optax.clip_by_global_norm(norm) if norm else optax.identity(),
  )


def _direction(config: OptimizerConfig) -> optax.GradientTransformation:
  if config.name == 'adamw':
    return optax.scale_by_adam(b1=config.b1, b2=config.b2, eps=config.eps)
  if config.name == 'lion':
    return optax.scale_by_lion(b1=config.b1, b2=config.b2)
  if config.name == 'adafactor':
    return optax.chain(
      optax.scale_by_factored_rms(),
      optax.clip_by_block_rms(1.0),
      optax.scale_by_param_block_rms(),
    )
  if config.name == 'muon':
    return _muon(config)
  return optax.trace(decay=config.b1)


def _muon(config: OptimizerConfig) -> optax.GradientTransformation:
  """Returns Muon for the matrices that decay, Adam for all else."""
  ways = {
    'muon': optax.chain(
      optax.contrib.scale_by_muon(
        beta=config.b1, weight_dimension_numbers=_matrices
      ),
      optax.stateless(lambda updates, _: _rescale(updates)),
    ),
    'adam': optax.scale_by_adam(b1=config.b1, b2=config.b2, eps=config.eps),
  }
  return optax.partition(
    ways,
    lambda params: jax.tree.map(
      lambda decays: 'muon' if decays else 'adam', decay_mask(params)
    ),
  )


def _rescale(updates: Any) -> Any:
  """Gives orthogonal matrices the root mean square of Adam's updates.

  Such a matrix of `i` by `o` has one of 1 / root(max(i, o)) (Liu et al.
  2025, section 2.2).
  """

  def one(update: jax.Array, axes: MuonDimensionNumbers) -> jax.Array:
    sides = (axes.reduction_axis, axes.output_axis)
    sizes = [math.prod(update.shape[i] for i in side) for side in sides]
    return update * (_RMS * math.sqrt(max(sizes)))

  return jax.tree.map(one, updates, _matrices(updates))


def _matrices(params: Any) -> Any:
  """Returns how each parameter is a matrix, or several; the path says."""

  def axes(path: tuple[Any, ...], leaf: Any) -> MuonDimensionNumbers:
    name = rules.path_name(path)
    for pattern, numbers in _AXES:
      if pattern.search(name):
        return numbers
    return MuonDimensionNumbers((leaf.ndim - 2,), (leaf.ndim - 1,))

  return jax.tree_util.tree_map_with_path(axes, params)


def _choice(name: str, value: str, choices: tuple[str, ...]) -> None:
  cause = f'is {value!r}; choose one of {", ".join(choices)}'
  _require(value in choices, name, cause)


def _require(holds: bool, name: str, cause: str) -> None:
  if not holds:
    raise ConfigError(f'optimizer.{name}: {cause}', code='optimizer_config')
