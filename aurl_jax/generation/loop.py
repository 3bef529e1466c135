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
from aurl_jax.generation.constraints import Rules
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
    latents: What each row is told of, for models with latents; None takes
      the middle of the standard normal.
  """

  prompts: Int[Array, 'b p f']
  start: Int[Array, ' b']
  budget: Int[Array, ' b']
  uniform: Float[Array, 'b t f']
  twins: Int[Array, 'b p f'] | None = None
  twin_start: Int[Array, ' b'] | None = None
  weight: Float[Array, ' b'] | None = None
  latents: Latents | None = None

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
    broken: Whether the model gave a logit that is no finite number.
  """

  ids: Int[Array, 'b t f']
  illegal: Int[Array, ' b']
  ended: Bool[Array, ' b']
  broken: Bool[Array, ' b']


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class _Carry:
  """State of the loop: all that a step changes.

  `ids` and `cache` are of `r` rows: with guidance there is a twin of each.
  """

  index: Int[Array, '']
  ids: Int[Array, 'r t f']
  cache: cache_lib.Cache
  state: Any
  ended: Bool[Array, ' b']
  broken: Bool[Array, ' b']


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
  rules: Rules
  lengths: tuple[int, ...]

  def __call__(self, params: Any, sampler: Sampler, rows: Rows) -> Written:
    """Returns the pieces; traced, so it runs inside `jax.jit`."""
    state, illegal = read(self.rules, rows.prompts, rows.start, rows.budget)
    carry = self._begin(params, rows, state, jnp.any(illegal >= 0))
    step = functools.partial(self._step, params, sampler, rows)
    for length in self.lengths:
      carry = _fill(step, carry, length)
    return Written(
      ids=carry.ids[: len(illegal)],
      illegal=illegal,
      ended=carry.ended,
      broken=carry.broken,
    )

  def _begin(
    self, params: Any, rows: Rows, state: Any, refused: Bool[Array, '']
  ) -> _Carry:
    prompts, start = rows.read
    r, p, f = prompts.shape
    latents = rows.latents
    if latents is not None and rows.twins is not None:
      latents = jax.tree.map(lambda x: jnp.concatenate([x, x]), latents)
    cache = self.model.init_cache(r, self.lengths[0], start, latents)
    if p > 1:
      # The loop reads the last step before it writes the next one.
      cache = self.model.prefill(
        params, cache, prompts[:, :-1], prompts[:, 1:]
      )[1]
    ids = jnp.zeros((r, self.lengths[-1], f), jnp.int32)
    return _Carry(
      index=jnp.int32(p),
      ids=ids.at[:, :p].set(prompts),
      cache=cache,
      state=state,
      ended=refused | self._ended(state),
      broken=jnp.zeros(rows.start.shape, bool),
    )

  def _ended(self, state: Any) -> Bool[Array, ' b']:
    return jax.vmap(self.rules.distance)(state) <= 0

  def _step(
    self,
    params: Any,
    sampler: Sampler,
    rows: Rows,
    carry: _Carry,
  ) -> _Carry:
    at, fields = carry.index - 1, rows.uniform.shape[2]
    last, lead = _at(carry.ids, at), self.model.config.lead
    drawn = _Drawn.none(rows.uniform.shape[0], fields)
    draw = functools.partial(self._draw, sampler, rows, carry)
    early = functools.partial(
      self.model.lead_logits, params, carry.cache, (last, at)
    )
    drawn = draw(early, range(lead), drawn)
    following = _twice(drawn.step, last) if lead else None
    hidden, cache = self.model.step(params, carry.cache, last, at, following)
    late = functools.partial(self.model.field_logits, params, hidden)
    drawn = draw(late, range(lead, fields), drawn)
    state = jax.vmap(self.rules.advance)(carry.state, drawn.step)
    return _Carry(
      index=carry.index + 1,
      ids=jax.lax.dynamic_update_slice_in_dim(
        carry.ids, _twice(drawn.step, last)[:, None], carry.index, 1
      ),
      cache=cache,
      state=state,
      ended=self._ended(state),
      broken=drawn.broken & ~carry.ended,
    )

  def _draw(
    self,
    sampler: Sampler,
    rows: Rows,
    carry: _Carry,
    score: Callable[[Int[Array, 'r f'], int], Float[Array, 'r v']],
    fields: range,
    drawn: '_Drawn',
  ) -> '_Drawn':
    """Returns the next step with some fields more, one after the other.

    `score` gives the logits of a field, given the step so far.
    """
    step, broken = drawn
    uniform = _at(rows.uniform, carry.index)
    for field in fields:
      logits = score(_twice(step, carry.ids), field)
      if rows.weight is not None:
        told, plain = jnp.split(logits, 2)
        logits = guidance.guided(told, plain, rows.weight[:, None])
      allowed = functools.partial(self.rules.mask, field=field)
      mask = jax.vmap(lambda s, p, allowed=allowed: allowed(s, partial=p))(
        carry.state, step
      )
      chosen = sampler.sample(uniform[:, field], logits, mask)
      step = step.at[:, field].set(chosen)
      # The maximum of a row with a NaN in it is NaN.
      broken |= ~jnp.isfinite(jnp.max(logits, -1))
    return _Drawn(step, broken)


