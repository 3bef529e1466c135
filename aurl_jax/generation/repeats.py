"""`NoRepeat`: a piece does not repeat itself for more than so many steps.

Music repeats, and a model that loops repeats without end. Each step is
compared with all before it: behind every earlier step stands how many steps up
to there are the same as those up to now. Where that is as many as may be, what
came next there is not wanted here. Velocities do not count where they have a
field of their own: a copy with other ones is a copy. Axes: `t` steps that
there is room for, `f` fields, `v` ids of a field.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from aurl_jax.generation.errors import RequestError
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.tokenizer import Tokenizer


class Written(NamedTuple):
  """What a row has so far.

  Attributes:
    ids: Its steps, zeros behind them.
    same: At each step, how many up to it equal those up to the last one.
    length: How many there are.
  """

  ids: Int[Array, 't f']
  same: Int[Array, ' t']
  length: Int[Array, '']


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=['most'],
  meta_fields=['codec', 'room'],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class NoRepeat:
  """No run of steps longer than `most` stands twice. A pytree of that alone.

  Attributes:
    most: Steps of the longest run that may be repeated, at least 1.
    codec: The vocabulary.
    room: Steps that are remembered, the prompt's among them.
  """

  most: Any
  codec: Codec
  room: int

  def init(self) -> Written:
    """Returns nothing written."""
    fields = len(self.codec.fields)
    return Written(
      jnp.zeros((self.room, fields), jnp.int32),
      jnp.zeros(self.room, jnp.int32),
      jnp.int32(0),
    )

  def mask(
    self, state: Written, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns all ids but those that would make a run too long."""
    ids = jnp.arange(self.codec.sizes[field])
    if field != max(self._compared):
      return jnp.ones(len(ids), bool)
    after = jnp.roll(state.ids, -1, axis=0)
    long = state.same >= self.most
    # Behind the last step nothing has come yet.
    long &= jnp.arange(self.room) < state.length - 1
    for other in self._compared[:-1]:
      long &= after[:, other] == partial[other]
    repeats = long[:, None] & (after[:, field, None] == ids)
    return ~jnp.any(repeats, axis=0)

  def advance(self, state: Written, step: Int[Array, ' f']) -> Written:
    """Returns what is written with a step more."""
    equal = jnp.ones(self.room, bool)
    for field in self._compared:
      equal &= state.ids[:, field] == step[field]
    equal &= jnp.arange(self.room) < state.length
    before = jnp.pad(state.same[:-1], (1, 0))
    # Where the step itself is written nothing is compared with it.
    return Written(
      ids=state.ids.at[state.length].set(step, mode='drop'),
      same=jnp.where(equal, before + 1, 0),
      length=state.length + 1,
    )

  @functools.cached_property
  def _compared(self) -> tuple[int, ...]:
    """The fields that count, ascending."""
    fields = enumerate(self.codec.fields)
    found = tuple(f for f, part in fields if not part.tells('velocity'))
    return found or (0,)


def no_repeat(tokenizer: Tokenizer, most: int, steps: int) -> NoRepeat:
  """Returns the constraint that no longer run of steps stands twice.

  Args:
    tokenizer: Of the ids.
    most: Steps of the longest run that may be repeated, at least 1.
    steps: Steps that a piece may have in all.

  Raises:
    RequestError: `most` is less than 1.
  """
  if most < 1:
    raise RequestError(f'repeat must be 1 step or more, not {most}')
  return NoRepeat(most=most, codec=tokenizer.codec, room=steps)
