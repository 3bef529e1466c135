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
from aurl_jax.generation import decode, retries, slots
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
  entry: slots.Entry
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

  def take(self, ids: np.ndarray) -> None:
    """Takes new steps, and tells them whoever listens."""
    self.steps.append(ids)
    if self.ticket.listen is not None and len(ids):
      self.ticket.listen(Steps(self.number, ids, self.attempt))

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
    entry = slots.entry(*row.drawing, least=self.entry.width)
    return dataclasses.replace(
      self, row=row, entry=entry, how=how, steps=[], moved=None
    )


class Done(NamedTuple):
  """A row that is written, as far as it goes."""

  work: Work
  ended: bool
  finite: bool


class Line:
  """A lane with those who wait for it."""

  def __init__(self, lane: slots.Lane) -> None:
    """Takes a lane, whose programs need not be compiled."""
    self.lane, self.used = lane, time.monotonic()
    self.waiting: FairQueue[Work] = FairQueue()
    self.moved: collections.deque[Work] = collections.deque()
    self.held: dict[int, Work] = {}
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
      joining = self._next()
      if not joining:
        return
      told = self.lane.join({s: work.entry for s, work in joining.items()})
      for slot, work in joining.items():
        if (told[slot] >= 0).any():
          work.ticket.fail(_refused(work.entry, told[slot]))
        else:
          self.held[slot] = work

  def _next(self) -> dict[int, Work]:
    """Returns who joins next, all of one width; those that move are in."""
    while self.moved and (slot := self._free({})) is not None:
      work = self.moved.popleft()
      assert work.moved is not None
      self.lane.put(slot, work.moved)
      self.held[slot], work.moved = work, None
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

  def block(self) -> tuple[list[Done], list[Work]]:
    """Writes a block; returns who is done, and who needs more room."""
    self.used, self.blocks = time.monotonic(), self.blocks + 1
    live = np.zeros(self.lane.slots, bool)
    live[list(self.held)] = True
    told = self.lane.go(live)
    for slot, ids in told.new.items():
      self.held[slot].take(ids)
    full = []
    for slot in told.full:
      work = self.held.pop(slot)
      work.moved = self.lane.take(slot)
      full.append(work)
    done = [
      Done(self.held.pop(slot), slot in told.ended, slot not in told.broken)
      for slot in sorted(told.ended | told.broken)
    ]
    return done, full


def _refused(entry: slots.Entry, illegal: np.ndarray) -> RequestError:
  """Returns why a prompt cannot be gone on from."""
  try:
    decode.check_prompts(entry.writer.grammar, entry.batch, illegal)
  except RequestError as error:
    return error
  return RequestError('the prompt is no legal beginning', code='prompt')
