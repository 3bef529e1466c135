"""What a piece shall be beyond legal: constraints beside the grammar.

A constraint is three pure functions over a state of its own, like a grammar
without a budget. `Rules` joins a grammar with any number of them: an id may
be drawn if all allow it. Where together they leave nothing, the first ones
are kept: each is heard as far as something is left of what those before it
want, so that a constraint can delay what it asks for but never lead into a
dead end, nor take the others with it.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

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


@runtime_checkable
class Weighs(Protocol):
  """A grammar that knows better how likely the ids of field 0 are."""

  def weighed(self, state: Any, logits: Any) -> Any:
    """Returns the logits of field 0, `[v]`, as they should be."""
    ...


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=['inner', 'weight'],
  meta_fields=[],
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Soft:
  """A constraint that is leaned to: what it wants is likelier, and no more.

  Attributes:
    inner: What is wanted.
    weight: Nats that are added to the logits of what is wanted.
  """

  inner: Any
  weight: Any

  def init(self) -> Any:
    """Returns the state before the first step."""
    return self.inner.init()

  def mask(self, state: Any, field: int, partial: jax.Array) -> jax.Array:
    """Forbids nothing."""
    del state, field, partial
    return jnp.bool_(True)

  def bonus(self, state: Any, field: int, partial: jax.Array) -> jax.Array:
    """Returns what is added to the logits of a field, float32 `[v]`."""
    wanted = self.inner.mask(state, field, partial)
    return jnp.where(wanted, jnp.float32(self.weight), 0.0)

  def advance(self, state: Any, step: jax.Array) -> Any:
    """Returns the state after a whole step."""
    return self.inner.advance(state, step)


@dataclasses.dataclass(frozen=True)
class Rules:
  """A grammar and constraints on top of it.

  Attributes:
    grammar: What is legal.
    constraints: What is wanted besides, the most important first.
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
    return self.judged(state, field, partial)[0]

  def judged(
    self, state: Any, field: int, partial: Int[Array, ' f']
  ) -> tuple[Bool[Array, ' v'], Bool[Array, '']]:
    """Returns what may be drawn, and whether it is wanted, too."""
    drawn, met = self.legal(state, field, partial), jnp.bool_(True)
    for constraint, inner in zip(self.constraints, state[1], strict=True):
      wanted = drawn & constraint.mask(inner, field, partial)
      left = jnp.any(wanted)
      drawn, met = jnp.where(left, wanted, drawn), met & left
    return drawn, met

  @property
  def leans(self) -> bool:
    """Whether anything is wanted that is not asked for strictly."""
    return any(isinstance(c, Soft) for c in self.constraints)

  def bonus(
    self, state: Any, field: int, partial: Int[Array, ' f']
  ) -> Float[Array, '*v']:
    """Returns what is added to the logits of a field."""
    found = jnp.float32(0)
    for constraint, inner in zip(self.constraints, state[1], strict=True):
      if isinstance(constraint, Soft):
        found = found + constraint.bonus(inner, field, partial)
    return found

  def weighed(
    self, state: Any, logits: Float[Array, ' v']
  ) -> Float[Array, ' v']:
    """Returns the logits of field 0 as the grammar would have them weighed."""
    if not isinstance(self.grammar, Weighs):
      return logits
    return self.grammar.weighed(state[0], logits)

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


class OwnState(NamedTuple):
  """Where a row with rules of its own stands.

  Attributes:
    numbers: Of its constraints, which no step changes.
    inner: As of `Rules`.
  """

  numbers: Any
  inner: Any


