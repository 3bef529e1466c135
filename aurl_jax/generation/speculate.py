"""Lossless speculation: bars that come back are guessed and checked at once.

What a piece did after an earlier bar that began as the open one does is a
guess at what comes now: prompt lookup decoding (Saxena 2023), by bars. The
network reads the guessed steps in one pass, and each step is drawn from its
states with the same number that plain decoding draws it with. Guesses are
taken as long as they are what is drawn, so that the piece is that of plain
decoding, step by step (Leviathan et al. 2023 accept by chance; with the same
numbers nothing is left to chance). Only rounding may differ: a pass over many
steps adds up in another order than one step does.

One row at a time: rows take different numbers of steps of a pass. Axes: `k`
steps that are guessed, `t` steps that there is room for, `f` fields.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from aurl_jax.generation import decode, legality, loop
from aurl_jax.generation.decode import Batch, Key, Sample, Writer
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.repeats import NoRepeat
from aurl_jax.generation.repeats import Written as History
from aurl_jax.generation.sampling import Sampler
from aurl_jax.models.functional import Model
from aurl_jax.tokens.codec import Codec

_LEAST = 8
"""Steps that must be the same at most, however long the open bar is."""


class Guessed(NamedTuple):
  """A piece that was written with guesses.

  Attributes:
    sample: The piece.
    passes: How often the network was asked for it; plain decoding asks once
      a step.
  """

  sample: Sample
  passes: int


def speculate(
  writer: Writer, batch: Batch, codec: Codec, count: int
) -> list[Guessed]:
  """Returns the pieces of `decode.decode`, one after the other.

  Args:
    writer: Model, parameters, rules and sampler.
    batch: The rows.
    codec: The vocabulary.
    count: Steps that are guessed at once, at least 1.

  Raises:
    RequestError: As `decode.decode`; or with guidance, or of a model whose
      cache cannot take steps back.
    DecodeError: The model gave logits that are no finite numbers.
  """
  if batch.asked.twins is not None or not can(writer.model):
    raise RequestError(
      'guesses can be made without guidance, by models of the patterns full '
      'and window; ask without speculate',
      code='speculate',
    )
  rows = range(len(batch.prompts))
  return [_one(writer, batch.part(slice(r, r + 1)), codec, count) for r in rows]


def can(model: Model) -> bool:
  """Returns whether a model's cache can take steps back."""
  return model.config.pattern not in ('bars', 'hierarchy')


def _one(writer: Writer, batch: Batch, codec: Codec, count: int) -> Guessed:
  key, numbers = writer.split()
  size = decode.lengths(batch.width, batch.room + count)[-1]
  program = _program(key, codec, count, size)
  rows = batch.rows(1, size)
  done, passes = program(writer.params, numbers, writer.sampler, rows)
  decode.check_prompts(writer.grammar, batch, np.asarray(done.illegal))
  decode.check_finite(np.asarray(done.broken))
  ids = decode.trim(np.asarray(done.ids)[0])
  legal = bool(legality.first_illegal(writer.grammar, [ids])[0] < 0)
  sample = Sample(ids=ids, ended=bool(done.ended[0]), legal=legal)
  return Guessed(sample, int(passes))


@functools.lru_cache(maxsize=16)
def _program(
  key: Key, codec: Codec, count: int, size: int
) -> Callable[..., tuple[loop.Written, Array]]:
  """Returns the jitted program of a writer that was split."""

  def program(
    params: Any, numbers: tuple[Any, ...], sampler: Sampler, rows: loop.Rows
  ) -> tuple[loop.Written, Array]:
    whole = decode.program_of(key, numbers, (size,))
    lookup = Lookup(codec, size)
    return Speculation(whole, lookup, count)(params, sampler, rows)

  return jax.jit(program)


