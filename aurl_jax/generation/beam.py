"""Beam search: the likeliest pieces instead of drawn ones.

Each id of each field is one choice, so that what is searched is the order in
which a step is predicted. Of every choice the `width` best beginnings of a
group are kept. The program runs on the device, one a shape, under the same
rules as drawing does:

- An id that a rule forbids is never chosen. Where the rules leave nothing of
  what is legal, the beginning pays `_UNMET`, so that one which keeps them
  wins wherever there is one: musical constraints are part of the score.
- *Length.* The more steps, the less likely is the whole, so that plain sums
  of log-probabilities prefer empty bars. Beginnings are compared by their sum
  divided by `steps ** length` (steps behind the prompt, EOS included; Wu et
  al. 2016, section 7, without its constant). 1, the default, is the mean of a
  step; 0 the plain sum, by which the best piece is the likeliest one. A piece
  that has ended stays among the others with what it has.
- *Diversity*, after Vijayakumar et al., "Diverse Beam Search", 2018, section
  4: groups choose one after the other, and an id that earlier groups have
  chosen for the same field of the same step counts `diversity` nats less for
  each that has. It counts for what is kept, not for the score. What tells
  nothing (id 0) is no choice.

Axes: `b` prompts, `k` beginnings of all groups together, `m` both merged, `g`
groups, `w` beginnings of one, `f` fields, `v` ids of a field, `t` steps.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from aurl_jax.generation import decode, legality, loop
from aurl_jax.generation.decode import Batch, Key, Sample, Writer
from aurl_jax.generation.errors import RequestError
from aurl_jax.models import cache as cache_lib

_UNMET = 1000.0
"""Nats that it costs not to keep the rules: more than any piece tells."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Beam:
  """How wide the search is.

  Attributes:
    width: Beginnings that a group keeps, at least 1.
    groups: Groups that shall differ, at least 1.
    diversity: Nats that an id counts less for each earlier group that has
      chosen it, at least 0; 0.2 to 0.8 is usual.
    length: Exponent of the length by which scores are divided, at least 0.

  Raises:
    RequestError: A value out of its range.
  """

  width: int
  groups: int = 1
  diversity: float | int = 0.0
  length: float | int = 1.0

  def __post_init__(self) -> None:
    whole = min(self.width, self.groups) >= 1
    if not whole or min(self.diversity, self.length) < 0:
      raise RequestError(
        'a beam has a width and groups of at least 1, and diversity and '
        f'length of at least 0; not {self}',
        code='beams',
      )

  @property
  def size(self) -> int:
    """Beginnings of all groups together."""
    return self.width * self.groups


class Found(NamedTuple):
  """A piece that was found.

  Attributes:
    sample: The piece.
    score: Log-probability of what is behind the prompt, in nats, and less
      by 1000 for each choice at which rules were not kept.
    mean: The same divided by `steps ** length`; what the order goes by.
  """

  sample: Sample
  score: float
  mean: float


def search(writer: Writer, batch: Batch, beam: Beam) -> list[list[Found]]:
  """Returns the best pieces of each prompt, best first.

  They are at most `beam.size`, fewer where fewer are legal or groups chose
  alike. What is asked alike is found alike: the writer's sampler and the seeds
  do not count.

  Args:
    writer: Model, parameters and rules.
    batch: The prompts.
    beam: How wide the search is.

  Raises:
    RequestError: As `decode.decode`; or more beginnings than fit.
    DecodeError: The model gave logits that are no finite numbers.
  """
  if beam.size > decode.MOST_ROWS:
    raise RequestError(
      f'at most {decode.MOST_ROWS} beginnings are kept at once, not '
      f'{beam.size}; ask for fewer beams',
      code='beams',
    )
  found: list[list[Found]] = []
  at_once = decode.MOST_ROWS // beam.size
  for first in range(0, len(batch.prompts), at_once):
    found += _search(writer, batch.part(slice(first, first + at_once)), beam)
  return found


def _search(writer: Writer, batch: Batch, beam: Beam) -> list[list[Found]]:
  key, numbers = writer.split()
  size = decode.lengths(batch.width, batch.room)[-1]
  rows = batch.rows(len(batch.prompts), size)
  diversity = jnp.float32(beam.diversity)
  plain = dataclasses.replace(beam, diversity=0.0)
  program = _program(key, plain, size)
  done = program(writer.params, numbers, diversity, rows)
  decode.check_prompts(writer.grammar, batch, np.asarray(done.illegal))
  decode.check_finite(np.asarray(jnp.any(done.broken, axis=1)))
  arrays = [np.asarray(x) for x in (done.ids, done.ended, done.score)]
  return [
    _found(writer, prompt, beam, *each)
    for prompt, *each in zip(batch.prompts, *arrays, strict=True)
  ]


