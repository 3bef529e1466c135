"""Swing, as a map of cells: straight beats become long and short.

Axes: `b` rows, `t` steps. A beat is straight if all that begins in it stands
on its 16ths; of such a beat the second half begins later, at a share of the
beat between 7/12 and 2/3, and the 16ths are spread over the two halves. The
map of a straight beat's four 16ths ascends strictly, so nothing coincides
and nothing is reordered. Beats with triplets stay as they are.
Ratios: Friberg and Sundström, "Swing Ratios and Ensemble Timing in Jazz
Performance", Music Perception 19(3), 2002: 2:1 at moderate tempos, nearer
to even in fast ones.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32

SHARES = (0.0, 7 / 12, 2 / 3)
"""Where the second half of a beat begins; number 0 stands for no swing."""


@functools.lru_cache(maxsize=64)
def table(cells: int) -> Int32[np.ndarray, 'amounts cells']:
  """Returns the cell that each cell of a straight beat moves to.

  Args:
    cells: Cells of a beat, a multiple of 4.

  Example:
    >>> table(12)[2, ::3].tolist()
    [0, 4, 8, 10]
  """
  moved = np.tile(np.arange(cells, dtype=np.int32), (len(SHARES), 1))
  quarter = cells // 4
  for row, share in zip(moved[1:], SHARES[1:], strict=True):
    middle = round(cells * share)
    row[::quarter] = [0, middle // 2, middle, (middle + cells) // 2]
  return moved


def is_possible(cells: int) -> bool:
  """Returns whether a beat of so many cells can be swung in them."""
  if cells % 4:
    return False
  moved = table(cells)[1:, :: cells // 4]
  return bool((np.diff(moved, axis=1) > 0).all())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Places:
  """Where the steps of a batch stand, each [b, t].

  Attributes:
    cell: Cell in force, counted from the bar's start.
    straight: Whether its beat is straight.
    amount: Index into `SHARES`.
    cells: Cells of a beat.
  """

  cell: Int32[Array, 'b t']
  straight: Bool[Array, 'b t']
  amount: Int32[Array, 'b t']
  cells: int

  @classmethod
  def of(
    cls,
    *,
    cell: Int32[Array, 'b t'],
    told: Bool[Array, 'b t'],
    new: Bool[Array, 'b t'],
    amount: Int32[Array, 'b t'],
    cells: int,
  ) -> 'Places':
    """Returns the places of steps.

    Args:
      cell: The cell that a step tells; of others anything.
      told: Which steps tell one; it holds until the next.
      new: Which steps begin a bar or a segment, at cell 0.
      amount: Index into `SHARES`.
      cells: Cells of a beat.
    """
    steps = jnp.arange(cell.shape[1])
    source = jax.lax.cummax(jnp.where(told | new, steps, 0), axis=1)
    cell = jnp.take_along_axis(jnp.where(told, cell, 0), source, 1)
    return cls(
      cell=cell,
      straight=_straight(told, new, cell, cells),
      amount=amount,
      cells=cells,
    )

  @property
  def moved(self) -> Int32[Array, 'b t']:
    """The cell that each step goes to."""
    return self.cell + self._ahead(self.cell)

  def longer(self, length: Int32[Array, 'b t']) -> Int32[Array, 'b t']:
    """Returns by how much what begins here gets longer.

    The end of it moves as a straight beat would; in a beat that is not
    straight nothing changes.
    """
    return self._ahead(self.cell + length) - self._ahead(self.cell)

  def _ahead(self, cell: Int32[Array, 'b t']) -> Int32[Array, 'b t']:
    moved = jnp.asarray(table(self.cells)).reshape(-1)
    inside = cell % self.cells
    target = moved.take(self.amount * self.cells + inside, mode='clip')
    return jnp.where(self.straight, target - inside, 0)


def _straight(
  told: Bool[Array, 'b t'],
  new: Bool[Array, 'b t'],
  cell: Int32[Array, 'b t'],
  cells: int,
) -> Bool[Array, 'b t']:
  """Returns whether each step stands in a straight beat."""
  beat = cell // cells
  before = jnp.pad(beat[:, :-1], ((0, 0), (1, 0)), constant_values=-1)
  edge = new | (beat != before)
  odd = told & (cell % (cells // 4) != 0)
  count = jnp.cumsum(odd, axis=1)
  steps = jnp.arange(cell.shape[1])
  first = jax.lax.cummax(jnp.where(edge, steps, 0), axis=1)
  following = jnp.pad(edge[:, 1:], ((0, 0), (0, 1)), constant_values=True)
  end = jnp.where(following, steps, cell.shape[1])
  last = jax.lax.cummin(end, axis=1, reverse=True)
  inside = jnp.take_along_axis(count, last, 1)
  inside -= jnp.take_along_axis(count - odd, first, 1)
  return inside == 0
