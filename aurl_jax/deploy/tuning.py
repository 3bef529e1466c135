"""Fine-tuning a model whose weights are rounded as they will be stored.

Quantisation-aware training (Jacob et al. 2018, section 3): each step computes
with weights in few bits, and the gradient goes straight through the rounding
(Bengio et al. 2013, "Estimating or propagating gradients through stochastic
neurons") to the weights behind them. What is learnt is what the model itself
says of music, field by field (Hinton et al. 2015, "Distilling the knowledge in
a neural network", at a temperature of 1): little music is enough, and there is
nothing to overfit to. Axes: `b` rows, `t` time, `f` fields.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Int

from aurl_jax.core import trees
from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import levels as levels_lib
from aurl_jax.deploy import packing as packing_lib
from aurl_jax.deploy.packing import Packing
from aurl_jax.models import rounding
from aurl_jax.models.functional import Model

Params = dict[str, Any]


class Network(NamedTuple):
  """A model and its parameters."""

  model: Model
  params: Params


Told = Callable[[int, float], None]
"""Is told the step, and the loss in nats a field."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tuning:
  """How a model is fine-tuned.

  Attributes:
    steps: Of training.
    rows: Of a batch.
    length: Steps of a row, at most the model's context.
    rate: Learning rate at the beginning; it falls to 0 as a cosine.
    seed: Of what is drawn.

  Raises:
    BundleError: A number out of its range (code `tuning`).
  """

  steps: int
  rows: int = 8
  length: int = 256
  rate: float = 1e-4
  seed: int = 0

  def __post_init__(self) -> None:
    least = {'steps': 1, 'rows': 1, 'length': 2, 'seed': 0}
    for name, low in least.items():
      if getattr(self, name) < low:
        raise BundleError(
          f'{name} of fine-tuning must be {low} or more, not '
          f'{getattr(self, name)}',
          code='tuning',
        )
    if not 0 < self.rate <= 1:
      raise BundleError(
        f'the rate of fine-tuning must be in 0..1, not {self.rate}',
        code='tuning',
      )


def rounded(params: Mapping[str, Any], packing: Packing) -> Params:
  """Returns parameters as they will be stored, inside a jitted function.

  They are those of `packing.unpack(packing.pack(...))`, bit for bit. Gradients
  go straight through; reaches (`models.rounding`) have none.

  Args:
    params: Of a model, float32.
    packing: How they will be stored.

  Returns:
    Parameters of the same shapes.
  """
  found = {
    path: _as_stored(path, leaf, packing)
    for path, leaf in trees.by_path(params).items()
  }
  return trees.of_paths(found)


def tuned(
  before: Network,
  after: Network,
  packing: Packing,
  music: Sequence[np.ndarray],
  tuning: Tuning,
  told: Told = lambda step, loss: None,
) -> Params:
  """Returns parameters that lose less when they are stored in few bits.

  Args:
    before: What is learnt from: the model as it is.
    after: What is fine-tuned; where it rounds inputs, their reaches have been
      seen.
    packing: How its parameters will be stored.
    music: Ids of pieces, int32 `[t, f]`.
    tuning: How long, and how.
    told: Is told of each step.

  Raises:
    BundleError: The model has latents (code `latents`), there is no music
      (`tuning`), or a step gave no finite loss (`tuning`).
  """
  if after.model.config.has_latents:
    raise BundleError(
      'models without latents alone are fine-tuned; quantise this one without',
      code='latents',
    )
  step, held = _step(before.model, after.model, packing, tuning)
  own, state = after.params, held(after.params)
  for number, ids in enumerate(_batches(music, before.model, tuning)):
    own, state, loss = step(before.params, own, state, ids)
    if not np.isfinite(loss):
      raise BundleError(
        f'step {number} of fine-tuning gave no finite loss; take a smaller '
        'rate',
        code='tuning',
      )
    told(number + 1, float(loss))
  return dict(own)