@dataclasses.dataclass(frozen=True)
class Lookup:
  """Finds what came after an earlier bar that began as the open one does.

  Velocities do not count, where they have a field of their own, in what is
  the same.

  Attributes:
    codec: The vocabulary.
    room: Steps of a piece.
  """

  codec: Codec
  room: int

  @property
  def _history(self) -> NoRepeat:
    return NoRepeat(most=self.room, codec=self.codec, room=self.room)

  def read(
    self, prompt: Int[Array, 'p f'], start: Int[Array, '']
  ) -> tuple[History, Int[Array, '']]:
    """Returns the history of a prompt that begins at an index."""
    state = self._history.init(), jnp.int32(0)

    def take(state: Any, item: Any) -> tuple[Any, None]:
      index, step = item
      new = self.advance(state, step)
      held = lambda a, b: jnp.where(index >= start, a, b)  # noqa: E731
      return jax.tree.map(held, new, state), None

    steps = jnp.arange(len(prompt)), prompt
    return jax.lax.scan(take, state, steps)[0]

  def advance(
    self, state: tuple[History, Int[Array, '']], step: Int[Array, ' f']
  ) -> tuple[History, Int[Array, '']]:
    """Returns the history, and the steps of the open bar, with one more."""
    history, order = state
    opens = jnp.bool_(False)
    if 'bar' in self.codec.fields[0].starts:
      opens = jnp.asarray(self.codec.holds('bar', step[0]))
    order = jnp.where(opens, 0, order + 1)
    return self._history.advance(history, step), order

  def guess(
    self, state: tuple[History, Int[Array, '']], count: int
  ) -> tuple[Int[Array, 'k f'], Bool[Array, '']]:
    """Returns what may come next, and whether there is any such guess.

    It is what followed where most steps up to there were the same, all those
    of the open bar or `_LEAST` at least; the latest of such places.
    """
    history, order = state
    at = jnp.arange(self.room)
    fits = history.same >= jnp.minimum(order + 1, _LEAST)
    fits &= at < history.length - 1
    worth = jnp.where(fits, history.same * self.room + at, -1)
    first = jnp.argmax(worth) + 1
    # Behind the last step what has come since that place comes again.
    since = jnp.maximum(history.length - first, 1)
    return history.ids[first + jnp.arange(count) % since], jnp.any(fits)


class Going(NamedTuple):
  """State of the loop.

  Attributes:
    carry: That of plain decoding, one row.
    seen: Of the lookup.
    passes: How often the network was asked.
  """

  carry: loop.Carry
  seen: tuple[History, Int[Array, '']]
  passes: Int[Array, '']


