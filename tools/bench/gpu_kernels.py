"""Which kernels of a GPU take how long, from a trace of the profiler."""

import collections
import json
import pathlib
import re
import tempfile
from collections.abc import Callable

import jax

_SHOWN = 24
_NAME = 90


def report(work: Callable[[], object], steps: int) -> None:
  """Prints milliseconds a step of the kernels of `work`, longest first.

  Args:
    work: Does the steps, and waits for them.
    steps: How many.
  """
  line: dict[str, object] = {'bench': 'gpu.kernels'}
  with tempfile.TemporaryDirectory() as folder:
    try:
      with jax.profiler.trace(folder):
        work()
      line |= _summed(pathlib.Path(folder), steps)
    # A profiler that is missing or refused must not end a measurement.
    except Exception as error:  # noqa: BLE001
      line['error'] = f'{type(error).__name__}: {error}'[:300]
  print(json.dumps(line), flush=True)


def _summed(folder: pathlib.Path, steps: int) -> dict[str, object]:
  total: collections.Counter[str] = collections.Counter()
  for path in folder.rglob('*.xplane.pb'):
    data = jax.profiler.ProfileData.from_file(str(path))
    for plane in data.planes:
      if not plane.name.startswith('/device:GPU'):
        continue
      for line in plane.lines:
        if not line.name.startswith('Stream'):
          continue
        for event in line.events:
          # Numbers tell instances of one kernel apart.
          name = re.sub(r'(_\d+|\.\d+)+(?=$|[^\w])', '', event.name)
          total[name[:_NAME]] += event.duration_ns
  scale = 1e6 * steps
  return {
    'busy_ms': round(sum(total.values()) / scale, 2),
    'kernels_ms': {
      name: round(value / scale, 2) for name, value in total.most_common(_SHOWN)
    },
  }
