"""Writes batches of pieces: prompts in, ids out, one program a shape.

Axes: `b` rows, `t` time, `f` fields. A shape is rounded up (rows to a power
of two, steps to one or three times such a power): so few programs are
compiled, and each is kept for the process. The batch is spread over the local
devices as the data axis of a mesh; a CPU that poses as one device a core
decodes a large batch on all of them.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Bool, Int

from aurl_jax.generation import loop
from aurl_jax.generation.constraints import Constraint, OwnRules, Rules
from aurl_jax.generation.errors import DecodeError, RequestError
from aurl_jax.generation.guidance import Guided
from aurl_jax.generation.legality import first_illegal
from aurl_jax.generation.rows import power
from aurl_jax.generation.sampling import Sampler
from aurl_jax.models.functional import Model
from aurl_jax.tokens.tokenizer import Grammar

MOST_ROWS = 64
"""Rows decoded at once: more gain little speed and cost memory for keys."""
_BLOCK = 32
"""Steps that parts of a length, and prompts, are rounded up to."""
_SEGMENTS = 4
"""Lengths of a large cache in a program: attention over what is filled costs
about 5/8 of that over all; more lengths gain little."""
_LARGE = 32 * 2**20
"""Bytes from which a cache is worth several lengths: each is a loop of its
own, whose compilation costs seconds, and a small cache is read fast."""
_BY_ROW = PartitionSpec('data')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
  """One decoded piece.

  Attributes:
    ids: int32 `[t, f]`, the prompt included, without padding.
    ended: Whether it has come to its end, EOS.
    legal: Whether the grammar, read over the whole, allows every step.
    finite: Whether all logits were finite numbers; else it is no music.
  """

  ids: np.ndarray
  ended: bool
  legal: bool
  finite: bool = True


def decode(
  model: Model,
  params: Any,
  grammar: Grammar,
  prompts: Sequence[Int[np.ndarray, '_ f']] | Guided,
  *,
  steps: int | Sequence[int],
  seed: int = 0,
  sampler: Sampler | None = None,
  constraints: tuple[Constraint, ...] = (),
) -> list[Sample]:
  """Writes one piece a prompt.

  Piece i has the seed `seed + i`. With the same prompt and budget a seed
  gives the same piece in any batch, up to the rounding of sums, in which
  batches of different sizes may differ in the last bit.

  Args:
    model: The network.
    params: Its parameters.
    grammar: What may follow what, in the model's vocabulary; hashable.
    prompts: Steps to begin with, at least one (BOS) each; `Guided` has more
      to go by: twins of the prompts for guidance, which doubles the work, or
      latents.
    steps: Steps a piece may have in all, prompt and EOS included.
    seed: Of the first piece; the others count on.
    sampler: How ids are drawn; None draws from the model's distribution.
    constraints: What a piece shall be beyond legal. A pytree, whose numbers
      may change without another compilation, or hashable.

  Raises:
    RequestError: A prompt is empty, illegal (code `prompt`), or leaves too
      few steps to end in (code `steps`). Nothing is decoded.
    DecodeError: The model gave logits that are no finite numbers.
  """
  writer = Writer(model, params, grammar, constraints, sampler or Sampler())
  samples = write(writer, Batch.of(prompts, steps, seed))
  check_finite(np.array([not sample.finite for sample in samples], bool))
  return samples


def write(writer: 'Writer', batch: 'Batch') -> list[Sample]:
  """Writes the rows of a batch of any size; errors as of `decode`.

  But for logits that are no numbers, which are told of their row alone.
  """
  samples: list[Sample] = []
  if len(batch.prompts) > MOST_ROWS:
    # One width, and so one program, for all of them.
    batch = dataclasses.replace(batch, least=batch.width)
  for first in range(0, len(batch.prompts), MOST_ROWS):
    part = slice(first, first + MOST_ROWS)
    samples += _batch(writer, batch.part(part))
  return samples


@dataclasses.dataclass(frozen=True)
class Batch:
  """Rows that are decoded together.

  Attributes:
    asked: What they begin with, and go by.
    budgets: Steps of each in all.
    seeds: Of each.
    numbers: Of each, those of its constraints (`Writer.split`); None where
      all have the writer's.
    least: Steps that prompts are padded to at least, so that shorter ones
      need no program of their own.
    fixed: Steps that all prompts are padded to, none of which is longer; 0
      goes by the longest.
  """

  asked: Guided
  budgets: list[int]
  seeds: list[int]
  numbers: list[tuple[Any, ...]] | None = None
  least: int = 0
  fixed: int = 0

  @classmethod
  def of(
    cls,
    prompts: Sequence[Int[np.ndarray, '_ f']] | Guided,
    steps: int | Sequence[int],
    seed: int,
  ) -> 'Batch':
    """Returns checked rows; arguments and errors as of `decode`."""
    asked = prompts if isinstance(prompts, Guided) else Guided(prompts, None)
    count = len(asked.prompts)
    budgets = [steps] * count if isinstance(steps, int) else list(steps)
    _check(asked.prompts, budgets)
    _check_twins(asked)
    return cls(asked, budgets, [seed + row for row in range(count)])

  @property
  def seed(self) -> int:
    """The seed of the first row."""
    return self.seeds[0]

  def part(self, rows: slice) -> 'Batch':
    """Returns some of the rows, with the seeds that they have here."""
    numbers = None if self.numbers is None else self.numbers[rows]
    return dataclasses.replace(
      self,
      asked=self.asked.part(rows),
      budgets=self.budgets[rows],
      seeds=self.seeds[rows],
      numbers=numbers,
    )

  @property
  def prompts(self) -> Sequence[np.ndarray]:
    """Steps to begin with."""
    return self.asked.prompts

  def rows(self, count: int, room: int) -> loop.Rows:
    """Returns the rows as arrays; those beyond ours repeat the last one."""
    index = np.minimum(np.arange(count), len(self.prompts) - 1)
    padded, start = self._padded([self.prompts[i] for i in index])
    uniform = np.zeros((count, room, padded.shape[2]), np.float32)
    for row in range(len(self.prompts)):
      at = start[row]
      shape = uniform[row, at:].shape
      uniform[row, at:] = chance(self.seeds[row], shape)
    return loop.Rows(
      prompts=jnp.asarray(padded, jnp.int32),
      start=jnp.asarray(start),
      budget=jnp.array([self.budgets[i] for i in index], jnp.int32),
      uniform=jnp.asarray(uniform),
      latents=jax.tree.map(
        lambda x: jnp.asarray(np.asarray(x)[index]), self.asked.latents
      ),
      numbers=self._numbers(index),
      **self._guided(index),
    )

  def _numbers(self, index: Int[np.ndarray, ' b']) -> tuple[Any, ...] | None:
    """Returns the numbers of all rows, each an array `[b, …]`."""
    if self.numbers is None:
      return None
    rows = [self.numbers[i] for i in index.tolist()]
    return tuple(
      None if column[0] is None else jnp.asarray(np.stack(column))
      for column in zip(*rows, strict=True)
    )

  def _guided(self, index: Int[np.ndarray, ' b']) -> dict[str, Any]:
    """Returns what `Rows` has for guidance alone."""
    if self.asked.twins is None:
      return {}
    twins, start = self._padded([self.asked.twins[i] for i in index])
    return {
      'twins': jnp.asarray(twins, jnp.int32),
      'twin_start': jnp.asarray(start),
      'weight': jnp.full(len(index), self.asked.weight, jnp.float32),
      'unread': self._unread(len(index)),
    }

  def _unread(self, count: int) -> jax.Array | None:
    """Returns `Guided.unread` once a row: all that rows have is split."""
    if self.asked.unread is None:
      return None
    return jnp.tile(jnp.asarray(self.asked.unread), (count, 1))

  def _padded(self, prompts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Returns prompts of one width, and where each begins."""
    missing = [self.width - len(prompt) for prompt in prompts]
    padded = [
      np.pad(prompt, ((more, 0), (0, 0)))
      for prompt, more in zip(prompts, missing, strict=True)
    ]
    return np.stack(padded), np.array(missing, np.int32)

  @property
  def width(self) -> int:
    """Steps that the prompts are padded to."""
    if self.fixed:
      return self.fixed
    longest = max(self.least, *(len(prompt) for prompt in self.prompts))
    if longest < _BLOCK:
      return power(longest)
    return -(-longest // _BLOCK) * _BLOCK

  @property
  def room(self) -> int:
    """Steps that the longest piece may need, its padding included."""
    pairs = zip(self.prompts, self.budgets, strict=True)
    return max(self.width - len(prompt) + steps for prompt, steps in pairs)


def chance(seed: int, shape: tuple[int, ...]) -> np.ndarray:
  """Returns float32 numbers in [0, 1), 24 random bits each.

  From the counter-based generator Philox (Salmon et al., SC 2011) keyed by
  the seed: the same on every platform, and a longer array begins as a
  shorter one does. On the host, since a random generator in the program
  costs a third of its compilation.
  """
  raw = np.random.Philox(key=seed).random_raw(math.prod(shape))
  return ((raw >> 40) * 2.0**-24).astype(np.float32).reshape(shape)


@dataclasses.dataclass(frozen=True)
class Writer:
  """What writes: the arguments of `decode` that all rows share."""

  model: Model
  params: Any
  grammar: Grammar
  constraints: tuple[Constraint, ...]
  sampler: Sampler

  def split(self) -> tuple['Key', tuple[Any, ...]]:
    """Returns what a program is compiled for, and the numbers that it takes."""
    leaves, tree = jax.tree.flatten(self.constraints)
    numbers = tuple(leaf if _is_number(leaf) else None for leaf in leaves)
    rest = tuple(None if _is_number(leaf) else leaf for leaf in leaves)
    return (self.model, self.grammar, tree, rest), numbers


Key = tuple[Model, Grammar, Any, tuple[Any, ...]]
"""Model; grammar; tree of the constraints; their leaves that are no numbers,
None for those that are."""


def program_of(
  key: Key, numbers: tuple[Any, ...] | None, sizes: tuple[int, ...]
) -> loop.Program:
  """Returns the program of a writer that was split; see `Writer.split`.

  Without numbers each row has its own.
  """
  model, grammar, tree, rest = key

  def bind(numbers: tuple[Any, ...]) -> tuple[Constraint, ...]:
    pairs = zip(numbers, rest, strict=True)
    leaves = [other if number is None else number for number, other in pairs]
    bound: tuple[Constraint, ...] = jax.tree.unflatten(tree, leaves)
    return bound

  if numbers is not None:
    return loop.Program(model, Rules(grammar, bind(numbers)), sizes)
  # Which constraints are leaned to does not hang on their numbers.
  leans = Rules(grammar, bind(rest)).leans
  return loop.Program(model, OwnRules(grammar, bind, leans), sizes)


def _batch(writer: Writer, batch: Batch) -> list[Sample]:
  """Decodes up to `MOST_ROWS` rows."""
  ours = len(batch.prompts)
  devices = tuple(jax.local_devices()[: power(ours)])
  # A power of two need not divide by the devices: 3 cores, say.
  count = -(-power(ours) // len(devices)) * len(devices)
  read = count if batch.asked.twins is None else 2 * count
  sizes = lengths(batch.width, batch.room, _step_bytes(writer.model, read))
  written = _run(writer, sizes, devices, batch.rows(count, sizes[-1]))
  check_prompts(writer.grammar, batch, np.asarray(written.illegal)[:ours])
  # A row has nothing but PAD before its prompt and behind its end.
  ids = [trim(row) for row in np.asarray(written.ids)[:ours]]
  ended = np.asarray(written.ended).tolist()
  legal = (first_illegal(writer.grammar, ids) < 0).tolist()
  finite = (~np.asarray(written.broken)).tolist()
  facts = list(zip(ids, ended[:ours], legal, finite[:ours], strict=True))
  return [Sample(ids=i, ended=e, legal=ok, finite=f) for i, e, ok, f in facts]


def lengths(width: int, room: int, step_bytes: int = 0) -> tuple[int, ...]:
  """Returns the lengths that the cache grows through.

  Args:
    width: Steps of the padded prompts.
    room: Steps needed in all.
    step_bytes: What a step takes in the cache, all rows together.

  Example:
    >>> lengths(1, 250), lengths(1, 250, 1 << 18), lengths(96, 250, 1 << 18)
    ((256,), (64, 128, 192, 256), (128, 192, 256))
  """
  last = max(_BLOCK, width + 1, room)
  # 2^k or 3 * 2^(k - 1): few programs, and none much longer than it must be.
  whole = power(last)
  last = whole * 3 // 4 if whole * 3 // 4 >= last else whole
  if last * step_bytes < _LARGE:
    return (last,)
  part = -(-last // (_SEGMENTS * _BLOCK)) * _BLOCK
  return (*(n for n in range(part, last, part) if n > width), last)


def _step_bytes(model: Model, rows: int) -> int:
  config = model.config
  wide = jnp.dtype(config.dtype).itemsize
  return 2 * rows * config.layers * config.key_heads * config.head_dim * wide


def _run(
  writer: Writer,
  sizes: tuple[int, ...],
  devices: tuple[jax.Device, ...],
  rows: loop.Rows,
) -> loop.Written:
  """Runs the program on the devices."""
  key, own = writer.split()
  numbers = own if rows.numbers is None else None
  program, mesh = _compiled(key, sizes, devices)
  whole, split = (
    NamedSharding(mesh, spec) for spec in (PartitionSpec(), _BY_ROW)
  )
  # The caller's mesh, of a training run say, is another one.
  with jax.set_mesh(mesh):
    shared = jax.device_put((writer.params, writer.sampler, numbers), whole)
    return program(*shared, jax.device_put(rows, split))


def _is_number(leaf: Any) -> bool:
  return isinstance(leaf, int | float | np.generic | np.ndarray | jax.Array)


@functools.lru_cache(maxsize=64)
def _compiled(
  key: Key,
  sizes: tuple[int, ...],
  devices: tuple[jax.Device, ...],
) -> tuple[Callable[..., loop.Written], Mesh]:
  """Returns the jitted program and the mesh that it runs on.

  Args:
    key: Of the writer.
    sizes: Lengths of the cache.
    devices: Those of the mesh.
  """

  def program(
    params: Any,
    sampler: Sampler,
    numbers: tuple[Any, ...] | None,
    rows: loop.Rows,
  ) -> loop.Written:
    return program_of(key, numbers, sizes)(params, sampler, rows)

  mesh = jax.make_mesh(
    (len(devices),), ('data',), (AxisType.Auto,), devices=devices
  )
  # Each device runs a loop of its own, which ends with its own rows.
  mapped = jax.shard_map(
    program,
    mesh=mesh,
    in_specs=(*(PartitionSpec(),) * 3, _BY_ROW),
    out_specs=_BY_ROW,
    check_vma=False,
  )
  return jax.jit(mapped), mesh


def trim(ids: np.ndarray) -> np.ndarray:
  """Returns ids without the padding around them."""
  used = np.flatnonzero(ids[:, 0])
  return ids[used[0] : used[-1] + 1].copy()


def _check(prompts: Sequence[np.ndarray], budgets: list[int]) -> None:
  if len(prompts) != len(budgets):
    raise RequestError(
      f'{len(prompts)} prompts, but steps for {len(budgets)} pieces'
    )
  for row, (prompt, budget) in enumerate(zip(prompts, budgets, strict=True)):
    if not len(prompt):
      raise RequestError(
        f'prompt {row} is empty; a piece begins with its BOS step',
        code='prompt',
      )
    if len(prompt) > budget:
      raise _too_few(row, len(prompt), budget)


def _check_twins(asked: Guided) -> None:
  prompts, twins = asked.prompts, asked.twins
  if twins is None:
    return
  if len(twins) != len(prompts) or not all(
    0 < len(twin) <= len(prompt)
    for twin, prompt in zip(twins, prompts, strict=True)
  ):
    raise RequestError(
      f'guidance needs a twin of each of the {len(prompts)} prompts, of at '
      'least a step and no longer than it; see tokens.control_dropout',
      code='prompt',
    )


def check_prompts(
  grammar: Grammar, batch: Batch, illegal: Int[np.ndarray, ' b']
) -> None:
  """Raises RequestError if a prompt has an illegal step (not -1)."""
  if (illegal < 0).all():
    return
  row = int(np.argmax(illegal >= 0))
  prompt = batch.prompts[row]
  at = int(first_illegal(grammar, [prompt])[0])
  if at < 0:
    raise _too_few(row, len(prompt), batch.budgets[row])
  raise RequestError(
    f'prompt {row} is no legal beginning: step {at} of {len(prompt)}, ids '
    f'{prompt[at].tolist()}, cannot follow those before it; encode it with '
    "the model's own tokenizer",
    code='prompt',
  )


def check_finite(broken: Bool[np.ndarray, ' b']) -> None:
  """Raises DecodeError if a row has had a logit that is no number."""
  if broken.any():
    raise DecodeError(
      'the model gives NaN or infinite logits, so its weights are broken; '
      'take an earlier checkpoint, and train with a lower learning rate',
      code='not_finite',
    )


def _too_few(row: int, length: int, budget: int) -> RequestError:
  return RequestError(
    f'{budget} steps are too few for prompt {row} of {length} steps and an '
    'end; ask for more steps or give a shorter prompt',
    code='steps',
  )
