"""How fast and how large a model is: figures, kept, and held against earlier.

A bench of one model on one machine: how long it takes to load and to compile,
how many pieces, steps and notes it writes a second, how long a listener waits
for one piece, how much memory and how many bytes that takes. Each run is a line
of a history file; a later one is judged by its ratios to the median of those
before it that were made alike: same machine, same model, same work.
"""

import datetime
import json
import os
import pathlib
import platform
import resource
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax

import aurl_jax
from aurl_jax.core import files
from aurl_jax.core.errors import AurlError
from aurl_jax.deploy.composer import Composer
from aurl_jax.experiment import generate
from aurl_jax.generation.request import Request

HISTORY = 'aurl_bench.jsonl'
"""Name of the file, in the folder where the verb is called."""
BEFORE = 5
"""Earlier runs that a figure is held against."""
LESS = ('_s', '_ms', '_mb', 'bytes')
"""Endings of figures of which less is better; of others more is."""
SETTINGS = ('machine', 'model', 'bars', 'batches', 'jax')
"""What runs must share to be compared."""
_PERCENTILES = {'p50': 0.5, 'p90': 0.9, 'p99': 0.99}


class BenchError(AurlError):
  """A bench that cannot be made, or a history that cannot be read."""


def run(
  model: str,
  *,
  bars: int = 8,
  batches: Sequence[int] = (1, 16),
  rounds: int = 5,
  history: files.StrPath = HISTORY,
  tolerance: float = 0.8,
) -> dict[str, Any]:
  """Measures a model, keeps the figures and holds them against earlier ones.

  Args:
    model: A run, a bundle or a shipped name.
    bars: Of each piece.
    batches: Pieces that are written at once.
    rounds: Times that each batch is written after it has been compiled.
    history: The file of earlier runs, one a line; '' keeps none.
    tolerance: Share of the earlier speed that must be left, 0..1.

  Returns:
    `machine`, `model`, `figures` by name (see `measure`), `ratios` to the
    median of earlier runs, above 1 for better, `slower`, the names of those
    below the tolerance, and `compared`, how many earlier runs there were.

  Raises:
    BenchError: No batch or round, or a history that cannot be read.
    RequestError: The model cannot write so many bars.
  """
  if rounds < 1 or not batches or min(batches) < 1 or not 0 <= tolerance <= 1:
    raise BenchError(
      f'{rounds} rounds of batches {list(batches)} with a tolerance of '
      f'{tolerance}: rounds and batches must be 1 or more, the tolerance 0..1',
      code='bench',
    )
  earlier = _read(pathlib.Path(history)) if str(history) else []
  figures = measure(model, bars, batches, rounds)
  entry: dict[str, Any] = {
    'date': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
    'machine': machine(),
    'jax': jax.__version__,
    'version': aurl_jax.__version__,
    'model': model,
    'bars': bars,
    'batches': list(batches),
    'figures': figures,
  }
  alike = [one for one in earlier if _alike(one, entry)][-BEFORE:]
  compared = ratios(figures, [one['figures'] for one in alike])
  if str(history):
    _append(pathlib.Path(history), entry)
  slower = sorted(name for name, x in compared.items() if x < tolerance)
  return {**entry, 'compared': len(alike), 'ratios': compared, 'slower': slower}


def machine() -> str:
  """Returns what figures depend on: processor, cores and devices."""
  devices = jax.devices()
  kind = f'{len(devices)} x {devices[0].device_kind}'
  cores = (
    len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else 0
  )
  return f'{_processor()}, {cores or os.cpu_count()} cores, {kind}'


def _processor() -> str:
  """Returns the name of the processor, as far as the system tells it."""
  path = pathlib.Path('/proc/cpuinfo')
  if path.exists():
    for line in path.read_text(errors='replace').splitlines():
      name, _, value = line.partition(':')
      if name.strip() == 'model name':
        return value.strip()
  return platform.processor() or platform.machine()


