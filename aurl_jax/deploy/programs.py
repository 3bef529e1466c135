"""Rules and clock of a tokenizer as a program for hosts without JAX.

What a grammar allows, and where a step stands, are pure functions of a few
whole numbers, written in jax.numpy. They are traced and told as a list of
operations in JSON, which `hosted.rules` and `hosted/rules.js` run, in a
hundred lines each: so the rules have one source, whatever the tokenizer, and a
phone or a page needs no port of them.

A program has `constants`, lists of numbers or truths, and `functions` by name.
Values are flat arrays, numbered: the inputs of a function first, then what its
`code` makes, in order. A line of code is `[operation, type, arguments]`; an
argument `n >= 0` is a value, `-1 - n` the constant `n`; types are `i` (int32),
`b` (0 or 1) and `f` (float32). Operations work element by element, and an
argument of one element goes with any; beside these there are

  repeat [x, n]            x, of one element, n times
  same [x]                 x in another shape
  slice [x, first, stop, stride]
  at [x, i, n]             n elements from i on, which is held inside x
  row [x, i, n]            the i-th row of n elements, likewise held inside
  take [x, i]              the elements at each of i
  join [x, y, …]           one behind the other
  put [x, i, y]            x with y from i on; as it was if i is outside
  any [x], sum [x], least [x]   whether one is true; of all elements

whose `first`, `stop`, `stride` and `n` are plain numbers. Axes: `f` fields, `v`
ids of one.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from aurl_jax.core.errors import BundleError
from aurl_jax.generation.constraints import Weighs
from aurl_jax.models.functional import Model
from aurl_jax.models.positions import STRIDE
from aurl_jax.tokens.tokenizer import Grammar

FORMAT = 1
_PLAIN = {
  name: name
  for name in (
    'add',
    'sub',
    'mul',
    'div',
    'rem',
    'max',
    'min',
    'and',
    'or',
    'not',
    'eq',
    'ne',
    'lt',
    'le',
    'gt',
    'ge',
    'abs',
    'neg',
    'sign',
    'exp',
    'log1p',
  )
} | {'select_n': 'select', 'convert_element_type': 'as'}
_ALL = {'reduce_or': 'any', 'reduce_sum': 'sum', 'reduce_min': 'least'}
_SAME = ('reshape', 'squeeze', 'copy', 'expand_dims', 'stop_gradient')
_CALLS = ('jit', 'pjit', 'closed_call', 'core_call', 'custom_jvp_call')


class Clock(NamedTuple):
  """Where a row stands: steps read, and the clock of `tokens.places`."""

  read: Int[Array, '']
  places: Any


def program(model: Model, grammar: Grammar) -> dict[str, Any]:
  """Returns the program of a model's rules and clock, plain values.

  Its functions are `init` (budget), `distance` (state), `advance` (state,
  step), `mask_0` … of each field (state, step so far), `weighed` (state, logits
  of field 0) if the grammar has it, `start` of the clock, `tick` (clock, step)
  and `where` (clock), which gives what the decoder wants to know of the step:
  its place for the rotation, and its cell in the bar; and of a model with
  latents its cell since the beginning, and its position in the bar. States and
  clocks are several values, as many as `init` and `start` give.

  Args:
    model: Whose steps they are.
    grammar: Its rules.

  Raises:
    BundleError: They do what no program tells (code `program`).
  """
  fields = len(model.vocabulary)
  step = jnp.zeros(fields, jnp.int32)
  state, clock = grammar.init(jnp.int32(2)), _start(model)
  made = _Program()
  made.add('init', grammar.init, jnp.int32(2))
  made.add('distance', grammar.distance, state)
  made.add('advance', grammar.advance, state, step)
  for field in range(fields):
    mask = lambda state, step, field=field: grammar.mask(state, field, step)  # noqa: E731
    made.add(f'mask_{field}', mask, state, step)
  if isinstance(grammar, Weighs):
    logits = jnp.zeros(model.vocabulary[0])
    made.add('weighed', grammar.weighed, state, logits)
  made.add('start', lambda: _start(model))
  made.add('tick', lambda clock, step: _tick(model, clock, step), clock, step)
  made.add('where', lambda clock: _where(model, clock), clock)
  return {
    'format': FORMAT,
    'fields': fields,
    'constants': made.constants,
    'functions': made.functions,
  }


def to_json(found: dict[str, Any]) -> str:
  """Returns a program as a file."""
  return json.dumps(found, separators=(',', ':'), allow_nan=False) + '\n'


def _start(model: Model) -> Clock:
  places = None if model.places is None else model.places.init(())
  return Clock(jnp.int32(0), places)


def _tick(model: Model, clock: Clock, step: Int[Array, ' f']) -> Clock:
  places = clock.places
  if places is not None:
    places = model.places.advance(places, step)
  return Clock(clock.read + 1, places)


def _where(model: Model, clock: Clock) -> Int[Array, ' _']:
  """Returns where the step stands that was read last."""
  place, cell = clock.read - 1, jnp.int32(0)
  time = position = jnp.int32(0)
  if clock.places is not None:
    found = model.places.coordinates(clock.places)
    bar, position, time, _, order = (found[i] for i in range(5))
    cell = jnp.minimum(position, max(model.config.metrical, 1) - 1)
    if model.config.positions == 'barwise':
      place = STRIDE * bar + jnp.minimum(order, STRIDE - 1)
  told = [place, cell]
  if model.config.has_latents:
    told += [time, position]
  return jnp.stack(told)


class _Program:
  """Functions that share their constants."""

  def __init__(self) -> None:
    self.constants: list[list[Any]] = []
    self.functions: dict[str, Any] = {}
    self._known: dict[tuple[str, bytes], int] = {}

  def constant(self, value: Any) -> int:
    """Returns the argument that stands for a constant."""
    array = np.asarray(value)
    key = str(array.dtype), array.tobytes()
    if key not in self._known:
      self._known[key] = len(self.constants)
      self.constants.append(array.ravel().tolist())
    return -1 - self._known[key]

  def add(self, name: str, function: Callable[..., Any], *given: Any) -> None:
    """Traces a function of some arguments and keeps it."""
    traced = jax.make_jaxpr(function)(*given)
    found = _Function(self, name)
    inputs = [found.value(v.aval) for v in traced.jaxpr.invars]
    outputs = found.run(traced.jaxpr, traced.consts, inputs)
    self.functions[name] = found.told(len(inputs), outputs)


class _Function:
  """One function while it is traced."""

  def __init__(self, program: _Program, name: str) -> None:
    self._program, self._name = program, name
    self._sizes: list[int] = []
    self._code: list[list[Any]] = []

  def value(self, aval: Any) -> int:
    """Returns the number of one value more."""
    self._sizes.append(int(np.prod(aval.shape)))
    return len(self._sizes) - 1

  def told(self, inputs: int, outputs: list[int]) -> dict[str, Any]:
    """Returns the function without what nothing comes of."""
    needed = {x for x in outputs if x >= 0}
    kept: list[tuple[int, list[Any]]] = []
    for number in range(len(self._sizes) - 1, inputs - 1, -1):
      line = self._code[number - inputs]
      if number in needed:
        needed |= {x for x in line[2] if x >= 0}
        kept.append((number, line))
    kept.reverse()
    names = {old: old for old in range(inputs)}
    names |= {old: inputs + new for new, (old, _) in enumerate(kept)}
    move = lambda x: names[x] if x >= 0 else x  # noqa: E731
    return {
      'inputs': self._sizes[:inputs],
      'code': [
        [name, kind, [move(x) for x in given], *rest]
        for _, (name, kind, given, *rest) in kept
      ],
      'outputs': [move(x) for x in outputs],
    }

  def run(self, jaxpr: Any, consts: Any, inputs: list[int]) -> list[int]:
    """Returns the values that a traced function gives."""
    known = dict(zip(jaxpr.invars, inputs, strict=True))
    known |= {
      v: self._program.constant(x)
      for v, x in zip(jaxpr.constvars, consts, strict=True)
    }

    def read(atom: Any) -> int:
      if hasattr(atom, 'val'):
        return self._program.constant(np.asarray(atom.val, atom.aval.dtype))
      return known[atom]

    for eqn in jaxpr.eqns:
      given = [read(atom) for atom in eqn.invars]
      known |= zip(eqn.outvars, self._one(eqn, given), strict=True)
    return [read(atom) for atom in jaxpr.outvars]

  def _one(self, eqn: Any, given: list[int]) -> list[int]:
    """Returns the values of one operation."""
    name = eqn.primitive.name
    if name in _CALLS:
      inner = eqn.params.get('jaxpr', eqn.params.get('call_jaxpr'))
      return self.run(inner.jaxpr, inner.consts, given)
    line = self._line(name, eqn, given)
    if line is None:
      shapes = [v.aval.shape for v in eqn.invars]
      raise BundleError(
        f'{self._name} of this tokenizer does {name!r} of {shapes}, which no '
        'program tells; add it to deploy.programs and both hosts',
        code='program',
      )
    self._code.append(line)
    return [self.value(eqn.outvars[0].aval)]

  def _line(self, name: str, eqn: Any, given: list[int]) -> list[Any] | None:
    """Returns the line of code of an operation, None if there is none."""
    aval = eqn.outvars[0].aval
    size, kind = int(np.prod(aval.shape)), _kind(aval.dtype)
    sizes = [int(np.prod(v.aval.shape)) for v in eqn.invars]
    if name in _PLAIN:
      return [_PLAIN[name], kind, given]
    if name in _SAME or (name == 'broadcast_in_dim' and sizes[0] == size):
      return ['same', kind, given[:1]]
    if name == 'broadcast_in_dim' and sizes[0] == 1:
      return ['repeat', kind, given[:1], size]
    if name in ('concatenate', 'stack') and _is_flat(eqn):
      return ['join', kind, given]
    if name in _ALL and size == 1:
      return [_ALL[name], kind, given]
    return _of_place(name, eqn, given, kind, size)


def _of_place(
  name: str, eqn: Any, given: list[int], kind: str, size: int
) -> list[Any] | None:
  """Returns the line of an operation that picks elements of one axis."""
  params, shape = eqn.params, eqn.invars[0].aval.shape
  if name == 'dynamic_slice' and params['slice_sizes'][1:] == shape[1:]:
    one = len(shape) == 1
    return ['at' if one else 'row', kind, given[:2], size]
  if len(shape) != 1:
    return None
  if name == 'slice':
    (first,), (stop,) = params['start_indices'], params['limit_indices']
    (stride,) = params['strides'] or (1,)
    return ['slice', kind, given, first, stop, stride]
  if name == 'gather' and params['slice_sizes'] == (1,):
    return ['take', kind, given]
  if name == 'scatter' and params.get('update_jaxpr') is None:
    return ['put', kind, given]
  return None


def _is_flat(eqn: Any) -> bool:
  """Returns whether parts stand one behind the other in memory."""
  axis = eqn.params.get('dimension', eqn.params.get('axis', 0))
  return all(n == 1 for n in eqn.outvars[0].aval.shape[:axis])


def _kind(dtype: Any) -> str:
  if dtype == np.bool_:
    return 'b'
  return 'f' if np.issubdtype(dtype, np.floating) else 'i'
