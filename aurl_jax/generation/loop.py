"""The program on the device that writes a batch of pieces.

Axes: `b` rows, `r` those that the network reads (`b`, or
twice that), `p` steps of the padded prompts, `t` steps there is room for,
`f` fields, `d` model width, `v` ids of a field. Prompts are padded on the
left, so that all rows write at one index. Everything here is traced;
`generation.decode` is the side that people call.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from aurl_jax.generation import guidance
from aurl_jax.generation.constraints import OwnRules, Rules
from aurl_jax.generation.sampling import Sampler
from aurl_jax.models import cache as cache_lib
from aurl_jax.models.functional import Model
from aurl_jax.models.latent import Latents


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Rows:
  """What each row of a batch is asked for.

  Attributes:
    prompts: Steps to begin with, padded on the left; at least one each.
    start: Index of the first step of each prompt.
    budget: Steps a piece may have in all, the prompt's included.
    uniform: A number in [0, 1) for each id that may be drawn: all chance
      there is, so that a row does not depend on the rows beside it.
    twins: The prompts without what guides them, padded likewise; None for no
      guidance.
    twin_start: Index of the first step of each twin.
    weight: Of the guidance; see `generation.guidance`.
    unread: Which ids of field 0 begin steps that twins do not read; None for
      none.
    latents: What each row is told of, for models with latents; None takes
      the middle of the standard normal.
    numbers: Of each row's constraints, for `OwnRules`; None where all rows
      have the same.
  """

  prompts: Int[Array, 'b p f']
  start: Int[Array, ' b']
  budget: Int[Array, ' b']
  uniform: Float[Array, 'b t f']
  twins: Int[Array, 'b p f'] | None = None
  twin_start: Int[Array, ' b'] | None = None
  weight: Float[Array, ' b'] | None = None
  unread: Bool[Array, 'b v'] | None = None
  latents: Latents | None = None
  numbers: Any = None

  def silent(self, step: Int[Array, 'b f']) -> Bool[Array, ' b']:
    """Returns which rows' twins do not read a step."""
    if self.unread is None:
      return jnp.zeros(len(step), bool)
    return jnp.take_along_axis(self.unread, step[:, :1], axis=1)[:, 0]

  @property
  def read(self) -> tuple[Int[Array, 'r p f'], Int[Array, ' r']]:
    """All prompts that the network reads, twins last, and their starts."""
    if self.twins is None:
      return self.prompts, self.start
    return (
      jnp.concatenate([self.prompts, self.twins]),
      jnp.concatenate([self.start, jnp.asarray(self.twin_start)]),
    )


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Written:
  """What the program gives.

  Attributes:
    ids: All steps, prompts included; PAD before and after a piece.
    illegal: Index of the first step of a prompt that the grammar forbids,
      -1 for none. Nothing is written if there is any.
    ended: Whether the piece has come to its end.
    broken: Whether the model gave a logit that is no finite number; what was
      written since is chance.
  """

  ids: Int[Array, 'b t f']
  illegal: Int[Array, ' b']
  ended: Bool[Array, ' b']
  broken: Bool[Array, ' b']


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Carry:
  """State of the loop: all that a step changes.

  `ids` and `cache` are of `r` rows: with guidance there is a twin of each. In
  place of a step that it does not read, a twin has the last one that it does;
  `unread` tells whether it has still to read that.
  """

  index: Int[Array, '']
  ids: Int[Array, 'r t f']
  cache: cache_lib.Cache
  state: Any
  ended: Bool[Array, ' b']
  broken: Bool[Array, ' b']
  unread: Bool[Array, ' b']


