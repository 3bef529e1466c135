"""The engine: what it writes, for whom, and what it does at too much."""

import dataclasses
import threading
import time
from concurrent import futures

import numpy as np
import pytest

from aurl_jax.generation import decode, retries
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.request import Request
from aurl_jax.generation.wish import Wish
from aurl_jax.serving.engine import Engine
from aurl_jax.serving.errors import (
  Cancelled,
  Draining,
  Expired,
  Failed,
  Overloaded,
)
from aurl_jax.serving.plan import Plan
from tests.serving import stage


@pytest.fixture(scope='module')
def engine():
  with stage.engine_of() as engine:
    yield engine


def ids_of(ticket):
  return [piece.ids.tolist() for piece in ticket.result(120)]


def together(engine, asked):
  tickets = [engine.submit(request) for request in asked]
  return [ids_of(ticket) for ticket in tickets]


def held(engine):
  return sum(len(line.held) for line in engine._lines.values())


def test_pieces_are_those_of_the_library(engine):
  composer = engine.composer
  asked = [
    composer.request(bars=1 + s % 3, seed=11 * s, n=1 + s % 2) for s in range(6)
  ]
  asked += [
    composer.request(bars=2, seed=3, temperature=0.0),
    composer.request(bars=2, seed=3, top_p=0.4),
    composer.request(prompt=stage.TUNE, bars=1, seed=8),
  ]
  tickets = [engine.submit(request) for request in asked]
  for request, ticket in zip(asked, tickets, strict=True):
    expected = composer.generate(request)
    found = ticket.result(120)
    assert [p.ids.tolist() for p in found] == [p.ids.tolist() for p in expected]
    assert [p.report for p in found] == [p.report for p in expected]
    assert [p.midi() for p in found] == [p.midi() for p in expected]


def test_rows_are_drawn_anew_as_the_library_does(engine, monkeypatch):
  # What is wrong with a sample follows from it alone.
  monkeypatch.setattr(
    retries, 'stalled', lambda writer, sample: int(sample.ids.sum()) % 3
  )
  asked = engine.composer.request(bars=1, n=4, seed=5, retries=2)
  ticket = engine.submit(asked)
  expected = engine.composer.generate(asked)
  assert any(piece.retries for piece in expected)
  for ours, theirs in zip(ticket.result(300), expected, strict=True):
    assert ours.ids.tolist() == theirs.ids.tolist()
    assert (ours.seed, ours.retries) == (theirs.seed, theirs.retries)
    assert ours.report == theirs.report


def test_no_settings_of_sampling_need_a_program(engine):
  composer = engine.composer
  extremes = [
    {'temperature': 0.0},
    {'temperature': 1e-30},
    {'temperature': 100.0},
    {'top_p': 1e-30},
    {'top_p': 1.0},
    {'top_k': 1},
    {'top_k': 2**31 - 1},
    {'typical_p': 1e-9},
    {'min_p': 1.0},
    {'temperature': 0.3, 'top_k': 7, 'top_p': 0.2, 'typical_p': 0.9},
    {'seed': 2**63 - 1},
  ]
  # The kind of rows with all filters is compiled once.
  engine.submit(composer.request(bars=1, top_k=3)).result(300)
  lines, programs = len(engine._lines), counted(engine)
  tickets = []
  for number in range(40):
    changes = {'bars': 1, **extremes[number % len(extremes)]}
    changes.setdefault('seed', number)
    changes.setdefault('temperature', 0.5 + number / 100)
    tickets.append(engine.submit(composer.request(**changes)))
  for ticket in tickets:
    assert ticket.result(120)[0].grammatical
  assert len(engine._lines) == lines
  assert counted(engine) == programs


def test_rules_of_new_kinds_wait_for_few_programs(engine, monkeypatch):
  composer = engine.composer
  engine.submit(composer.request(bars=1)).result(300)
  lines = list(engine._lines)
  line = engine._lines[lines[0]]
  for number in range(1, 9):
    monkeypatch.setitem(line.compiled, -number, futures.Future())
  for key in ('C', 'D minor', 'E'):
    asked = composer.request(bars=1, wish=Wish(key=key))
    with pytest.raises(Overloaded) as refused:
      engine.submit(asked)
    assert refused.value.code == 'compiling'
    assert refused.value.retry_after >= 1
  assert list(engine._lines) == lines
  assert engine.submit(composer.request(bars=1)).result(120)


def counted(engine):
  """Programs that the lanes have compiled."""
  return sum(
    function._cache_size()
    for line in engine._lines.values()
    for function in line.lane._programs[1:5]
  )


def test_a_poisoned_row_harms_no_other(engine, monkeypatch):
  composer = engine.composer
  asked = [composer.request(bars=2, seed=50 + s) for s in range(16)]
  expected = together(engine, asked)
  # One cannot be judged, one cannot be told to whoever listens.
  row = composer.row

  def poisoned(request):
    found = row(request)
    if request.seed == 53:
      return found._replace(judge=lambda notes: 1 / 0)
    return found

  monkeypatch.setattr(
    type(composer), 'row', lambda self, request: poisoned(request)
  )
  tickets = [
    engine.submit(
      request, listen=(lambda steps: 1 / 0) if request.seed == 57 else None
    )
    for request in asked
  ]
  for at in (3, 7):
    with pytest.raises(Failed, match='fault of ours'):
      tickets[at].result(120)
  for at, ticket in enumerate(tickets):
    if at not in (3, 7):
      assert ids_of(ticket) == expected[at]


