"""Rows that wait for a lane, and those that are in it.

Of the thread that writes, but for what compiles.
"""

import collections
import dataclasses
import time
from concurrent import futures
from typing import NamedTuple

import numpy as np

from aurl_jax.deploy.rows import Row
from aurl_jax.generation import decode, joining, retries, slots
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.piece import Piece
from aurl_jax.serving.fair import FairQueue
from aurl_jax.serving.ticket import Steps, Ticket

_JOINS = 4
"""Calls in which rows join, between two blocks: those that are written wait
meanwhile."""


@dataclasses.dataclass
class Work:
  """A row of a request, on its way.

  Attributes:
    ticket: Of the request.
    number: Of the row in it.
    row: It alone.
    entry: As it joins.
    tries: That it has had, None before the first has been judged.
    how: The further try that it is, None for the first.
    steps: What has been written behind its prompt, in pieces.
    moved: Where it stands, on its way to a lane with more room.
  """

  ticket: Ticket
  number: int
  row: Row
  entry: joining.Entry
  tries: retries.Tries | None = None
  how: retries.Retry | None = None
  steps: list[np.ndarray] = dataclasses.field(default_factory=list)
  moved: slots.Moved | None = None

  @property
  def attempt(self) -> int:
    """Number of the try, 0 for the first."""
    return 0 if self.tries is None else self.tries.due

  def ids(self) -> np.ndarray:
    """Returns all steps so far, prompt included; int32 `[t, f]`."""
    return np.concatenate([self.entry.prompt, *self.steps])

  def take(self, ids: np.ndarray) -> Steps | None:
    """Takes new steps; returns them if somebody listens."""
    self.steps.append(ids)
    if self.ticket.listen is None or not len(ids):
      return None
    return Steps(self.number, ids, self.attempt)

  def judged(self, tried: retries.Try) -> Piece | None:
    """Returns the piece that it has become, None if it is due again.

    Raises:
      DecodeError: In no try the network gave numbers.
    """
    if self.tries is None:
      self.tries = retries.Tries(tried, self.row.request.retries)
    else:
      assert self.how is not None
      self.tries.take(tried, self.how)
    if self.tries.due:
      return None
    piece: Piece = self.tries.best()
    return piece

  def again(self, first: Row) -> 'Work':
    """Returns it as it is drawn anew.

    Args:
      first: The row as it was drawn first.
    """
    row, how = first.anew(self.attempt)
    entry = joining.entry(*row.drawing, least=self.entry.width)
    return dataclasses.replace(
      self, row=row, entry=entry, how=how, steps=[], moved=None
    )


class Done(NamedTuple):
  """A row that is written, as far as it goes."""

  work: Work
  ended: bool
  finite: bool


class Blocked(NamedTuple):
  """What a block of steps has brought.

  Attributes:
    done: Rows that are written.
    full: Rows that need more room.
    told: Steps that somebody listens to.
  """

  done: list[Done]
  full: list[Work]
  told: list[tuple[Ticket, Steps]]


class Line:
  """A lane with those who wait for it."""

  def __init__(self, lane: slots.Lane) -> None:
    """Takes a lane, whose programs need not be compiled."""
    self.lane, self.used = lane, time.monotonic()
    self.waiting: FairQueue[Work] = FairQueue()
    self.moved: collections.deque[Work] = collections.deque()
    self.held: dict[int, Work] = {}
    self._joining: dict[int, Work] = {}
    self.blocks = 0
    self.compiled: dict[int, futures.Future[None]] = {}
    """Width of a prompt -> its programs; 0 for those of all."""

  @property
  def idle(self) -> bool:
    """Whether nothing waits, and nothing is written."""
    return not (self.held or self.moved or len(self.waiting))

  def ready(self, width: int) -> bool:
    """Whether rows of a width may join."""
    return all(
      key in self.compiled and self.compiled[key].done() for key in (0, width)
    )

  def leave(self) -> list[Work]:
    """Lets go of all whose requests are over."""
    gone = [slot for slot, work in self.held.items() if work.ticket.over]
    left = [self.held.pop(slot) for slot in gone]
    stay = [work for work in self.moved if not work.ticket.over]
    self.moved = collections.deque(stay)
    return left + self.waiting.drop(lambda work: work.ticket.over)

  def seat(self) -> None:
    """Lets those join for whom there are slots; refuses illegal prompts."""
    for _ in range(_JOINS):
      self._joining = self._next()
      if not self._joining:
        break
      entries = {slot: work.entry for slot, work in self._joining.items()}
      told = self.lane.join(entries)
      for slot, work in self._joining.items():
        if (told[slot] >= 0).any():
          work.ticket.fail(_refused(work.entry, told[slot]))
        else:
          self.held[slot] = work
    self._joining = {}

  def all(self) -> list[Work]:
    """Returns all that wait, and all that are written."""
    waiting = [self.waiting.pop() for _ in range(len(self.waiting))]
    held = {**self._joining, **self.held}
    return [*held.values(), *self.moved, *waiting]

  def _next(self) -> dict[int, Work]:
    """Returns who joins next, all of one width; those that move are in."""
    while self.moved and (slot := self._free({})) is not None:
      work = self.moved.popleft()
      assert work.moved is not None
      self.held[slot] = work
      self.lane.put(slot, work.moved)
      work.moved = None
    joining: dict[int, Work] = {}
    while len(self.waiting):
      width = self.waiting.peek().entry.width
      others = {work.entry.width for work in joining.values()}
      slot = self._free(joining)
      if not self.ready(width) or others - {width} or slot is None:
        break
      work = self.waiting.pop()
      if not work.ticket.over:
        joining[slot] = work
    return joining

  def _free(self, joining: dict[int, Work]) -> int | None:
    """Returns a free slot on the device that has least to do."""
    taken = self.held.keys() | joining.keys()
    each = self.lane.each
    load = collections.Counter(slot // each for slot in taken)
    free = [
      slot
      for slot in range(self.lane.slots)
      if slot not in taken and self.lane.fits(list(joining), slot)
    ]
    return min(free, key=lambda slot: load[slot // each], default=None)

  def block(self) -> Blocked:
    """Writes a block of steps."""
    self.used, self.blocks = time.monotonic(), self.blocks + 1
    live = np.zeros(self.lane.slots, bool)
    live[list(self.held)] = True
    told = self.lane.go(live)
    heard = []
    for slot, ids in told.new.items():
      work = self.held[slot]
      if (steps := work.take(ids)) is not None:
        heard.append((work.ticket, steps))
    for slot in told.full:
      self.held[slot].moved = self.lane.take(slot)
    full = [self.held.pop(slot) for slot in told.full]
    done = [
      Done(self.held.pop(slot), slot in told.ended, slot not in told.broken)
      for slot in sorted(told.ended | told.broken)
    ]
    return Blocked(done, full, heard)


def _refused(entry: joining.Entry, illegal: np.ndarray) -> RequestError:
  """Returns why a prompt cannot be gone on from."""
  try:
    decode.check_prompts(entry.writer.grammar, entry.batch, illegal)
  except RequestError as error:
    return error
  return RequestError('the prompt is no legal beginning', code='prompt')
