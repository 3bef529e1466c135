"""Work beside the writing: one at a time, and few that wait."""

import asyncio
import functools
from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar

from aurl_jax.serving.errors import Overloaded

_MOST = 16

Result = TypeVar('Result')


class Aside:
  """A thread for what takes seconds, and would keep requests from being read.

  Of one event loop.
  """

  def __init__(self, name: str, most: int = _MOST) -> None:
    """Makes the thread.

    Args:
      name: Of what is done, for messages and the thread.
      most: Pieces of work that may wait, the one that is done among them.
    """
    self._name, self._most, self._count = name, most, 0
    self._pool = futures.ThreadPoolExecutor(1, f'aurl-{name}')

  async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
    """Returns what work gives.

    Raises:
      Overloaded: Too much waits.
    """
    if self._count >= self._most:
      raise Overloaded(
        f'too much music waits for {self._name}; ask again later',
        code='overloaded',
        retry_after=5,
      )
    self._count += 1
    try:
      return await asyncio.get_running_loop().run_in_executor(
        self._pool, functools.partial(work, *arguments)
      )
    finally:
      self._count -= 1
