"""Which tensor is the first that is not finite: a loss, op by op.

For the rare step that went wrong. The loss is traced once, and its operations
are then done one at a time, in the order of the forward pass, until one gives
a NaN, or an infinity that it was not given: minus infinity as a mask is no
fault. If the loss comes out well its gradient is taken in the same way. It
needs no knowledge of the network: an activation is named by the parameter
that was read last before it, the operation and the line of code.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core, source_info_util

from aurl_jax.parallel import rules

_CALLS = ('jaxpr', 'call_jaxpr')
"""Where an operation that calls a function keeps it."""
_OPAQUE = ('while', 'cond', 'shard_map', 'pallas_call')
"""Operations whose functions have other arguments than they themselves."""
_SHAPES = (
  'broadcast_in_dim',
  'convert_element_type',
  'copy',
  'reshape',
  'sharding_constraint',
  'slice',
  'squeeze',
  'transpose',
)
"""Operations after which a parameter is still the same parameter."""


@dataclasses.dataclass(frozen=True)
class Found:
  """The first tensor that is not finite.

  Attributes:
    kind: `parameter`, `activation` or `gradient`.
    name: Path of the parameter; of an activation, the parameter that was read
      last before it, '' if none was.
    where: The operation and its line of code; '' for a parameter.
    values: How many of its values are what.
  """

  kind: str
  name: str
  where: str
  values: str

  def __str__(self) -> str:
    """Returns the tensor in words."""
    near = {'activation': 'behind', 'gradient': 'of'}.get(self.kind, '')
    what = ' '.join(filter(None, (self.kind, near, self.name or 'the input')))
    of = f', from {self.where}' if self.where else ''
    return f'{what}{of} ({self.values})'


def first(loss: Callable[[Any], jax.Array], params: Any) -> Found | None:
  """Returns the first tensor that is not finite, or None if all are.

  Parameters come first, in the order in which the loss reads them; then
  activations; then gradients, from the loss back, where the parameter named
  is the last one that the forward pass reads.

  Takes as many programs as there are kinds of operations, and memory for
  the activations of the forward pass: not for every step.

  Args:
    loss: A scalar of the parameters.
    params: Where it is taken; a tree of floating-point arrays.
  """
  leaves = jax.tree_util.tree_flatten_with_path(params)[0]
  names = [rules.path_name(path) for path, _ in leaves]
  values = [leaf for _, leaf in leaves]
  traced = jax.make_jaxpr(loss)(params)
  order = _order(traced.jaxpr, names)
  by_name = dict(zip(names, values, strict=True))
  for name in order:
    if not _is_finite(by_name[name]):
      return Found('parameter', name, '', _counted(by_name[name]))
  walk = _Walk()
  walk.run(traced.jaxpr, traced.consts, values, names)
  if walk.found:
    return Found('activation', walk.last, walk.found, walk.values)
  grads = jax.tree.leaves(jax.jit(jax.grad(loss))(params))
  return _gradient(loss, params, dict(zip(names, grads, strict=True)), order)


def _gradient(
  loss: Callable[[Any], jax.Array],
  params: Any,
  grads: dict[str, jax.Array],
  order: Sequence[str],
) -> Found | None:
  """Returns the gradient that went wrong first, on the way back."""
  bad = [name for name in order if not _is_finite(grads[name])]
  if bad:
    leaves, walk = jax.tree.leaves(params), _Walk()
    traced = jax.make_jaxpr(jax.grad(loss))(params)
    walk.run(traced.jaxpr, traced.consts, leaves, list(grads))
    return Found('gradient', bad[-1], walk.found, _counted(grads[bad[-1]]))
  sizes = {name: float(jnp.abs(grads[name]).max()) for name in order}
  squares = sum(jnp.sum(jnp.square(grad)) for grad in grads.values())
  if _is_finite(jnp.asarray(squares)):
    return None
  largest = max(order, key=lambda name: sizes[name])
  cause = f'up to {sizes[largest]:.1e}: the norm overflows'
  return Found('gradient', largest, '', cause)


def _order(jaxpr: Any, names: Sequence[str]) -> list[str]:
  """Returns the names of inputs in the order in which they are read first."""
  inputs = dict(zip(jaxpr.invars, names, strict=True))
  read = [
    inputs[var]
    for eqn in jaxpr.eqns
    for var in eqn.invars
    if not isinstance(var, core.Literal) and var in inputs
  ]
  return list(dict.fromkeys([*read, *names]))


class _Walk:
  """Does the operations of a program until one gives what is not finite.

  Attributes:
    found: That operation and its line of code, '' if there is none.
    last: The named input that was read last.
    values: What is not finite of its result.
  """

  def __init__(self) -> None:
    self.found, self.last, self.values = '', '', ''
    self._line = ''

  def run(
    self,
    jaxpr: Any,
    consts: Sequence[Any],
    inputs: Sequence[Any],
    names: Sequence[str],
  ) -> list[Any]:
    """Returns the program's outputs; none if an operation was found.

    Args:
      jaxpr: The program.
      consts: Of it.
      inputs: One for each of its variables.
      names: Of the inputs, '' for those without.
    """
    env = dict(zip(jaxpr.constvars, consts, strict=True))
    env |= dict(zip(jaxpr.invars, inputs, strict=True))
    named = dict(zip(jaxpr.invars, names, strict=True))
    ends = _last_uses(jaxpr)
    for number, eqn in enumerate(jaxpr.eqns):
      values = [_read(env, var) for var in eqn.invars]
      told = [_read(named, var, '') for var in eqn.invars]
      results = self._one(eqn, values, told)
      if self.found:
        return []
      env |= dict(zip(eqn.outvars, results, strict=True))
      if eqn.primitive.name in _SHAPES:
        named[eqn.outvars[0]] = told[0]
      for var in ends.get(number, ()):
        env.pop(var, None)
    return [_read(env, var) for var in jaxpr.outvars]

  def _one(self, eqn: Any, values: list[Any], told: list[str]) -> Sequence[Any]:
    """Does one operation; looks inside it if its result is bad."""
    before = self.last
    self.last = next((name for name in reversed(told) if name), before)
    results = _done(eqn, values)
    kind = eqn.primitive.name
    bad = next((x for x in results if _is_bad(x, values, kind)), None)
    if bad is None:
      return results
    after, self.last = self.last, before
    # Code of jax itself has no line of ours: that of the call is told.
    self._line = _line(eqn) or self._line
    self._inside(eqn, values, told)
    if not self.found:
      self.last, self.values = after, _counted(bad)
      self.found = f'{kind} at {self._line}'
    return []

  def _inside(self, eqn: Any, values: list[Any], told: list[str]) -> None:
    """Looks for the operation inside one that calls a function."""
    key = next((name for name in _CALLS if name in eqn.params), None)
    if key is None or eqn.primitive.name in _OPAQUE:
      return
    inner = eqn.params[key]
    jaxpr = getattr(inner, 'jaxpr', inner)
    consts = getattr(inner, 'consts', ())
    if eqn.primitive.name == 'scan':
      self._scan(eqn.params, jaxpr, consts, values, told)
    elif len(jaxpr.invars) == len(values):
      self.run(jaxpr, consts, values, told)

  def _scan(
    self,
    params: Any,
    jaxpr: Any,
    consts: Sequence[Any],
    values: list[Any],
    told: list[str],
  ) -> None:
    """Looks for it in the turns of a scan."""
    fixed, moving = params['num_consts'], params['num_carry']
    carry, rest = values[fixed : fixed + moving], values[fixed + moving :]
    turns = range(params['length'])
    for turn in reversed(turns) if params['reverse'] else turns:
      rows = [jnp.asarray(x)[turn] for x in rest]
      outputs = self.run(jaxpr, consts, [*values[:fixed], *carry, *rows], told)
      if self.found:
        self.found += f', turn {turn} of a scan'
        return
      carry = outputs[:moving]


def _done(eqn: Any, values: list[Any]) -> Sequence[Any]:
  """Returns the results of one operation."""
  params = eqn.primitive.get_bind_params(eqn.params)
  with eqn.ctx.manager:
    results = eqn.primitive.bind(*values, **params)
  found: Sequence[Any] = (
    results if eqn.primitive.multiple_results else [results]
  )
  return found


def _last_uses(jaxpr: Any) -> dict[int, list[Any]]:
  """Returns what is read for the last time by each operation, by number."""
  last: dict[Any, int] = {}
  for number, eqn in enumerate(jaxpr.eqns):
    for var in eqn.invars:
      if not isinstance(var, core.Literal):
        last[var] = number
  kept = {var for var in jaxpr.outvars if not isinstance(var, core.Literal)}
  ends: dict[int, list[Any]] = {}
  for var, number in last.items():
    if var not in kept:
      ends.setdefault(number, []).append(var)
  return ends


def _read(env: dict[Any, Any], var: Any, literal: Any = None) -> Any:
  """Returns the value of a variable, or of a literal unless one is given."""
  if isinstance(var, core.Literal):
    return var.val if literal is None else literal
  return env[var] if literal is None else env.get(var, literal)


def _is_bad(result: Any, inputs: Sequence[Any], kind: str) -> bool:
  """Whether an operation gave a NaN, or an infinity that it was not given."""
  if _is_finite(result):
    return False
  if all(map(_is_finite, inputs)):
    return True
  # What only moves numbers makes no NaN: it is a constant, not used yet.
  return kind not in _SHAPES and bool(jnp.isnan(result).any())


def _is_finite(value: Any) -> bool:
  dtype = getattr(value, 'dtype', np.dtype(type(value)))
  if not jnp.issubdtype(dtype, jnp.floating):
    return True
  here = not isinstance(value, jax.Array) or value.is_fully_addressable
  if here and jax.default_backend() == 'cpu':
    # Numpy has no program to compile for each shape.
    return bool(np.isfinite(np.asarray(value)).all())
  return bool(jnp.isfinite(value).all())


def _counted(value: Any) -> str:
  """Returns how many values of an array are NaN or infinite."""
  nans, infinite = int(jnp.isnan(value).sum()), int(jnp.isinf(value).sum())
  told = [f'{nans} NaN'] * bool(nans) + [f'{infinite} infinite'] * bool(
    infinite
  )
  return f'{" and ".join(told)} of {np.size(value)} values'


def _line(eqn: Any) -> str:
  """Returns where an operation stands in the code, as `file:line (name)`."""
  line = source_info_util.summarize(eqn.source_info)
  _, package, rest = line.rpartition('aurl_jax/')
  return f'{package}{rest}'