class _Drawn(NamedTuple):
  """A step as far as it is drawn.

  Attributes:
    step: Its ids, 0 where nothing is drawn yet.
    broken: Whether a logit was no finite number.
  """

  step: Int[Array, 'b f']
  broken: Bool[Array, ' b']

  @classmethod
  def none(cls, rows: int, fields: int) -> '_Drawn':
    """Returns steps of which nothing is drawn."""
    return cls(jnp.zeros((rows, fields), jnp.int32), jnp.zeros((rows,), bool))


def _fill(
  step: Callable[[_Carry], _Carry], carry: _Carry, length: int
) -> _Carry:
  """Writes until a cache of `length` is full or all rows have ended."""
  carry = dataclasses.replace(carry, cache=cache_lib.grow(carry.cache, length))
  goes_on = lambda carry: (  # noqa: E731
    (carry.index < length) & ~jnp.all(carry.ended) & ~jnp.any(carry.broken)
  )
  return jax.lax.while_loop(goes_on, step, carry)


def _twice(
  step: Int[Array, 'b f'], read: Shaped[Array, 'r *n']
) -> Int[Array, 'r f']:
  """Returns the steps for as many rows as the network reads."""
  if len(read) == len(step):
    return step
  return jnp.concatenate([step, step])


def _at(x: Shaped[Array, 'b t f'], index: Array) -> Shaped[Array, 'b f']:
  return jax.lax.dynamic_index_in_dim(x, index, 1, keepdims=False)


def read(
  rules: Rules,
  prompts: Int[Array, 'b p f'],
  start: Int[Array, ' b'],
  budget: Int[Array, ' b'],
) -> tuple[Any, Int[Array, ' b']]:
  """Returns the grammar's states after prompts, and where one is illegal.

  The second is the index of the first step that the grammar forbids, -1
  where there is none; `p` where the budget leaves too few steps to end in.
  """
  length = prompts.shape[1]

  def one(prompt: Array, start: Array, budget: Array) -> tuple[Any, Array]:
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

    first = (rules.init(budget), jnp.int32(-1))
    items = (jnp.arange(length), prompt)
    state, illegal = jax.lax.scan(step, first, items)[0]
    short = rules.distance(state) > budget - (length - start)
    return state, jnp.where((illegal < 0) & short, length, illegal)

  return jax.vmap(one)(prompts, start, budget)


def _allows(
  rules: Rules, state: Any, step: Int[Array, ' f']
) -> Bool[Array, '']:
  """Whether every field of a step may stand, given those before it."""
  allowed = jnp.bool_(True)
  for field in range(step.shape[0]):
    allowed &= rules.legal(state, field, step)[step[field]]
  return allowed