def _found(
  writer: Writer,
  prompt: np.ndarray,
  beam: Beam,
  ids: np.ndarray,
  ended: np.ndarray,
  score: np.ndarray,
) -> list[Found]:
  """Returns the pieces of a prompt, best first."""
  alive = np.flatnonzero(np.isfinite(score)).tolist()
  pieces = [decode.trim(ids[k]) for k in alive]
  legal = legality.first_illegal(writer.grammar, pieces) < 0
  found: dict[bytes, Found] = {}
  for k, piece, fits in zip(alive, pieces, legal.tolist(), strict=True):
    steps = max(1, len(piece) - len(prompt))
    total = float(score[k])
    sample = Sample(ids=piece, ended=bool(ended[k]), legal=fits)
    # Groups that chose alike have found one piece.
    found[piece.tobytes()] = Found(sample, total, total / steps**beam.length)
  return sorted(found.values(), key=lambda one: -one.mean)


@functools.lru_cache(maxsize=16)
def _program(key: Key, beam: Beam, size: int) -> Callable[..., 'Done']:
  """Returns the jitted program of a writer that was split."""

  def program(
    params: Any, numbers: tuple[Any, ...], diversity: Array, rows: loop.Rows
  ) -> Done:
    whole = decode.program_of(key, numbers, (size,))
    return Search(whole, beam, diversity)(params, rows)

  return jax.jit(program)


class Done(NamedTuple):
  """What the program gives; `score` is -inf where nothing was found."""

  ids: Int[Array, 'b k t f']
  ended: Bool[Array, 'b k']
  score: Float[Array, 'b k']
  illegal: Int[Array, ' b']
  broken: Bool[Array, 'b k']


class Beams(NamedTuple):
  """The beginnings, and how good they are.

  Attributes:
    carry: Them as rows `m`.
    score: Log-probability.
    steps: How many steps each has behind the prompt.
  """

  carry: loop.Carry
  score: Float[Array, ' m']
  steps: Int[Array, ' m']


class Choice(NamedTuple):
  """The beginnings while a step is chosen, field by field.

  Attributes:
    parent: Which row of before each goes on from.
    step: The ids that are chosen, 0 behind them.
    score: As `Beams.score`, with them.
    broken: Whether a logit was no finite number.
  """

  parent: Int[Array, ' m']
  step: Int[Array, 'm f']
  score: Float[Array, ' m']
  broken: Bool[Array, ' m']