@dataclasses.dataclass(frozen=True)
class Program:
  """Writes batches of one shape.

  Attributes:
    model: The network.
    rules: What may follow what.
    lengths: Ascending lengths of the cache, the first one above the
      prompts': attention costs its length, so it grows as it fills.
  """

  model: Model
  rules: Rules | OwnRules
  lengths: tuple[int, ...]

  def __call__(self, params: Any, sampler: Sampler, rows: Rows) -> Written:
    """Returns the pieces; traced, so it runs inside `jax.jit`."""
    carry, illegal = self.begin(params, rows)
    step = functools.partial(self.step, params, sampler, rows)
    for length in self.lengths:
      carry = _fill(step, carry, length)
    return Written(
      ids=carry.ids[: len(illegal)],
      illegal=illegal,
      ended=carry.ended,
      broken=carry.broken,
    )

  def begin(self, params: Any, rows: Rows) -> tuple['Carry', Int[Array, ' b']]:
    """Returns the state behind the prompts, and `Written.illegal` of them."""
    asked = rows.prompts, rows.start, rows.budget, rows.numbers
    state, illegal = read(self.rules, *asked)
    return self._begin(params, rows, state, jnp.any(illegal >= 0)), illegal

  def go(
    self,
    params: Any,
    sampler: Sampler,
    rows: Rows,
    carry: 'Carry',
    until: Int[Array, ''],
  ) -> 'Carry':
    """Returns the state after the steps before an index are written.

    Of a program of one length.
    """
    step = functools.partial(self.step, params, sampler, rows)
    return _fill(step, carry, self.lengths[-1], until)

  def _begin(
    self, params: Any, rows: Rows, state: Any, refused: Bool[Array, '']
  ) -> Carry:
    prompts, start = rows.read
    r, p, f = prompts.shape
    latents = rows.latents
    if latents is not None and rows.twins is not None:
      latents = jax.tree.map(lambda x: jnp.concatenate([x, x]), latents)
    cache = self.model.init_cache(r, self.lengths[0], start, latents)
    if rows.unread is not None:
      cache = cache_lib.skipping(cache, self.model.config)
    if p > 1:
      # The loop reads the last step before it writes the next one.
      cache = self.model.prefill(
        params, cache, prompts[:, :-1], prompts[:, 1:]
      )[1]
    ids = jnp.zeros((r, self.lengths[-1], f), jnp.int32)
    return Carry(
      index=jnp.int32(p),
      ids=ids.at[:, :p].set(prompts),
      cache=cache,
      state=state,
      ended=refused | self.ended(state),
      broken=jnp.zeros(rows.start.shape, bool),
      unread=jnp.ones(rows.start.shape, bool),
    )

  def ended(self, state: Any) -> Bool[Array, ' b']:
    """Returns which rows have come to their end."""
    return jax.vmap(self.rules.distance)(state) <= 0

  def step(
    self,
    params: Any,
    sampler: Sampler,
    rows: Rows,
    carry: Carry,
  ) -> Carry:
    """Returns the state after one step more."""
    begun = self.begun(params, sampler, rows, carry)
    return self.finished(params, sampler, rows, carry, begun)

  def begun(
    self, params: Any, sampler: Sampler, rows: Rows, carry: Carry
  ) -> 'Drawn':
    """Returns the next step as far as its lead."""
    uniform = _at(rows.uniform, carry.index)
    drawn = Drawn.none(*uniform.shape)
    early = self.early(params, carry.ids, carry.cache, carry.index - 1)
    chances = uniform, carry.state
    lead = range(self.model.config.lead)
    return self.draw(sampler, rows, chances, early, lead, drawn)

  def finished(
    self,
    params: Any,
    sampler: Sampler,
    rows: Rows,
    carry: Carry,
    begun: 'Drawn',
  ) -> Carry:
    """Returns the state after the step that is begun."""
    uniform = _at(rows.uniform, carry.index)
    hidden, cache = self.read_last(params, rows, carry, begun.step)
    late = functools.partial(self.model.field_logits, params, hidden)
    chances = uniform, carry.state
    rest = range(self.model.config.lead, uniform.shape[1])
    drawn = self.draw(sampler, rows, chances, late, rest, begun)
    new = self.written(rows, carry, cache, drawn.step, drawn.broken)
    # A row stays broken while the others go on.
    return dataclasses.replace(new, broken=new.broken | carry.broken)

  def early(
    self,
    params: Any,
    ids: Int[Array, 'r t f'],
    cache: cache_lib.Cache,
    at: Int[Array, ''],
  ) -> 'Score':
    """Returns what scores the lead of the step behind `at`."""
    last = _at(ids, at), at
    return functools.partial(self.model.lead_logits, params, cache, last)

  def read_last(
    self, params: Any, rows: Rows, carry: Carry, step: Int[Array, 'b f']
  ) -> tuple[Float[Array, 'r d'], cache_lib.Cache]:
    """Returns the state after the last step, and the cache with it.

    `step` is the next one, of which the lead is known.
    """
    at, lead = carry.index - 1, self.model.config.lead
    last = _at(carry.ids, at)
    following = _twice(step, last) if lead else None
    # With a lead the next step is known to be read, or not, before the last.
    read = ~rows.silent(step) if lead else carry.unread
    live = None if rows.unread is None else _beside(jnp.ones_like(read), read)
    return self.model.step(params, carry.cache, last, at, following, live)

  def written(
    self,
    rows: Rows,
    carry: Carry,
    cache: cache_lib.Cache,
    step: Int[Array, 'b f'],
    broken: Bool[Array, ' b'],
  ) -> Carry:
    """Returns the state after one step more."""
    last = _at(carry.ids, carry.index - 1)
    state = jax.vmap(self.rules.advance)(carry.state, step)
    silent = rows.silent(step)
    return Carry(
      index=carry.index + 1,
      ids=jax.lax.dynamic_update_slice_in_dim(
        carry.ids, _next(step, last, silent)[:, None], carry.index, 1
      ),
      cache=cache,
      state=state,
      ended=self.ended(state),
      broken=broken & ~carry.ended,
      unread=~silent,
    )

  def draw(
    self,
    sampler: Sampler,
    rows: Rows,
    chances: tuple[Float[Array, 'b f'], Any],
    score: 'Score',
    fields: range,
    drawn: 'Drawn',
  ) -> 'Drawn':
    """Returns the next step with some fields more, one after the other.

    `chances` are the numbers that choose, and the state of the rules.
    """
    (step, broken), (uniform, state) = drawn, chances
    for field in fields:
      logits = guided(rows, score, step, field)
      logits = self.leaning(logits, state, step, field)
      allowed = functools.partial(self.rules.mask, field=field)
      mask = jax.vmap(lambda s, p, allowed=allowed: allowed(s, partial=p))(
        state, step
      )
      chosen = sampler.sample(uniform[:, field], logits, mask)
      step = step.at[:, field].set(chosen)
      # The maximum of a row with a NaN in it is NaN.
      broken |= ~jnp.isfinite(jnp.max(logits, -1))
    return Drawn(step, broken)

  def leaning(
    self,
    logits: Float[Array, 'b v'],
    state: Any,
    step: Int[Array, 'b f'],
    field: int,
  ) -> Float[Array, 'b v']:
    """Returns the logits of a field as grammar and soft rules lean them."""
    if field == 0:
      logits = jax.vmap(self.rules.weighed)(state, logits)
    if not self.rules.leans:
      return logits
    leans = functools.partial(self.rules.bonus, field=field)
    return logits + jax.vmap(lambda s, p: leans(s, partial=p))(state, step)


