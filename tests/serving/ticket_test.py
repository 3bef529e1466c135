import asyncio

import pytest

from aurl_jax.generation.request import Request
from aurl_jax.serving.errors import Cancelled, Expired
from aurl_jax.serving.ticket import Ticket


def test_a_ticket_ends_once():
  ticket = Ticket(Request(), 'a', 1.0)
  assert not ticket.over
  with pytest.raises(TimeoutError):
    ticket.result(0)
  assert ticket.cancel('gone')
  assert not ticket.answer([])
  assert not ticket.fail(Expired('late'))
  with pytest.raises(Cancelled, match='gone'):
    ticket.result(0)


def test_who_stops_waiting_does_not_end_it():
  ticket = Ticket(Request(), 'a', 1.0)

  async def wait():
    task = asyncio.wrap_future(ticket.future)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)

  asyncio.run(wait())
  assert not ticket.over
  assert ticket.answer([])
  assert ticket.result(0) == []
