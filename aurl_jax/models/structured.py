"""Bar-structured attention: near bars step by step, others as summaries.

What a step sees is `models.bar_plan`, what stands for a bar is
`models.bar_summary`, and steps and summaries share one softmax. Backends:
`naive` (dense masks, `t²` memory, for tests and pictures) and `blocked`
(tiles; memory linear in `t`, for training). Axes: `b` batch, `h` heads, `t`
steps, `k` head width.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from aurl_jax.models import bar_plan, bar_summary, bar_tiles
from aurl_jax.models.attention import weights as attention_weights
from aurl_jax.models.bar_plan import Plan


def attend_bars(
  q: Float[Array, 'b h t k'],
  k: Float[Array, 'b h t k'],
  v: Float[Array, 'b h t k'],
  query: Float[Array, 'h k'],
  *,
  bars: Int[Array, 'b t'],
  segments: Int[Array, 'b t'],
  backend: str = 'auto',
  plan: Plan | None = None,
) -> Float[Array, 'b h t k']:
  """Returns each query's mix of the steps and summaries that it sees.

  Args:
    q: Queries, not yet scaled.
    k: Keys.
    v: Values.
    query: What weighs the steps of a bar, `BarSummary.query`.
    bars: Bar of each step in its segment; never falls in a segment.
    segments: Number of the piece at each step; a piece is one run of steps.
    backend: `naive`, `blocked`, or `auto`: `blocked`.
    plan: As of `bar_plan.plan`, if it is made already: it is the same for all
      layers. None sees all summaries.
  """
  if backend == 'naive':
    horizon = 0 if plan is None else plan.horizon
    mixture = weights(
      q, k, v, query, bars=bars, segments=segments, horizon=horizon
    )
    return jnp.einsum('bhqt,bhtk->bhqk', mixture.astype(v.dtype), v)
  if plan is None:
    plan = bar_plan.plan(bars, segments)
  return attend_plan(q, k, v, query, plan)


def attend_plan(
  q: Float[Array, 'b h t k'],
  k: Float[Array, 'b h t k'],
  v: Float[Array, 'b h t k'],
  query: Float[Array, 'h k'] | None,
  plan: Plan,
) -> Float[Array, 'b h t k']:
  """Returns what a plan lets queries see; `query` only if it is coarse."""
  added = ((0, 0), (0, 0), (0, plan.padded - plan.length), (0, 0))
  q, k, v = (jnp.pad(x, added) for x in (q, k, v))
  keys, values = k, v
  if plan.coarse:
    # Cheaper to take again than to keep.
    means = jax.checkpoint(bar_summary.summarise)(k, v, query, plan)[:2]
    keys, values = (
      jnp.concatenate([x, mean], axis=2)
      for x, mean in zip((k, v), means, strict=True)
    )
  mixed = bar_tiles.attend_tiles(q, keys, values, plan)
  return mixed[:, :, : plan.length]


def weights(
  q: Float[Array, 'b h t k'],
  k: Float[Array, 'b h t k'],
  v: Float[Array, 'b h t k'],
  query: Float[Array, 'h k'],
  *,
  bars: Int[Array, 'b t'],
  segments: Int[Array, 'b t'],
  horizon: int = 0,
) -> Float[Array, 'b h t t']:
  """Returns how much each query takes of each step, float32.

  What it takes of a summary is dealt to the steps that the summary is of, so
  that rows sum to 1 and times the values are the output. Dense. Arguments as
  of `attend_bars`.
  """
  segment, place, slot = bar_plan.coordinates(bars, segments)
  # A bar's summary stands at its last step.
  own = slot[:, :, None] == slot[:, None, :]
  final = jnp.pad(jnp.diff(slot, axis=1) > 0, ((0, 0), (0, 1)))
  parts = jnp.exp(bar_summary.scores(v, query))[:, :, None] * own[:, None]
  parts /= parts.sum(-1, keepdims=True)
  means = jnp.einsum('bhrt,bhtk->bhrk', parts, k.astype(jnp.float32))
  keys = jnp.concatenate([k, means.astype(k.dtype)], axis=2)
  seen = _seen(segment, place, final)
  if horizon:
    # A slot is a bar that has steps.
    far = slot[:, :, None] - slot[:, None, :] > horizon
    seen &= ~jnp.concatenate([jnp.zeros_like(far), far], axis=-1)
  taken = attention_weights(q, keys, seen)
  steps, bars_taken = jnp.split(taken, 2, axis=-1)
  return steps + jnp.einsum('bhqr,bhrt->bhqt', bars_taken, parts)


def _seen(
  segment: Int[Array, 'b t'],
  place: Int[Array, 'b t'],
  final: Bool[Array, 'b t'],
) -> Bool[Array, 'b t _']:
  """Which steps, and then which summaries, each query sees."""
  distance = place[:, :, None] - place[:, None, :]
  same = segment[:, :, None] == segment[:, None, :]
  near = bar_plan.near(distance)
  fine = same & near & jnp.tri(place.shape[1], dtype=bool)
  coarse = same & ~near & (distance > 0) & final[:, None, :]
  return jnp.concatenate([fine, coarse], axis=-1)
