import math
import re
import threading

from aurl_jax.serving.metrics import SECONDS, Metrics

LINE = re.compile(
  r'[a-z_]+(\{([a-z]+="(\\.|[^"\\\n])*",?)+\})? (-?[\d.e+-]+|\+Inf)'
)


def values(text):
  """Name and labels -> value, of a page of Prometheus."""
  found = {}
  for line in text.splitlines():
    if not line.startswith('#'):
      assert LINE.fullmatch(line), line
      name, _, value = line.rpartition(' ')
      found[name] = float(value)
  return found


def test_times_fall_into_buckets_that_add_up():
  metrics = Metrics()
  told = [0.001, 0.01, 0.5, 2.0, 1000.0]
  for seconds in told:
    metrics.time('block', seconds, of='a')
  found = values(metrics.text())
  for bound in (*SECONDS, math.inf):
    label = '+Inf' if bound == math.inf else f'{bound:g}'
    name = f'aurl_block_seconds_bucket{{of="a",le="{label}"}}'
    assert found[name] == sum(seconds <= bound for seconds in told)
  assert found['aurl_block_seconds_count{of="a"}'] == len(told)
  assert math.isclose(found['aurl_block_seconds_sum{of="a"}'], sum(told))


def test_labels_cannot_leave_their_quotes():
  metrics = Metrics()
  metrics.count('requests', of='a"} 1\nforged 2\\')
  metrics.gauge('now', lambda: 3)
  found = values(metrics.text())
  assert len(found) == 2
  assert found['aurl_now'] == 3


def test_threads_lose_no_count():
  metrics = Metrics()

  def work():
    for _ in range(1000):
      metrics.count('steps', 2, of='a')

  threads = [threading.Thread(target=work) for _ in range(8)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert metrics.counted('steps', of='a') == 16_000