@dataclasses.dataclass(frozen=True)
class Search:
  """Searches in batches of one shape; traced, so it runs inside `jax.jit`.

  Attributes:
    program: What writes, of one length.
    beam: How wide; its diversity is not read.
    diversity: The diversity.
  """

  program: loop.Program
  beam: Beam
  diversity: Float[Array, '']

  def __call__(self, params: Any, rows: loop.Rows) -> Done:
    """Returns what is found."""
    carry, illegal = self.program.begin(params, rows)
    b, k = len(illegal), self.beam.size
    each = jnp.repeat(jnp.arange(b), k)
    rows = _of_rows(rows, each)
    # Alike beginnings are one; the others are there to be taken over.
    first = jnp.arange(b * k) % self.beam.width == 0
    beams = Beams(
      _of_carry(carry, each, b),
      jnp.where(first, 0.0, -jnp.inf),
      jnp.zeros(b * k, jnp.int32),
    )
    last = self.program.lengths[-1]
    beams = jax.lax.while_loop(
      lambda beams: _goes_on(beams, last),
      functools.partial(self._step, params, rows),
      beams,
    )
    ids = beams.carry.ids[: b * k]
    return Done(
      ids.reshape(b, k, *ids.shape[1:]),
      beams.carry.ended.reshape(b, k),
      beams.score.reshape(b, k),
      illegal,
      (beams.carry.broken & (beams.score != -jnp.inf)).reshape(b, k),
    )

  def _step(self, params: Any, rows: loop.Rows, beams: Beams) -> Beams:
    program, lead = self.program, self.program.model.config.lead
    m, fields = len(beams.score), beams.carry.ids.shape[2]
    choice = Choice(
      jnp.arange(m),
      jnp.zeros((m, fields), jnp.int32),
      beams.score,
      jnp.zeros(m, bool),
    )
    # The lead is told before the last step is read, so rows that go on from
    # one beginning may read it with different ones.
    early = functools.partial(self._early, params, beams.carry, m)
    choice = self._choose(rows, beams, early, range(lead), choice)
    if lead:
      beams = _followed(beams, choice.parent)
      choice = choice._replace(parent=jnp.arange(m))
    hidden, cache = program.read_last(params, rows, beams.carry, choice.step)
    late = lambda parent: functools.partial(  # noqa: E731
      program.model.field_logits,
      params,
      hidden[_read(beams.carry, parent, m)],
    )
    choice = self._choose(rows, beams, late, range(lead, fields), choice)
    carry = dataclasses.replace(beams.carry, cache=cache)
    beams = _followed(beams._replace(carry=carry), choice.parent)
    carry, ended = beams.carry, beams.carry.ended
    new = program.written(rows, carry, carry.cache, choice.step, choice.broken)
    # What has no score is a free place, over until another takes it.
    over = choice.score == -jnp.inf
    new = dataclasses.replace(new, ended=new.ended | over)
    return Beams(new, choice.score, beams.steps + ~ended)

  def _early(
    self, params: Any, carry: loop.Carry, count: int, parent: Int[Array, ' m']
  ) -> loop.Score:
    """Returns what scores the lead, of what goes on from each parent."""
    read = _read(carry, parent, count)
    cache, at = carry.cache, carry.index - 1
    assert cache.before is not None
    cache = dataclasses.replace(
      cache, before=cache.before[read], start=cache.start[read]
    )
    return self.program.early(params, carry.ids[read], cache, at)

  def _choose(
    self,
    rows: loop.Rows,
    beams: Beams,
    score: Callable[[Array], loop.Score],
    fields: range,
    choice: Choice,
  ) -> Choice:
    """Returns the choice with some fields more, one after the other."""
    for field in fields:
      parent = choice.parent
      logits = loop.guided(rows, score(parent), choice.step, field)
      broken = choice.broken | ~jnp.isfinite(jnp.max(logits, -1))
      total = self._totals(beams, choice, logits, field)
      steps = beams.steps + ~beams.carry.ended
      # What had ended with its prompt has no steps.
      steps = jnp.maximum(steps, 1)[parent, None]
      rank = total / steps**self.beam.length
      kept, chosen = self._kept(rank)
      step = choice.step[kept].at[:, field].set(chosen)
      choice = Choice(parent[kept], step, total[kept, chosen], broken[kept])
    return choice

  def _totals(
    self,
    beams: Beams,
    choice: Choice,
    logits: Float[Array, 'm v'],
    field: int,
  ) -> Float[Array, 'm v']:
    """Returns the score that each beginning has with each id of a field."""
    state = jax.tree.map(lambda x: x[choice.parent], beams.carry.state)
    judged = functools.partial(self.program.rules.judged, field=field)
    mask, met = jax.vmap(lambda s, p: judged(s, partial=p))(state, choice.step)
    logits = self.program.leaning(logits, state, choice.step, field)
    found = jax.nn.log_softmax(logits.astype(jnp.float32))
    found = jnp.where(mask, found - _UNMET * ~met[:, None], -jnp.inf)
    # What has ended goes on for nothing, with the one id that tells nothing.
    none = jnp.where(jnp.arange(logits.shape[1]) == 0, 0.0, -jnp.inf)
    ended = beams.carry.ended[choice.parent, None]
    return choice.score[:, None] + jnp.where(ended, none, found)

  def _kept(
    self, rank: Float[Array, 'm v']
  ) -> tuple[Int[Array, ' m'], Int[Array, ' m']]:
    """Returns which beginnings are gone on from, and with which id."""
    v, (groups, width) = rank.shape[1], (self.beam.groups, self.beam.width)
    rank = rank.reshape(-1, groups, width, v)
    count = jnp.zeros((len(rank), v))
    rows, ids = [], []
    for group in range(groups):
      worth = rank[:, group] - self.diversity * count[:, None]
      worth, best = jax.lax.top_k(worth.reshape(len(rank), -1), width)
      at = jnp.arange(len(rank))[:, None] * groups + group
      rows.append(at * width + best // v)
      ids.append(best % v)
      told = jax.nn.one_hot(ids[-1], v) * (worth > -jnp.inf)[..., None]
      count += jnp.sum(told, 1).at[:, 0].set(0.0)
    flat = lambda parts: jnp.stack(parts, 1).reshape(-1)  # noqa: E731
    return flat(rows), flat(ids).astype(jnp.int32)


def _goes_on(beams: Beams, last: int) -> Bool[Array, '']:
  carry = beams.carry
  broken = carry.broken & (beams.score != -jnp.inf)
  return (carry.index < last) & ~jnp.all(carry.ended) & ~jnp.any(broken)


def _followed(beams: Beams, parent: Int[Array, ' m']) -> Beams:
  """Returns beginnings that go on from others."""
  carry = _of_carry(beams.carry, parent, len(parent))
  return Beams(carry, beams.score[parent], beams.steps[parent])


def _read(
  carry: loop.Carry, rows: Int[Array, ' m'], count: int
) -> Int[Array, ' r']:
  """Returns where the network has rows of `count`, and their twins, if any."""
  if len(carry.ids) == count:
    return rows
  return jnp.concatenate([rows, rows + count])


def _of_carry(
  carry: loop.Carry, rows: Int[Array, ' m'], count: int
) -> loop.Carry:
  """Returns the state of rows of `count`, and of their twins, if any."""
  read = _read(carry, rows, count)
  return loop.Carry(
    index=carry.index,
    ids=carry.ids[read],
    cache=cache_lib.take(carry.cache, read),
    state=jax.tree.map(lambda x: x[rows], carry.state),
    ended=carry.ended[rows],
    broken=carry.broken[rows],
    unread=carry.unread[rows],
  )


def _of_rows(rows: loop.Rows, each: Int[Array, ' m']) -> loop.Rows:
  """Returns what is asked of rows, once for each beginning of them."""
  return jax.tree.map(lambda x: x[each], rows)
