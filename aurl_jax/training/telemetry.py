"""Whether latents say anything: what a collapse of the posterior shows in.

  units        dims whose posterior means vary over the data, by more than
               0.01 (Burda, Grosse & Salakhutdinov 2016, section 5: active
               units)
  kl           nats of each dim from the prior
  information  nats that a slot's latent tells of which slot it is of: the
               divergence from the prior less that of the aggregate (Hoffman &
               Johnson 2016), the aggregate estimated by the batch, so at most
               the logarithm of its slots
  shuffled     nats an id that the latents of another piece cost more than
               one's own: a decoder that does not ask them has none

Dials (`model.latent.dials`) are not learnt, and none of these.
Axes: `b` rows, `s` slots, `z` dims of a slot's latent, `n` slots in use.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from aurl_jax.core.errors import DataError
from aurl_jax.core.typing import Batch
from aurl_jax.training import feed, losses

_ACTIVE = 0.01
"""Variance of means above which a dim is active."""
_SUMS = ('count', 'mean', 'square', 'kl')


def make_telemetry(model: Any) -> Callable[[Any, Batch], dict[str, Array]]:
  """Returns a jitted function from parameters and rows to sums.

  Args:
    model: With `posterior` and `log_probs`, as `models.Model`; one piece a
      row.
  """

  @jax.jit
  def step(params: Any, batch: Batch) -> dict[str, Array]:
    ids, segments = batch['ids'], batch['segments']
    targets = losses.shift_targets(ids, segments)
    found = model.posterior(params, ids, segments)
    steps = (ids, segments, batch['positions'], targets)
    score = lambda latents: -model.log_probs(params, *steps, latents=latents)  # noqa: E731
    other = jax.tree.map(lambda x: jnp.roll(x, 1, axis=0), found.mean)
    real = (segments > 0).any(axis=1)
    # A piece whose other is padding has none to be compared with.
    both = real & jnp.roll(real, 1)
    counted = both[:, None, None] & (targets > 0)
    sums = {
      'nats': jnp.where(counted, score(found.mean), 0).sum(),
      'shuffled': jnp.where(counted, score(other), 0).sum(),
      'ids': counted.sum(),
    }
    kl, slots = found.kl(), found.used & real[:, None]
    mean, log, nats = (
      part.slots[..., found.dials :]
      for part in (found.mean, found.log_variance, kl)
    )
    sums |= _moments('slot', mean, nats, slots)
    sums |= _moments('piece', found.mean.piece, kl.piece, real)
    told = _information(mean, log, slots)
    return sums | {'told': told * slots.sum(), 'slots': slots.sum()}

  return step


def _moments(
  name: str,
  mean: Float[Array, '*n z'],
  kl: Float[Array, '*n z'],
  used: Bool[Array, '*n'],
) -> dict[str, Array]:
  """Returns the sums of a kind of latent, dim by dim."""
  # There may be no dims, so that -1 would be any number.
  flat = mean.reshape(used.size, mean.shape[-1])
  divergence = kl.reshape(flat.shape)
  weight = used.reshape(-1, 1).astype(jnp.float32)
  found = (
    weight.sum(),
    (weight * flat).sum(0),
    (weight * flat * flat).sum(0),
    (weight * divergence).sum(0),
  )
  return {f'{name}/{k}': v for k, v in zip(_SUMS, found, strict=True)}


def _information(
  mean: Float[Array, 'b s z'],
  log_variance: Float[Array, 'b s z'],
  used: Bool[Array, 'b s'],
) -> Float[Array, '']:
  """Returns the mean nats that a slot's latent tells of its slot.

  The samples are the means, moved by nothing: of each, its density under its
  own posterior against that under all of them together.
  """
  z = mean.shape[-1]
  x, log = (a.reshape(used.size, z) for a in (mean, log_variance))
  real = used.reshape(-1)
  away = (x[:, None] - x[None]) ** 2 * jnp.exp(-log)[None]
  density = -0.5 * (away + log[None]).sum(-1)
  density = jnp.where(real[None], density, -jnp.inf)
  together = jax.nn.logsumexp(density, axis=1) - jnp.log(real.sum())
  own = jnp.diagonal(density)
  return jnp.where(real, own - together, 0).sum() / jnp.maximum(real.sum(), 1)


def measure(
  step: Callable[[Any, Batch], Mapping[str, Array]],
  params: Any,
  batches: Iterable[Batch],
  mesh: jax.sharding.Mesh | None = None,
) -> dict[str, float]:
  """Returns the figures of a stream of batches.

  Args:
    step: As of `make_telemetry`.
    params: What is judged.
    batches: Host batches, one piece a row.
    mesh: Where batches go; None for one device.

  Returns:
    `latents/units` and `latents/units_of`, active dims of how many;
    `latents/kl_least` and `latents/kl_most`, nats of the dims of slots;
    `latents/information`; `latents/shuffled`, and `latents/gap`, the same as
    a share of the nats an id.

  Raises:
    DataError: There is no batch.
  """
  place, total = feed.placer(mesh), None
  for batch in batches:
    found = jax.tree.map(np.asarray, jax.device_get(step(params, place(batch))))
    total = found if total is None else jax.tree.map(np.add, total, found)
  if total is None:
    raise DataError('nothing to measure latents on: the split is empty')
  return _figures(total)


def _figures(total: Mapping[str, Any]) -> dict[str, float]:
  units, of = 0, 0
  for name in ('slot', 'piece'):
    pieces = max(1.0, float(total[f'{name}/count']))
    mean = total[f'{name}/mean'] / pieces
    variance = total[f'{name}/square'] / pieces - mean**2
    units, of = units + int((variance > _ACTIVE).sum()), of + variance.size
  ids = max(1, int(total['ids']))
  own, other = float(total['nats']) / ids, float(total['shuffled']) / ids
  found = {
    'units': units,
    'units_of': of,
    'information': float(total['told']) / max(1, int(total['slots'])),
    'shuffled': other - own,
    'gap': (other - own) / max(own, 1e-9),
  }
  kl = total['slot/kl'] / max(1.0, float(total['slot/count']))
  if kl.size:
    found |= {'kl_least': kl.min(), 'kl_most': kl.max()}
  return {f'latents/{name}': float(value) for name, value in found.items()}