def test_numbers_that_are_none_stay_in_their_row(engine, monkeypatch):
  composer = engine.composer
  asked = [composer.request(bars=2, seed=70 + s) for s in range(16)]
  expected = together(engine, asked)
  rows = decode.Batch.rows

  def poisoned(self, count, room):
    found = rows(self, count, room)
    if self.seeds == [75]:
      return dataclasses.replace(found, uniform=found.uniform * np.nan)
    return found

  monkeypatch.setattr(decode.Batch, 'rows', poisoned)
  tickets = [engine.submit(request) for request in asked]
  tickets[5].future.exception(120)
  for at, ticket in enumerate(tickets):
    if at != 5:
      assert ids_of(ticket) == expected[at]


def test_an_illegal_prompt_is_refused_and_the_rest_goes_on(engine):
  composer = engine.composer
  with pytest.raises(RequestError):
    engine.submit(composer.request(prompt=stage.TUNE, steps=3, bars=0))
  good = engine.submit(composer.request(bars=1, seed=1))
  assert good.result(120)


def test_50_who_leave_free_their_slots(engine):
  composer = engine.composer
  tickets = [engine.submit(composer.request(seed=s, bars=0)) for s in range(50)]
  deadline = time.monotonic() + 60
  while not held(engine) and time.monotonic() < deadline:
    time.sleep(0.001)
  assert held(engine)
  gone = [ticket for ticket in tickets if ticket.cancel()]
  deadline = time.monotonic() + 60
  while (held(engine) or not engine.idle) and time.monotonic() < deadline:
    time.sleep(0.001)
  assert not held(engine)
  assert engine.idle
  # None of them was written to its end for that.
  assert len(gone) > 25
  for ticket in gone:
    with pytest.raises(Cancelled):
      ticket.result(0)
  for ticket in tickets:
    assert ticket.over
  assert engine.submit(composer.request(bars=1)).result(120)
  with pytest.raises(Cancelled):
    [
      t.result(0)
      for t in tickets
      if isinstance(t.future.exception(), Cancelled)
    ]
    raise Cancelled('all had ended')


def test_a_deadline_gives_up(engine):
  composer = engine.composer
  ticket = engine.submit(composer.request(n=40, bars=0), seconds=0.01)
  with pytest.raises(Expired, match='ask for less'):
    ticket.result(30)


def test_steps_are_told_and_begin_anew_with_a_new_try(engine):
  heard = []
  ticket = engine.submit(
    engine.composer.request(n=3, bars=2, seed=5), listen=heard.append
  )
  pieces = ticket.result(120)
  for row, piece in enumerate(pieces):
    last = max(s.attempt for s in heard if s.row == row)
    assert last == len(piece.retries)
    told = [s.ids for s in heard if (s.row, s.attempt) == (row, last)]
    ids = np.concatenate(told)
    np.testing.assert_array_equal(piece.ids[-len(ids) :], ids)


def test_clients_take_turns_and_have_shares():
  plan = Plan(slots=1, room=512, waiting=30, each=20)
  engine = Engine(stage.composer(), plan)
  composer = engine.composer
  try:
    many = [
      engine.submit(composer.request(bars=1, seed=s), client='a')
      for s in range(20)
    ]
    with pytest.raises(Overloaded) as refused:
      engine.submit(composer.request(bars=1), client='a')
    assert 1 <= refused.value.retry_after <= 60
    one = engine.submit(composer.request(bars=1), client='b')
    one.result(300)
    assert sum(ticket.over for ticket in many) < 10, 'b came long before'
    for ticket in many:
      ticket.cancel()
    # What was given up makes room at once.
    assert engine.submit(composer.request(bars=1), client='a').result(300)
  finally:
    engine.close(5)


def test_too_much_is_refused_and_it_recovers(engine):
  composer, refused = engine.composer, []
  until = time.monotonic() + 2
  lock = threading.Lock()

  def ask():
    while time.monotonic() < until:
      try:
        engine.submit(composer.request(n=8, bars=1)).result(60)
      except Overloaded as error:
        with lock:
          refused.append(error.retry_after)
        time.sleep(0.01)

  threads = [threading.Thread(target=ask) for _ in range(16)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert refused
  assert min(refused) >= 1
  assert engine.submit(composer.request(bars=1)).result(60)


def test_it_drains():
  engine = Engine(stage.composer(), stage.PLAN)
  ticket = engine.submit(engine.composer.request(bars=1))
  engine.drain()
  with pytest.raises(Draining):
    engine.submit(engine.composer.request(bars=1))
  assert ticket.result(300)
  engine.close(10)
  late = Engine(stage.composer(), stage.PLAN)
  left = late.submit(Request(bars=1, n=30))
  late.close(0)
  assert left.over


def test_a_fault_of_a_line_fails_its_rows_and_the_engine_goes_on(monkeypatch):
  engine = Engine(stage.composer(), stage.PLAN)
  composer = engine.composer
  try:
    engine.submit(composer.request(bars=1)).result(300)
    (line,) = engine._lines.values()
    monkeypatch.setattr(line, 'block', lambda: 1 / 0)
    with pytest.raises(Failed):
      engine.submit(composer.request(bars=1)).result(60)
    assert engine.submit(composer.request(bars=1)).result(300)
  finally:
    engine.close(5)


def test_too_many_pieces_are_refused(engine):
  with pytest.raises(RequestError, match='65 pieces'):
    engine.submit(Request(n=65))
