"""What a piece shall be beyond legal: constraints beside the grammar.

A constraint is three pure functions over a state of its own, like a grammar
without a budget. `Rules` joins a grammar with any number of them: an id may
be drawn if all allow it. Where together they leave nothing, the grammar
stands alone for that field, so that a constraint can delay what it asks for
but never lead into a dead end.
"""

import dataclasses
import functools
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.generation.errors import RequestError
from aurl_jax.tokens import codec as codec_lib
from aurl_jax.tokens.codec import Field
from aurl_jax.tokens.tokenizer import Grammar, Tokenizer


@runtime_checkable
class Constraint(Protocol):
  """Ids that are wanted, written for one row in jax.numpy."""

  def init(self) -> Any:
    """Returns the state before the first step."""
    ...

  def mask(self, state: Any, field: int, partial: jax.Array) -> jax.Array:
    """Returns which ids of a field are wanted; shape `[v]`, or `[]` for all.

    Arguments as of `Grammar.mask`.
    """
    ...

  def advance(self, state: Any, step: jax.Array) -> Any:
    """Returns the state after a whole step, int32 `[f]`."""
    ...


@dataclasses.dataclass(frozen=True)
class Rules:
  """A grammar and constraints on top of it.

  Attributes:
    grammar: What is legal.
    constraints: What is wanted besides.
  """

  grammar: Grammar
  constraints: tuple[Constraint, ...] = ()

  def init(self, budget: Int[Array, '']) -> Any:
    """Returns the states before the first step."""
    return self.grammar.init(budget), tuple(c.init() for c in self.constraints)

  def legal(
    self, state: Any, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns what the grammar alone allows."""
    return self.grammar.mask(state[0], field, partial)

  def mask(
    self, state: Any, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns what may be drawn; at least one id."""
    legal = self.legal(state, field, partial)
    if not self.constraints:
      return legal
    wanted = functools.reduce(
      jnp.logical_and,
      (
        constraint.mask(inner, field, partial)
        for constraint, inner in zip(self.constraints, state[1], strict=True)
      ),
      legal,
    )
    return jnp.where(jnp.any(wanted), wanted, legal)

  def advance(self, state: Any, step: Int[Array, ' f']) -> Any:
    """Returns the states after a step."""
    pairs = zip(self.constraints, state[1], strict=True)
    return (
      self.grammar.advance(state[0], step),
      tuple(constraint.advance(inner, step) for constraint, inner in pairs),
    )

  def distance(self, state: Any) -> Int[Array, '']:
    """Returns the steps of the shortest legal end; 0 when it is over."""
    return self.grammar.distance(state[0])


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=['most'],
  meta_fields=['low', 'high', 'eos', 'plain'],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Length:
  """The piece ends when something has come `most` times, and not before.

  Counts the steps whose id of field 0 lies in a range: bar events, or all
  steps. After the last of them only EOS is wanted; until then, anything else.
  The last one itself shall tell nothing, as far as that is legal: a bar that
  is cut short could not be followed by EOS. A pytree of the count alone: a
  program that was compiled for one serves for all.

  Attributes:
    most: How many steps of that kind come before EOS, at least 1.
    low: First id of the kind.
    high: One past its last id.
    eos: The id of EOS.
    plain: Of each field whether its ids tell nothing: `IGNORE`, and that a
      bar is whole and its meter the same.
  """

  most: Int[Array, ''] | int
  low: int
  high: int
  eos: int
  plain: tuple[tuple[bool, ...], ...]

  def init(self) -> Int[Array, '']:
    """Returns a count of 0."""
    return jnp.int32(0)

  def mask(
    self, state: Int[Array, ''], field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns EOS alone, or all but EOS; in later fields, all or the plain."""
    plain = np.array(self.plain[field])
    if field:
      last = self._counts(partial) & (state + 1 >= self.most)
      return ~last | plain
    ids = np.arange(len(plain))
    return (ids == self.eos) == (state >= self.most)

  def advance(
    self, state: Int[Array, ''], step: Int[Array, ' f']
  ) -> Int[Array, '']:
    """Returns the count with this step."""
    return state + self._counts(step)

  def _counts(self, step: Int[Array, ' f']) -> Bool[Array, '']:
    return (step[0] >= self.low) & (step[0] < self.high)


def bars(
  tokenizer: Tokenizer, prompt: np.ndarray, count: int, steps: int
) -> Length:
  """Returns the constraint that a piece ends `count` bars after its prompt.

  Where bars are events, EOS stands in place of what would follow the next
  bar's event, which itself holds nothing; where steps are cells of time, it
  stands where the next bar would start.

  Args:
    tokenizer: Of the ids.
    prompt: int32 `[t, f]`, from BOS; its last bar may be incomplete.
    count: Bars to add, at least 1.
    steps: Steps that the piece may have in all.

  Raises:
    RequestError: The bars do not fit the steps, where it is known before.
  """
  codec = tokenizer.codec
  before = tokenizer.bar_steps(prompt)
  kind = codec.fields[0]
  eos = codec.id('eos')
  if 'merged' in kind.starts:
    raise RequestError(
      'steps of this tokenization may hold several bars; ask without bars, '
      'for steps',
      code='bars',
    )
  if 'bar' in kind.starts:
    low, high = codec.span('bar')
    most = len(before) + count + 1
  elif 'rest' not in kind.starts:
    raise RequestError(
      'this tokenization counts seconds and has no bars; ask without bars, '
      'for steps',
      code='bars',
    )
  else:
    low, high = 1, kind.size
    most = _cell_steps(tokenizer, prompt, len(before) + count, steps)
    if most + 1 > steps:
      raise RequestError(
        f'{count} bars take at least {most + 1} steps, more than {steps}; ask '
        'for fewer bars or more steps',
        code='steps',
      )
  plain = tuple(_plain(field) for field in codec.fields)
  return Length(most=most, low=low, high=high, eos=eos, plain=plain)


def _plain(field: Field) -> tuple[bool, ...]:
  ids = np.arange(field.size)
  found = ids == codec_lib.IGNORE
  for event in ('whole', 'same'):
    found = found | field.holds(event, ids)
  return tuple(found.tolist())


def _cell_steps(
  tokenizer: Tokenizer, prompt: np.ndarray, bar: int, most: int
) -> int:
  """Returns the index of the step at which bar number `bar` starts.

  Beyond `most`, some index beyond it.
  """
  filler = np.full((1, prompt.shape[1]), tokenizer.codec.id('rest'), np.int32)
  ids = prompt
  while len(starts := tokenizer.bar_steps(ids)) <= bar:
    if len(ids) > most:
      return len(ids)
    ids = np.concatenate([ids, np.repeat(filler, len(ids), axis=0)])
  return int(starts[bar])
