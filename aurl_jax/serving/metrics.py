"""Numbers of a server, in the text format 0.0.4 of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats. Names and labels
are ours alone: nothing that a client sends becomes one, so that there are only
so many of them.
"""

import bisect
import threading
from collections.abc import Callable, Sequence

SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Bounds of the buckets of times."""

Labels = tuple[tuple[str, str], ...]


class Metrics:
  """Counters, times and gauges; safe for several threads."""

  def __init__(self, prefix: str = 'aurl') -> None:
    """Takes what all names begin with."""
    self._prefix, self._lock = prefix, threading.Lock()
    self._counts: dict[str, dict[Labels, float]] = {}
    self._times: dict[str, dict[Labels, list[float]]] = {}
    self._gauges: dict[str, Callable[[], float | int]] = {}

  def count(self, name: str, by: float | int = 1, **labels: str) -> None:
    """Adds to a counter."""
    key = tuple(sorted(labels.items()))
    with self._lock:
      found = self._counts.setdefault(name, {})
      found[key] = found.get(key, 0) + by

  def time(self, name: str, seconds: float | int, **labels: str) -> None:
    """Adds a time to a histogram."""
    key = tuple(sorted(labels.items()))
    with self._lock:
      found = self._times.setdefault(name, {})
      row = found.setdefault(key, [0.0] * (len(SECONDS) + 2))
      # Buckets, those beyond the last, and the sum.
      row[bisect.bisect_left(SECONDS, seconds)] += 1
      row[-1] += seconds

  def gauge(self, name: str, value: Callable[[], float | int]) -> None:
    """Names what tells a value whenever it is asked for."""
    self._gauges[name] = value

  def counted(self, name: str, **labels: str) -> float | int:
    """Returns a counter."""
    with self._lock:
      found = self._counts.get(name, {})
      return found.get(tuple(sorted(labels.items())), 0)

  def text(self) -> str:
    """Returns all, as a page for Prometheus."""
    with self._lock:
      counts = {name: dict(rows) for name, rows in self._counts.items()}
      times = {
        name: {key: list(row) for key, row in rows.items()}
        for name, rows in self._times.items()
      }
    lines: list[str] = []
    for name, rows in sorted(counts.items()):
      lines.append(f'# TYPE {self._prefix}_{name}_total counter')
      lines += [
        f'{self._prefix}_{name}_total{_labels(key)} {_number(value)}'
        for key, value in sorted(rows.items())
      ]
    for name, value in sorted(self._gauges.items()):
      lines.append(f'# TYPE {self._prefix}_{name} gauge')
      lines.append(f'{self._prefix}_{name} {_number(value())}')
    for name, spread in sorted(times.items()):
      lines.append(f'# TYPE {self._prefix}_{name}_seconds histogram')
      for key, row in sorted(spread.items()):
        lines += self._histogram(f'{self._prefix}_{name}_seconds', key, row)
    return '\n'.join(lines) + '\n'

  def _histogram(
    self, name: str, key: Labels, row: Sequence[float]
  ) -> list[str]:
    """Returns the lines of one histogram."""
    total, lines = 0.0, []
    for bound, count in zip((*SECONDS, None), row[:-1], strict=True):
      total += count
      told = '+Inf' if bound is None else f'{bound:g}'
      labels = _labels((*key, ('le', told)))
      lines.append(f'{name}_bucket{labels} {_number(total)}')
    lines.append(f'{name}_sum{_labels(key)} {_number(row[-1])}')
    lines.append(f'{name}_count{_labels(key)} {_number(total)}')
    return lines


def _labels(key: Labels) -> str:
  if not key:
    return ''
  told = ','.join(f'{name}="{_escaped(value)}"' for name, value in key)
  return '{' + told + '}'


def _number(value: float | int) -> str:
  """Returns a number with all its digits: counters grow large."""
  return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(value: str) -> str:
  for plain, told in (('\\', '\\\\'), ('"', '\\"'), ('\n', '\\n')):
    value = value.replace(plain, told)
  return value
