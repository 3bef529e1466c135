"""A queue in which clients take turns, whoever asks for most."""

import collections
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar('Item')


class FairQueue(Generic[Item]):
  """First come, first served for one client; clients in turn.

  Not safe for several threads.

  Example:
    >>> queue = FairQueue()
    >>> for client, item in [('a', 1), ('a', 2), ('a', 3), ('b', 4)]:
    ...   queue.put(client, item)
    >>> [queue.pop() for _ in range(len(queue))]
    [1, 4, 2, 3]
  """

  def __init__(self) -> None:
    self._lines: collections.OrderedDict[str, collections.deque[Item]] = (
      collections.OrderedDict()
    )

  def __len__(self) -> int:
    return sum(map(len, self._lines.values()))

  def put(self, client: str, item: Item) -> None:
    """Lets an item of a client wait behind its others."""
    self._lines.setdefault(client, collections.deque()).append(item)

  def peek(self) -> Item:
    """Returns what `pop` would.

    Raises:
      IndexError: Nothing waits.
    """
    if not self._lines:
      raise IndexError('nothing waits')
    return next(iter(self._lines.values()))[0]

  def pop(self) -> Item:
    """Returns the next item; its client is then the last in turn.

    Raises:
      IndexError: Nothing waits.
    """
    if not self._lines:
      raise IndexError('nothing waits')
    client, line = self._lines.popitem(last=False)
    item = line.popleft()
    if line:
      self._lines[client] = line
    return item

  def drop(self, gone: Callable[[Item], bool]) -> list[Item]:
    """Takes out and returns all items that are gone."""
    dropped = []
    for client in list(self._lines):
      line = self._lines[client]
      dropped += [item for item in line if gone(item)]
      left = collections.deque(item for item in line if not gone(item))
      if left:
        self._lines[client] = left
      else:
        del self._lines[client]
    return dropped
