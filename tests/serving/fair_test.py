import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurl_jax.serving.fair import FairQueue


@given(st.lists(st.sampled_from('abc'), max_size=40), st.sampled_from('abc'))
def test_clients_take_turns_in_their_own_order(asked, gone):
  queue = FairQueue()
  for number, client in enumerate(asked):
    queue.put(client, (client, number))
  dropped = queue.drop(lambda item: item[0] == gone)
  assert len(dropped) == asked.count(gone)
  left = [client for client in asked if client != gone]
  assert len(queue) == len(left)
  found = []
  while len(queue):
    found.append(queue.pop())
  for client in set(left):
    own = [number for name, number in found if name == client]
    assert own == sorted(own)
  # While several have something to wait for, nobody gets two more than others.
  waiting, served = collections.Counter(left), collections.Counter()
  for client, _ in found:
    served[client] += 1
    waiting[client] -= 1
    behind = [served[c] for c in set(left) if waiting[c] > 0]
    assert not behind or served[client] - min(behind) <= 1


def test_an_empty_queue_has_no_next():
  with pytest.raises(IndexError, match='nothing waits'):
    FairQueue().pop()
  with pytest.raises(IndexError, match='nothing waits'):
    FairQueue().peek()