Score = Callable[[Int[Array, 'r f'], int], Float[Array, 'r v']]
"""Gives the logits of a field, given the step so far."""


def guided(
  rows: Rows, score: Score, step: Int[Array, 'b f'], field: int
) -> Float[Array, 'b v']:
  """Returns the logits of a field, with the guidance of the rows."""
  if rows.weight is None:
    return score(step, field)
  told, plain = jnp.split(score(_beside(step, step), field), 2)
  if field:
    # Of what twins do not read they know nothing.
    plain = jnp.where(rows.silent(step)[:, None], told, plain)
  return guidance.guided(told, plain, rows.weight[:, None])


class Drawn(NamedTuple):
  """A step as far as it is drawn.

  Attributes:
    step: Its ids, 0 where nothing is drawn yet.
    broken: Whether a logit was no finite number.
  """

  step: Int[Array, 'b f']
  broken: Bool[Array, ' b']

  @classmethod
  def none(cls, rows: int, fields: int) -> 'Drawn':
    """Returns steps of which nothing is drawn."""
    return cls(jnp.zeros((rows, fields), jnp.int32), jnp.zeros((rows,), bool))


def _fill(
  step: Callable[[Carry], Carry],
  carry: Carry,
  length: int,
  until: Int[Array, ''] | None = None,
) -> Carry:
  """Writes until a cache of `length` is full or all rows have ended.

  Or until an index is reached. What is broken goes nowhere and is not waited
  for.
  """
  carry = dataclasses.replace(carry, cache=cache_lib.grow(carry.cache, length))
  last = length if until is None else jnp.minimum(until, length)
  goes_on = lambda carry: (  # noqa: E731
    (carry.index < last) & ~jnp.all(carry.ended | carry.broken)
  )
  return jax.lax.while_loop(goes_on, step, carry)


