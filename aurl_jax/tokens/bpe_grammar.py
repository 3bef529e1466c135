"""The legal sequences of merged ids: those whose parts are legal in turn.

The mask walks the grammar of the parts over every merged id at once, so a
step costs more the more merges there are. Axes: `m` merged ids, `l` parts of
the longest, `v` ids.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.tokens import grammar as lib
from aurl_jax.tokens.grammar import Flag, Scalar

_PLENTY = 1 << 30
"""A budget that no piece uses up."""
_NO_PART = -1


@dataclasses.dataclass(frozen=True)
class BpeGrammar:
  """The four functions of `Grammar`.

  The state is that of `base`, but counts merged steps.

  Attributes:
    base: The grammar of the parts, of one field.
    merged: Parts of each merged id; these follow the ids of the base.
  """

  base: Any
  merged: tuple[tuple[int, ...], ...]

  @functools.cached_property
  def _parts(self) -> np.ndarray:
    """int32 `[m, l]`, filled up with -1."""
    longest = max((len(parts) for parts in self.merged), default=1)
    table = np.full((len(self.merged), longest), _NO_PART, np.int32)
    for row, parts in zip(table, self.merged, strict=True):
      row[: len(parts)] = parts
    return table

  def init(self, budget: Scalar | int) -> Any:
    """Returns the state before BOS; see `Grammar.init`."""
    return self.base.init(budget)

  def distance(self, state: Any) -> Scalar:
    """Returns the steps of the shortest legal end that merges nothing."""
    return self.base.distance(state)

  def mask(
    self, state: Any, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns the ids that may follow, bool `[v]`; see `Grammar.mask`."""
    single = self.base.mask(state, field, partial)
    if not self.merged:
      return single
    limit = jnp.maximum(state.left, self.distance(state)) - 1
    free = _with_left(state, _PLENTY)
    walk = functools.partial(self._walk, free)
    legal, after = jax.vmap(walk)(jnp.asarray(self._parts))
    fits = jax.vmap(self.base.distance)(after) <= limit
    return jnp.concatenate([single, legal & fits])

  def _walk(self, state: Any, parts: Int[Array, ' l']) -> tuple[Flag, Any]:
    """Returns whether parts may follow, and the state after them."""

    def step(carry: tuple[Flag, Any], part: Scalar) -> tuple[Any, None]:
      legal, state = carry
      ids = jnp.maximum(part, 0)[None]
      allowed = self.base.mask(state, 0, jnp.zeros(1, jnp.int32))[ids[0]]
      real = part != _NO_PART
      after = self.base.advance(state, ids)
      state = _choose(real, after, state)
      return (legal & (allowed | ~real), state), None

    return jax.lax.scan(step, (jnp.bool_(True), state), parts)[0]

  def advance(self, state: Any, step: Int[Array, ' f']) -> Any:
    """Returns the state after a step, int32 `[1]`."""
    if not self.merged:
      return self.base.advance(state, step)
    size = _size(self.base, state)
    number = jnp.clip(step[0] - size, 0, len(self.merged) - 1)
    parts = lib.lookup(self._parts, number)
    after = self._walk(_with_left(state, _PLENTY), parts)[1]
    after = _with_left(after, state.left - 1)
    plain = self.base.advance(state, jnp.where(step < size, step, 0))
    return _choose(step[0] >= size, after, plain)


def _size(grammar: Any, state: Any) -> int:
  """Returns how many ids a grammar of one field has."""
  mask = jax.eval_shape(
    lambda s: grammar.mask(s, 0, jnp.zeros(1, jnp.int32)), state
  )
  return int(mask.shape[0])


def _with_left(state: Any, left: Scalar | int) -> Any:
  """Returns a state of another budget; one inside another has it."""
  if 'left' in state._fields:
    return state._replace(left=lib.scalar(left))
  return state._replace(base=_with_left(state.base, left))


def _choose(when: Flag, new: Any, old: Any) -> Any:
  return jax.tree.map(lambda a, b: jnp.where(when, a, b), new, old)