def _as_stored(path: str, leaf: Any, packing: Packing) -> Any:
  if rounding.is_reach(path):
    return jax.lax.stop_gradient(leaf)
  if not packing_lib.is_packed(path, leaf.shape):
    return _through(_kept)(leaf)
  return _through(lambda x: _packed(path, x, packing))(leaf)


def _through(round_: Callable[[Any], Any]) -> Callable[[Any], Any]:
  """Returns a rounding whose gradient is that of nothing done."""
  straight = jax.custom_jvp(round_)
  # Not `x + stop(round(x) - x)`, which is another number.
  straight.defjvp(lambda primals, tangents: (straight(*primals), tangents[0]))
  return straight


def _kept(x: Array) -> Array:
  """Returns what half precision keeps of numbers."""
  size = levels_lib.half(jnp.abs(x), jnp)
  return jnp.where(x < 0, -size, size)


def _packed(path: str, x: Array, packing: Packing) -> Array:
  weights = packing_lib.matrix(path, x)
  parts = packing_lib.grouped(weights, packing, jnp)
  whole, scales = levels_lib.quantise(parts, packing.bits, jnp)
  found = (whole * scales[:, None]).reshape(-1, weights.shape[1])
  stored = packing_lib.unfolded(path, found[: len(weights)], x.shape)
  # Or what reads it might round in another order.
  return jax.lax.optimization_barrier(stored)


def _step(
  before: Model, after: Model, packing: Packing, tuning: Tuning
) -> tuple[Callable[..., Any], Callable[[Params], Any]]:
  """Returns a step of training, and what gives its state before the first."""
  falling = optax.cosine_decay_schedule(tuning.rate, tuning.steps)
  optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(falling))

  def loss(own: Params, old: Params, ids: Int[Array, 'b t f']) -> Array:
    steps = _read(ids)
    wanted = before.logits(old, *steps)
    found = after.logits(rounded(own, packing), *steps)
    real = ids[:, 1:] > 0
    nats = [
      (_divergence(one, other) * real[..., field]).sum()
      for field, (one, other) in enumerate(zip(wanted, found, strict=True))
    ]
    return jnp.stack(nats).sum() / jnp.maximum(real.sum(), 1)

  def step(old: Params, own: Params, held: Any, ids: Array) -> Any:
    value, grads = jax.value_and_grad(loss)(own, old, ids)
    changes, held = optimizer.update(grads, held)
    return optax.apply_updates(own, changes), held, value

  return jax.jit(step), optimizer.init


def _read(
  ids: Int[Array, 'b t f'],
) -> tuple[Array, Array, Array, Array]:
  """Returns what a model is given of rows: all but the last step, and next."""
  segments = (ids[:, :-1, 0] > 0).astype(jnp.int32)
  positions = jnp.broadcast_to(jnp.arange(segments.shape[1]), segments.shape)
  return ids[:, :-1], segments, positions, ids[:, 1:]


def _divergence(wanted: Array, found: Array) -> Array:
  """Returns how far what is found is from what is wanted, in nats, `[b, t]`."""
  old, new = jax.nn.log_softmax(wanted), jax.nn.log_softmax(found)
  return (jnp.exp(old) * (old - new)).sum(-1)


def _batches(
  music: Sequence[np.ndarray], model: Model, tuning: Tuning
) -> Iterator[Int[np.ndarray, 'b t f']]:
  """Yields stretches of pieces as rows of one shape, what is missing 0."""
  if not len(music):
    raise BundleError('there is no music to fine-tune by', code='tuning')
  rng = np.random.default_rng(tuning.seed)
  length = min(tuning.length, model.config.context) + 1
  weights = np.array([len(ids) for ids in music], float)
  for _ in range(tuning.steps):
    rows = np.zeros((tuning.rows, length, music[0].shape[1]), np.int32)
    for row in rows:
      ids = music[rng.choice(len(music), p=weights / weights.sum())]
      # Some from the beginning: what follows nothing must be learnt, too.
      first = max(0, int(rng.integers(-length // 4, max(1, len(ids) - 8))))
      some = ids[first : first + length]
      row[: len(some)] = some
    yield rows