def _twice(
  step: Int[Array, 'b f'], read: Shaped[Array, 'r *n']
) -> Int[Array, 'r f']:
  """Returns the steps for as many rows as the network reads."""
  if len(read) == len(step):
    return step
  return _beside(step, step)


def _beside(
  rows: Shaped[Array, 'b *n'], twins: Shaped[Array, 'b *n']
) -> Shaped[Array, 'r *n']:
  """Returns what rows have and what their twins have, one array."""
  return jnp.concatenate([rows, twins])


def _next(
  step: Int[Array, 'b f'], last: Int[Array, 'r f'], silent: Bool[Array, ' b']
) -> Int[Array, 'r f']:
  """Returns the last step of each row after one more.

  A twin that does not read it keeps its own.
  """
  if len(last) == len(step):
    return step
  kept = jnp.where(silent[:, None], last[len(step) :], step)
  return _beside(step, kept)


def _at(x: Shaped[Array, 'b t f'], index: Array) -> Shaped[Array, 'b f']:
  return jax.lax.dynamic_index_in_dim(x, index, 1, keepdims=False)


def read(
  rules: Rules | OwnRules,
  prompts: Int[Array, 'b p f'],
  start: Int[Array, ' b'],
  budget: Int[Array, ' b'],
  numbers: Any = None,
) -> tuple[Any, Int[Array, ' b']]:
  """Returns the grammar's states after prompts, and where one is illegal.

  The second is the index of the first step that the grammar forbids, -1
  where there is none; `p` where the budget leaves too few steps to end in.
  """
  length = prompts.shape[1]

  def one(
    prompt: Array, start: Array, budget: Array, numbers: Any
  ) -> tuple[Any, Array]:
    def step(carry: Any, item: Any) -> tuple[Any, None]:
      state, illegal = carry
      index, ids = item
      counts = index >= start
      wrong = counts & (illegal < 0) & ~_allows(rules, state, ids)
      after = rules.advance(state, ids)
      state = jax.tree.map(
        lambda new, old: jnp.where(counts, new, old), after, state
      )
      return (state, jnp.where(wrong, index, illegal)), None

    if isinstance(rules, OwnRules):
      first = (rules.init(budget, numbers), jnp.int32(-1))
    else:
      first = (rules.init(budget), jnp.int32(-1))
    items = (jnp.arange(length), prompt)
    state, illegal = jax.lax.scan(step, first, items)[0]
    short = rules.distance(state) > budget - (length - start)
    return state, jnp.where((illegal < 0) & short, length, illegal)

  return jax.vmap(one)(prompts, start, budget, numbers)


def _allows(
  rules: Rules | OwnRules, state: Any, step: Int[Array, ' f']
) -> Bool[Array, '']:
  """Whether every field of a step may stand, given those before it."""
  allowed = jnp.bool_(True)
  for field in range(step.shape[0]):
    allowed &= rules.legal(state, field, step)[step[field]]
  return allowed
