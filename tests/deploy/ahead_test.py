import threading

import pytest

from aurl_jax.deploy.ahead import Rehearsal, Skipping, Thread, Wall
from aurl_jax.music.window import Window

SOON = 20.0


def bar(number, last=True):
  return Window(number, True, last, 4, 1.0, (), ((0, 500_000),), (4, 4), 4)


class Costly:
  """Windows that take so long, by a stopwatch of their own."""

  def __init__(self, costs, lasts=None):
    self.time = 0.0
    self.costs = costs
    self.lasts = lasts or [True] * len(costs)

  def windows(self):
    for number, (cost, last) in enumerate(
      zip(self.costs, self.lasts, strict=True)
    ):
      self.time += cost
      yield bar(number, last)


def test_a_rehearsal_tells_when_a_thread_had_been_ready():
  costly = Costly([1.0, 2.0, 3.0, 1.0])
  ahead = Rehearsal(costly.windows(), 2, lambda: costly.time)
  first = ahead.take(9.0)
  assert (first.window.bar, first.at, first.seconds) == (0, 1.0, 1.0)
  assert ahead.clock.now() == 1.0
  ahead.clock.wait(10.0)
  # Computed meanwhile, the third when the first was taken.
  assert [ahead.take(10.0).at for _ in range(2)] == [3.0, 6.0]
  # Two bars have waited since 6, so that this began when one was taken.
  fourth = ahead.take(11.0)
  assert (fourth.window.bar, fourth.at) == (3, 11.0)
  assert ahead.take(12.0).window is None


def test_a_rehearsal_gives_up_in_time():
  costly = Costly([5.0])
  ahead = Rehearsal(costly.windows(), 1, lambda: costly.time)
  assert ahead.take(2.0) is None
  assert ahead.clock.now() == 2.0
  assert ahead.take(8.0).at == 5.0
  assert ahead.clock.now() == 5.0


def test_parts_of_a_bar_do_not_count_as_bars():
  costly = Costly([1.0, 1.0, 1.0, 1.0], [False, False, True, True])
  ahead = Rehearsal(costly.windows(), 1, lambda: costly.time)
  assert [ahead.take(9.0).at for _ in range(3)] == [1.0, 2.0, 3.0]
  ahead.clock.wait(7.0)
  # One bar may wait: the next was begun when the first was taken, at 3.
  assert ahead.take(9.0).at == 4.0


def test_a_thread_works_ahead_by_so_many_bars_and_no_more():
  begun = threading.Semaphore(0)

  def windows():
    for number in range(5):
      begun.release()
      yield bar(number)

  ahead = Thread(windows(), 2)
  for _ in range(2):
    assert begun.acquire(timeout=SOON)
  # Two are waiting: a third is not begun.
  assert not begun.acquire(timeout=0.05)
  found = [ahead.take(ahead.clock.now() + SOON) for _ in range(6)]
  assert [one.window and one.window.bar for one in found] == [
    *range(5),
    None,
  ]
  assert all(one.seconds >= 0 for one in found)
  ahead.close()


def test_a_thread_that_is_late_is_not_waited_for():
  go = threading.Event()

  def windows():
    go.wait(SOON)
    yield bar(0)

  ahead = Thread(windows(), 1)
  assert ahead.take(ahead.clock.now() + 0.01) is None
  go.set()
  assert ahead.take(ahead.clock.now() + SOON).window.bar == 0
  ahead.close()


def test_what_a_thread_raises_is_raised_where_it_is_waited_for():
  def windows():
    yield bar(0)
    raise ValueError('broken')

  ahead = Thread(windows(), 3)
  assert ahead.take(ahead.clock.now() + SOON).window.bar == 0
  with pytest.raises(ValueError, match='broken'):
    ahead.take(ahead.clock.now() + SOON)
  ahead.close()


def test_a_thread_that_is_closed_computes_no_more():
  count = 0

  def windows():
    nonlocal count
    while True:
      count += 1
      yield bar(count)

  ahead = Thread(windows(), 1)
  ahead.take(ahead.clock.now() + SOON)
  ahead.close()
  assert not ahead._thread.is_alive()
  assert count <= 2


def test_clocks_wait_until_their_time():
  for clock in (Wall(), Skipping()):
    until = clock.now() + 0.002
    clock.wait(until)
    assert clock.now() >= until
    now = clock.now()
    clock.wait(until - 1)
    assert clock.now() - now < 0.5