@dataclasses.dataclass(frozen=True)
class OwnRules:
  """Rules whose constraints have other numbers in each row of a batch.

  The numbers travel in the state, so that whatever is mapped over rows is
  mapped over them.

  Attributes:
    grammar: What is legal.
    bind: Returns the constraints of a row from its numbers.
    leans: As of `Rules`.
  """

  grammar: Grammar
  bind: Callable[[Any], tuple[Constraint, ...]]
  leans: bool

  def _rules(self, numbers: Any) -> Rules:
    return Rules(self.grammar, self.bind(numbers))

  def init(self, budget: Int[Array, ''], numbers: Any) -> OwnState:
    """Returns the state before the first step."""
    return OwnState(numbers, self._rules(numbers).init(budget))

  def legal(
    self, state: OwnState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns what the grammar alone allows."""
    return self._rules(state.numbers).legal(state.inner, field, partial)

  def mask(
    self, state: OwnState, field: int, partial: Int[Array, ' f']
  ) -> Bool[Array, ' v']:
    """Returns what may be drawn; at least one id."""
    return self._rules(state.numbers).mask(state.inner, field, partial)

  def judged(
    self, state: OwnState, field: int, partial: Int[Array, ' f']
  ) -> tuple[Bool[Array, ' v'], Bool[Array, '']]:
    """Returns what may be drawn, and whether it is wanted, too."""
    return self._rules(state.numbers).judged(state.inner, field, partial)

  def bonus(
    self, state: OwnState, field: int, partial: Int[Array, ' f']
  ) -> Float[Array, '*v']:
    """Returns what is added to the logits of a field."""
    return self._rules(state.numbers).bonus(state.inner, field, partial)

  def weighed(
    self, state: OwnState, logits: Float[Array, ' v']
  ) -> Float[Array, ' v']:
    """Returns the logits of field 0 as the grammar would have them weighed."""
    return self._rules(state.numbers).weighed(state.inner, logits)

  def advance(self, state: OwnState, step: Int[Array, ' f']) -> OwnState:
    """Returns the state after a step."""
    after = self._rules(state.numbers).advance(state.inner, step)
    return state._replace(inner=after)

  def distance(self, state: OwnState) -> Int[Array, '']:
    """Returns the steps of the shortest legal end; 0 when it is over."""
    return self._rules(state.numbers).distance(state.inner)


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=['most'],
  meta_fields=['low', 'high', 'eos', 'plain', 'early'],
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
      bar is whole and its meter the same; of cells, all ids.
    early: Whether EOS may stand before the last of them, too, as it does
      behind the last note of an excerpt.
  """

  most: Any
  low: int
  high: int
  eos: int
  plain: tuple[tuple[bool, ...], ...]
  early: bool = False

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
    over, last = state >= self.most, state >= self.most - self.early
    return jnp.where(ids == self.eos, last, ~over)

  def advance(
    self, state: Int[Array, ''], step: Int[Array, ' f']
  ) -> Int[Array, '']:
    """Returns the count with this step."""
    return state + self._counts(step)

  def _counts(self, step: Int[Array, ' f']) -> Bool[Array, '']:
    return (step[0] >= self.low) & (step[0] < self.high)


def bars(
  tokenizer: Tokenizer,
  prompt: np.ndarray,
  count: int,
  steps: int,
  *,
  early: bool = False,
) -> Length:
  """Returns the constraint that a piece ends `count` bars after its prompt.

  Where bars are events, EOS stands in place of what would follow the next
  bar's event, which itself holds nothing; where steps are cells of time, it
  stands where the next bar would start.

  Args:
    tokenizer: Of the ids.
    prompt: int32 `[t, f]`, from BOS; its last bar may be incomplete.
    count: Bars to add; 0 ends with the one that the prompt has begun.
    steps: Steps that the piece may have in all.
    early: Whether EOS may also stand in the last bar, for models that have
      learned to end there; where bars are events.

  Raises:
    RequestError: The bars do not fit the steps, where it is known before.
  """
  codec = tokenizer.codec
  before = tokenizer.bar_steps(prompt)
  kind = codec.fields[0]
  eos = codec.id('eos')
  _check_bars(kind)
  if 'bar' in kind.starts:
    low, high = codec.span('bar')
    most = len(before) + count + 1
    # The bars, what the last one ends at, and EOS.
    _check_fits(count, len(prompt) + count + 2, steps)
  else:
    low, high = 1, kind.size
    most = _cell_steps(tokenizer, prompt, len(before) + count, steps)
    _check_fits(count, most + 1, steps)
  # A last cell is played like any other; a last bar is only told.
  cells = 'bar' not in kind.starts
  plain = tuple(_plain(field, cells) for field in codec.fields)
  early = early and not cells
  return Length(
    most=most, low=low, high=high, eos=eos, plain=plain, early=early
  )


def _check_bars(kind: Field) -> None:
  """Raises RequestError where steps tell no single bars."""
  cause = ''
  if 'merged' in kind.starts:
    cause = 'steps of this tokenization may hold several bars'
  elif not {'bar', 'rest'} & set(kind.starts):
    cause = 'this tokenization counts seconds and has no bars'
  if cause:
    raise RequestError(f'{cause}; ask without bars, for steps', code='bars')


def _check_fits(count: int, least: int, steps: int) -> None:
  if least > steps:
    raise RequestError(
      f'{count} bars take at least {least} steps, more than {steps}; ask for '
      'fewer bars or more steps',
      code='steps',
    )


def _plain(field: Field, cells: bool) -> tuple[bool, ...]:
  ids = np.arange(field.size)
  found = (ids == codec_lib.IGNORE) | cells
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
