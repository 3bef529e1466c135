"""A jitted step that is compiled before it runs, and once only.

Calling a jitted function compiles it in passing, and what the compiler found
out about memory and cost is lost; compiling it by hand and then calling it
compiles it twice.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
from jax.experimental import multihost_utils

Seen = Callable[[Any, Any, Mapping[str, Any]], None]
"""Takes the program, the state and the batch (or their descriptions)."""


class Ahead:
  """Calls `step(state, batch)` through programs compiled by hand.

  A batch is a dict of arrays; each set of shapes has a program of its own.

  Attributes:
    programs: Shapes of a batch -> its `jax.stages.Compiled`.
  """

  def __init__(
    self,
    step: Any,
    *,
    seen: Seen | None = None,
    largest: tuple[int, int] | None = None,
  ) -> None:
    """Compiles nothing yet.

    Args:
      step: What `jax.jit` returned, of a state and a batch.
      seen: Told of each program before it runs for the first time.
      largest: Rows and steps of the largest batch there will be, whose
        program is compiled first: what it needs is then known before the
        first step. None takes batches as they come.
    """
    self._step, self._seen, self._largest = step, seen, largest
    self.programs: dict[Any, Any] = {}

  def __call__(self, state: Any, batch: Mapping[str, Any]) -> Any:
    """Returns what the step does, compiled now if it has to be."""
    program = self.programs.get(_key(batch))
    if program is None:
      if not self.programs and self._largest:
        self.compile(state, resized(batch, *self._largest))
      program = self.compile(state, batch)
    return program(state, batch)

  def compile(self, state: Any, batch: Mapping[str, Any]) -> Any:
    """Returns the program for arrays like these, which may be described."""
    key = _key(batch)
    if key not in self.programs:
      program = self._step.lower(state, batch).compile()
      self.programs[key] = program
      if jax.process_count() > 1:
        # Whoever compiles faster waits here, where nothing runs out of time;
        # groups of devices that meet for the first time have 30 s in gloo.
        multihost_utils.sync_global_devices('aurl_jax: compiled')
      if self._seen is not None:
        self._seen(program, state, batch)
    return self.programs[key]


def resized(
  batch: Mapping[str, Any], rows: int, steps: int
) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns a batch of `[b]`, `[b, t]` and `[b, t, ...]` of another size."""

  def describe(leaf: Any) -> jax.ShapeDtypeStruct:
    shape = (rows, steps)[: leaf.ndim] + leaf.shape[2:]
    return jax.ShapeDtypeStruct(shape, leaf.dtype, sharding=leaf.sharding)

  # An auxiliary loss has its targets in a dict of its own.
  result: dict[str, jax.ShapeDtypeStruct] = jax.tree.map(describe, dict(batch))
  return result


def _key(batch: Mapping[str, Any]) -> Any:
  leaves, names = jax.tree.flatten(dict(batch))
  return names, tuple((x.shape, str(x.dtype)) for x in leaves)
