"""What becomes of rows that are written: judged, drawn anew, put together."""

import functools
import logging
from collections.abc import Callable, Sequence
from concurrent import futures

import numpy as np

from aurl_jax.core.errors import AurlError
from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.rows import Row
from aurl_jax.generation import arranging, joining
from aurl_jax.generation.decode import Sample
from aurl_jax.generation.legality import first_illegal
from aurl_jax.generation.piece import Piece
from aurl_jax.serving.errors import fault
from aurl_jax.serving.line import Done, Work
from aurl_jax.serving.ticket import Steps, Ticket

_ROWS = 8
"""Rows that the grammar reads at once."""

_log = logging.getLogger(__name__)


class Finisher:
  """Judges rows in a thread of its own, as `Composer.generate` does.

  A row that fails in it fails its own request alone.
  """

  def __init__(
    self, composer: Composer, again: Callable[[Work], None], room: int
  ) -> None:
    """Starts the thread.

    Args:
      composer: The model.
      again: Takes a row that is drawn anew.
      room: Steps that the grammar's program has room for at least.
    """
    self._composer, self._again, self._room = composer, again, room
    self._pool = futures.ThreadPoolExecutor(1, 'aurl-finish')
    self._open: dict[int, tuple[Row, list[Row], list[Piece | None]]] = {}

  def begin(self, ticket: Ticket, row: Row) -> list[Work]:
    """Returns the rows of a request, which is put together when all are back.

    Args:
      ticket: Of the request.
      row: All rows of it.
    """
    each = row.each()
    works = [
      Work(ticket, number, one, joining.entry(*one.drawing))
      for number, one in enumerate(each)
    ]
    self._open[ticket.number] = row, each, [None] * len(each)
    ticket.future.add_done_callback(
      lambda _: self._open.pop(ticket.number, None)
    )
    return works

  def take(self, done: Sequence[Done]) -> None:
    """Takes rows that are written."""
    for first in range(0, len(done), _ROWS):
      part = list(done[first : first + _ROWS])
      tickets = [one.work.ticket for one in part]
      self._submit(functools.partial(self._samples, part), tickets)

  def tell(self, ticket: Ticket, steps: Steps) -> None:
    """Tells steps to whoever listens, before the pieces that they become."""
    if ticket.listen is not None:
      self._submit(functools.partial(ticket.listen, steps), [ticket])

  def warm(self, sizes: Sequence[int]) -> futures.Future[None]:
    """Compiles the grammar's programs for pieces of some lengths."""
    grammar = self._composer.tokenizer.grammar
    fields = len(self._composer.tokenizer.codec.fields)

    def read() -> None:
      for size in sizes:
        piece = np.zeros(
          (min(size, self._composer.model.config.context), fields)
        )
        first_illegal(grammar, [piece.astype(np.int32)], (_ROWS, self._room))

    return self._pool.submit(read)

  def close(self) -> None:
    """Ends the thread."""
    self._pool.shutdown(wait=False, cancel_futures=True)

  def _submit(
    self, work: Callable[[], None], tickets: Sequence[Ticket]
  ) -> None:
    """Runs work; what it raises ends the requests that it is about."""

    def look(future: futures.Future[None]) -> None:
      error = None if future.cancelled() else future.exception()
      if error is None:
        return
      if not isinstance(error, AurlError):
        _log.error('judging failed', exc_info=error)
      for ticket in tickets:
        ticket.fail(fault(error))

    self._pool.submit(work).add_done_callback(look)

  def _samples(self, done: Sequence[Done]) -> None:
    """Looks whether rows are legal, and lets each be judged by itself."""
    ids = [one.work.ids() for one in done]
    grammar = self._composer.tokenizer.grammar
    illegal = first_illegal(grammar, ids, (_ROWS, self._room))
    for one, own, at in zip(done, ids, illegal.tolist(), strict=True):
      sample = Sample(ids=own, ended=one.ended, legal=at < 0, finite=one.finite)
      self._submit(
        functools.partial(self._judge, one.work, sample),
        [one.work.ticket],
      )

  def _judge(self, work: Work, sample: Sample) -> None:
    """Makes a piece of a row, or lets it be drawn anew."""
    found = self._open.get(work.ticket.number)
    if found is None or work.ticket.over:
      return
    whole, each, pieces = found
    # As it was asked for, whatever its seed is at a further try.
    first = each[work.number]
    piece = work.judged(first.tried(sample))
    if piece is None:
      self._again(work.again(first))
      return
    pieces[work.number] = piece
    ready = [one for one in pieces if one is not None]
    if len(ready) == len(pieces):
      work.ticket.answer(
        [
          arranging.arranged(one, whole.request.arrange)
          for one in whole.likeliest(ready)
        ]
      )