def measure(
  model: str, bars: int, batches: Sequence[int], rounds: int
) -> dict[str, float]:
  """Returns the figures of a model.

  Returns:
    `load_s`; `parameters`; `weights_bytes`, of the parameters as they lie in
    memory; of each batch, such as `batch16/`: `compile_s`, the first request
    less the median of later ones, `pieces_per_second`, `notes_per_second` and
    `steps_per_second`, medians of the rounds, and `p50_ms`, `p90_ms` and
    `p99_ms`, until all of it is there; `peak_mb`, the largest resident size
    of the process until then (10^6 bytes).
  """
  begun = time.perf_counter()
  composer = generate.load(model)
  leaves = jax.tree.leaves(composer.params)
  figures: dict[str, float] = {
    'load_s': time.perf_counter() - begun,
    'parameters': float(sum(leaf.size for leaf in leaves)),
    'weights_bytes': float(sum(leaf.nbytes for leaf in leaves)),
  }
  for batch in batches:
    found = _batch(composer, bars, batch, rounds)
    figures |= {f'batch{batch}/{name}': x for name, x in found.items()}
  figures['peak_mb'] = _peak() / 1e6
  return {name: round(value, 4) for name, value in figures.items()}


def _peak() -> int:
  """Returns the largest resident size of this process, in bytes."""
  found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  return found if sys.platform == 'darwin' else found * 1024


def _batch(
  composer: Composer, bars: int, batch: int, rounds: int
) -> dict[str, float]:
  """Returns how fast batches of a size are written."""
  changes = {**composer.defaults, 'bars': bars, 'n': batch}
  took, notes, steps = [], [], []
  for number in range(rounds + 1):
    request = Request(**changes, seed=number * batch)
    begun = time.perf_counter()
    pieces = composer.generate(request)
    took.append(time.perf_counter() - begun)
    notes.append(sum(len(piece.notes) for piece in pieces))
    steps.append(sum(len(piece.ids) for piece in pieces))
  first, later = took[0], took[1:]
  return {
    'compile_s': max(first - statistics.median(later), 0.0),
    'pieces_per_second': batch / statistics.median(later),
    'notes_per_second': _rate(notes[1:], later),
    'steps_per_second': _rate(steps[1:], later),
    **{
      f'{name}_ms': 1000 * _quantile(later, share)
      for name, share in _PERCENTILES.items()
    },
  }


def _rate(counts: Sequence[int], seconds: Sequence[float]) -> float:
  """Returns the median of what was written a second."""
  pairs = zip(counts, seconds, strict=True)
  return statistics.median(count / took for count, took in pairs)


def _quantile(values: Sequence[float], share: float) -> float:
  """Returns the least value that so large a share of all does not exceed."""
  ordered = sorted(values)
  return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def ratios(
  figures: Mapping[str, float], earlier: Sequence[Mapping[str, float]]
) -> dict[str, float]:
  """Returns how figures compare with the medians of earlier ones.

  Above 1 is better, whichever way a figure goes. Figures that earlier runs do
  not have, and those that are 0 in either, are left out.

  Example:
    >>> ratios({'load_s': 2.0, 'pieces_per_second': 30},
    ...        [{'load_s': 1.0, 'pieces_per_second': 20}])
    {'load_s': 0.5, 'pieces_per_second': 1.5}
  """
  found = {}
  for name, value in figures.items():
    known = [one[name] for one in earlier if one.get(name)]
    if not known or not value:
      continue
    before = statistics.median(known)
    less = name.endswith(LESS) or name == 'parameters'
    found[name] = round(before / value if less else value / before, 4)
  return found


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
  return all(one.get(name) == other[name] for name in SETTINGS)


def _read(path: pathlib.Path) -> list[dict[str, Any]]:
  """Returns the earlier runs; of no file none."""
  if not path.exists():
    return []
  entries = []
  for number, line in enumerate(path.read_text().splitlines(), start=1):
    try:
      entry = json.loads(line)
      _ = entry['figures'].items()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
      raise BenchError(
        f'{path}, line {number}: not a bench ({error}); delete the line, or '
        'name another file with --history',
        code='history',
      ) from error
    entries.append(entry)
  return entries


def _append(path: pathlib.Path, entry: Mapping[str, Any]) -> None:
  """Adds a line; the file is replaced as a whole."""
  before = path.read_text() if path.exists() else ''
  files.write_atomic(path, before + json.dumps(entry) + '\n')


def table(result: Mapping[str, Any]) -> list[tuple[str, str, str]]:
  """Returns name, figure and ratio of each figure, for people."""
  return [
    (name, _shown(value), f'{result["ratios"].get(name, float("nan")):.2f}')
    for name, value in result['figures'].items()
  ]


def _shown(value: float) -> str:
  return f'{value:,.0f}' if abs(value) >= 100 else f'{value:.3g}'