@dataclasses.dataclass(frozen=True)
class Speculation:
  """Writes one row; traced, so it runs inside `jax.jit`.

  Attributes:
    program: Plain decoding, of one length with room for a guess behind the
      longest piece.
    lookup: What guesses.
    count: Steps of a guess.
  """

  program: loop.Program
  lookup: Lookup
  count: int

  def __call__(
    self, params: Any, sampler: Sampler, rows: loop.Rows
  ) -> tuple[loop.Written, Int[Array, '']]:
    """Returns the piece, and how often the network was asked."""
    carry, illegal = self.program.begin(params, rows)
    seen = self.lookup.read(rows.prompts[0], rows.start[0])
    last = self.program.lengths[-1] - self.count
    going = jax.lax.while_loop(
      lambda going: _goes_on(going.carry, last),
      functools.partial(self._round, params, sampler, rows),
      Going(carry, seen, jnp.int32(0)),
    )
    carry = going.carry
    written = loop.Written(
      ids=carry.ids, illegal=illegal, ended=carry.ended, broken=carry.broken
    )
    return written, going.passes

  def _round(
    self, params: Any, sampler: Sampler, rows: loop.Rows, going: Going
  ) -> Going:
    """Returns the state after one step, or after those that were guessed."""
    carry, lead = going.carry, self.program.model.config.lead
    begun = self.program.begun(params, sampler, rows, carry)
    guess, fits = self.lookup.guess(going.seen, self.count)
    # The lead of the next step is known, so that one step is sure to be read
    # behind what it is.
    fits &= jnp.all(guess[0, :lead] == begun.step[0, :lead])
    after = jax.lax.cond(
      fits,
      lambda carry: self._checked(params, sampler, rows, carry, guess),
      lambda carry: self.program.finished(params, sampler, rows, carry, begun),
      carry,
    )
    seen = jax.lax.fori_loop(
      carry.index,
      after.index,
      lambda i, seen: self.lookup.advance(seen, after.ids[0, i]),
      going.seen,
    )
    return Going(after, seen, going.passes + 1)

  def _checked(
    self,
    params: Any,
    sampler: Sampler,
    rows: loop.Rows,
    carry: loop.Carry,
    guess: Int[Array, 'k f'],
  ) -> loop.Carry:
    """Returns the state after the guessed steps that are drawn, and one more.

    That one is drawn from states that have read nothing wrong; of all
    guesses, if they are right, none is left to read.
    """
    program, at = self.program, carry.index - 1
    last = jax.lax.dynamic_slice_in_dim(carry.ids[0], at, 1)
    read = jnp.concatenate([last, guess[:-1]])
    extended = program.model.extend(
      params, carry.cache, read[None], at, guess[None]
    )
    states = self._states(carry.state, guess)
    pair = read, guess
    drawn = self._drawn(params, sampler, rows, carry, pair, extended, states)
    count = self._right(drawn.step, guess)
    row = jax.tree.map(lambda x: x[count - 1], states)
    state = program.rules.advance(row, drawn.step[count - 1])
    written = jnp.where(jnp.arange(self.count)[:, None] < count, drawn.step, 0)
    state = jax.tree.map(lambda x: x[None], state)
    return dataclasses.replace(
      carry,
      index=carry.index + count,
      ids=jax.lax.dynamic_update_slice(
        carry.ids, written[None], (0, carry.index, 0)
      ),
      cache=extended.kept(count),
      state=state,
      ended=program.ended(state),
      broken=jnp.any(drawn.broken & (jnp.arange(self.count) < count))[None],
    )

  def _states(self, state: Any, guess: Int[Array, 'k f']) -> Any:
    """Returns the states of the rules before each guessed step."""
    advance = self.program.rules.advance
    first = jax.tree.map(lambda x: x[0], state)
    step = lambda state, ids: (advance(state, ids), state)  # noqa: E731
    return jax.lax.scan(step, first, guess)[1]

  def _drawn(
    self,
    params: Any,
    sampler: Sampler,
    rows: loop.Rows,
    carry: loop.Carry,
    guess: tuple[Int[Array, 'k f'], Int[Array, 'k f']],
    extended: Any,
    states: Any,
  ) -> loop.Drawn:
    """Returns what is drawn in place of each guessed step, given the others.

    The guessed steps stand beside each other, as rows do; `guess` is what is
    read and what follows it.
    """
    (read, following), program, model = guess, self.program, self.program.model
    hidden, cache = extended.hidden[0], carry.cache
    uniform = jax.lax.dynamic_slice_in_dim(
      rows.uniform[0], carry.index, self.count
    )
    drawn, chances = loop.Drawn.none(*uniform.shape), (uniform, states)
    lead, fields = model.config.lead, uniform.shape[1]
    draw = functools.partial(program.draw, sampler, rows, chances)
    if lead:
      assert cache.before is not None
      before = jnp.concatenate([cache.before, hidden[:-1]])
      index = carry.index - 1 + jnp.arange(self.count)
      start = jnp.repeat(cache.start, self.count)
      earlier = dataclasses.replace(cache, before=before, start=start)
      early = functools.partial(
        model.lead_logits, params, earlier, (read, index)
      )
      drawn = draw(early, range(lead), drawn)
      # The first was drawn before, and was read so.
      step = drawn.step.at[0, :lead].set(following[0, :lead])
      drawn = drawn._replace(step=step)
    late = functools.partial(model.field_logits, params, hidden)
    return draw(late, range(lead, fields), drawn)

  def _right(
    self, drawn: Int[Array, 'k f'], guess: Int[Array, 'k f']
  ) -> Int[Array, '']:
    """Returns how many of the drawn steps count, at least 1."""
    same, lead = drawn == guess, self.program.model.config.lead
    right = jnp.all(same, axis=1)
    first = jnp.argmin(jnp.append(right, jnp.bool_(False)))
    # The first other step has been drawn from what is right, if attention
    # knew its lead.
    knew = jnp.append(jnp.all(same[:, :lead], axis=1), jnp.bool_(False))
    return first + knew[first]


def _goes_on(carry: loop.Carry, last: int) -> Bool[Array, '']:
  return (carry.index < last) & ~jnp.all(carry.ended) & ~jnp.any(carry.broken)
