"""Batches on their way to the devices, one ahead of the step."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import jax

from aurl_jax.core.typing import Batch
from aurl_jax.parallel import rules


def placer(mesh: jax.sharding.Mesh | None) -> Callable[[Batch], Batch]:
  """Returns what puts the rows of this process onto its devices."""
  if mesh is None:
    return jax.device_put
  sharding = rules.batch_sharding(mesh)
  if jax.process_count() == 1:
    return lambda batch: jax.device_put(batch, sharding)
  return lambda batch: rules.place_batch(batch, mesh)


class Feed:
  """Hands out batches, and knows where the iterator stood at each.

  `fetch` runs ahead while the devices work, so the iterator's own state is
  one batch too far; `state` is the one to save beside the steps done.

  Attributes:
    state: What restores the iterator to just after the batch last taken;
      None if the iterator has no `get_state`.
    seconds_waited: For batches to be made, in all.
  """

  def __init__(
    self, batches: Iterator[Batch], mesh: jax.sharding.Mesh | None = None
  ) -> None:
    self._batches = batches
    self._place = placer(mesh)
    self._state = getattr(batches, 'get_state', lambda: None)
    self._next: tuple[Batch, Any] | None = None
    self.state: Any = None
    self.seconds_waited = 0.0
    self.fetch()

  @property
  def empty(self) -> bool:
    """Whether no batch is left."""
    return self._next is None

  def fetch(self) -> None:
    """Starts the next batch, if there is one, on its way."""
    start = time.perf_counter()
    batch = next(self._batches, None)
    self.seconds_waited += time.perf_counter() - start
    if batch is None:
      self._next = None
    else:
      self._next = self._place(batch), self._state()

  def take(self) -> Batch:
    """Returns the batch that was fetched.

    Raises:
      StopIteration: No batch is left.
    """
    if self._next is None:
      raise StopIteration
    batch, self.state = self._next
    return batch
