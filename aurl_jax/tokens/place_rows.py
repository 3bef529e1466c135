"""Running sums and latest values along the steps of rows, for `tokens.places`.

Behind a `fill` they go on from before the first `mask` of the segment. Axes:
`b` batch, `t` time.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int


class _Gap(NamedTuple):
  """What is skipped behind a fill, as each step knows it.

  Attributes:
    start: Index of the first mask of the segment.
    fill: Index of its latest fill.
    behind: Whether the step is a fill or behind one; if not, the indices mean
      nothing.
  """

  start: Int[Array, 'b t']
  fill: Int[Array, 'b t']
  behind: Bool[Array, 'b t']


class Rows:
  """Running sums and latest values in the segments of rows, each `[b, t]`."""

  def __init__(
    self,
    segments: Int[Array, 'b t'],
    infill: tuple[Int[Array, 'b t'], Int[Array, 'b t']] | None = None,
  ) -> None:
    """Takes the segments, and which steps are masks and fills, if any are."""
    changes = segments[:, 1:] != segments[:, :-1]
    self._first = jnp.pad(changes, ((0, 0), (1, 0)), constant_values=True)
    self._home = self._last(self._first)
    self._gap = self._found(*infill) if infill else None

  def _last(self, marks: Bool[Array, 'b t']) -> Int[Array, 'b t']:
    """Returns the index of the latest mark at or before each step."""
    index = jnp.arange(marks.shape[1], dtype=jnp.int32)
    return jax.lax.cummax(jnp.where(marks, index, 0), axis=1)

  def _found(self, mask: Int[Array, 'b t'], fill: Int[Array, 'b t']) -> '_Gap':
    """Finds the first mask of each segment, and the latest fill behind it."""
    masked = self._sum(mask)
    fills = jnp.where(masked > 0, fill, 0)
    return _Gap(
      start=self._last((mask > 0) & (masked == mask)),
      fill=self._last(fills > 0),
      behind=self._sum(fills) > 0,
    )

  def _sum(self, values: Int[Array, 'b t']) -> Int[Array, 'b t']:
    sums = jnp.cumsum(values, axis=1, dtype=jnp.int32)
    return sums - jnp.take_along_axis(sums - values, self._home, axis=1)

  def total(self, values: Int[Array, 'b t']) -> Int[Array, 'b t']:
    """Returns the sum of a segment's values up to each step.

    Behind a fill it is that of what stands before the first mask, and behind
    the fill.
    """
    sums, gap = self._sum(values), self._gap
    if gap is None:
      return sums
    before = jnp.take_along_axis(sums - values, gap.start, axis=1)
    skipped = jnp.take_along_axis(sums, gap.fill, axis=1) - before
    return sums - jnp.where(gap.behind, skipped, 0)

  def latest(
    self, values: Int[Array, 'b t'], told: Bool[Array, 'b t'], default: int
  ) -> Int[Array, 'b t']:
    """Returns the latest value told in the segment, or the default.

    Behind a fill, what stands between the first mask and it tells nothing.
    """
    at = self._last(told | self._first)
    found = jnp.take_along_axis(jnp.where(told, values, default), at, axis=1)
    gap = self._gap
    if gap is None:
      return found
    earlier = self.before(found, default)
    earlier = jnp.take_along_axis(earlier, gap.start, axis=1)
    return jnp.where(gap.behind & (at <= gap.fill), earlier, found)

  def since(self, marks: Bool[Array, 'b t']) -> Int[Array, 'b t']:
    """Returns the steps since the latest mark, or since the segment began.

    Behind a fill without a mark it goes on from before the first mask.
    """
    at = self._last(marks | self._first)
    found = jnp.arange(marks.shape[1], dtype=jnp.int32) - at
    gap = self._gap
    if gap is None:
      return found
    before = jnp.take_along_axis(self.before(found, -1), gap.start, axis=1)
    fill = jnp.take_along_axis(found, gap.fill, axis=1)
    on = found - fill + before
    return jnp.where(gap.behind & (at <= gap.fill), on, found)

  def before(
    self, values: Int[Array, 'b t'], default: int
  ) -> Int[Array, 'b t']:
    """Returns the value of the step before, the default for the first."""
    return jnp.where(self._first, default, jnp.roll(values, 1, axis=1))
