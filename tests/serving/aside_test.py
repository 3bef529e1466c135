import asyncio
import threading

import pytest

from aurl_jax.serving.aside import Aside
from aurl_jax.serving.errors import Overloaded


def test_one_is_done_at_a_time_and_few_wait():
  async def ask():
    aside, go, names = Aside('tests', 3), threading.Event(), []

    def work(number):
      names.append((number, threading.current_thread().name))
      go.wait(30)
      return number * number

    going = [asyncio.ensure_future(aside.run(work, n)) for n in range(3)]
    await asyncio.sleep(0.05)
    with pytest.raises(Overloaded, match='waits for tests') as refused:
      await aside.run(work, 9)
    assert refused.value.retry_after >= 1
    assert len(names) == 1
    go.set()
    assert await asyncio.gather(*going) == [0, 1, 4]
    assert len({name for _, name in names}) == 1
    # What fails makes room, too.
    for _ in range(5):
      with pytest.raises(ZeroDivisionError):
        await aside.run(lambda: 1 // 0)
    return await aside.run(work, 5)

  assert asyncio.run(ask()) == 25
