"""What a run's folder tells at one moment, whoever writes to it meanwhile.

Read from files alone, without jax: `aurl watch` and `aurl compare` look at
runs of other processes, finished, running and dead ones.
"""

import dataclasses
import itertools
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aurl_jax.core import logline
from aurl_jax.core.writers import read_jsonl
from aurl_jax.experiment import status
from aurl_jax.experiment.workdir import Workdir

_TAIL = 1 << 16
"""Bytes of the log that are searched for warnings."""
_WARNINGS = 5
_PACE = 20
"""Records that the time left is told from."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Snapshot:
  """A run as its files tell.

  Attributes:
    folder: The run's folder.
    config: As stored.
    records: All whole records.
    status: As of `status.read`.
    warnings: The last entries of the log from WARNING on, oldest first.
    samples: Paths of MIDI files, inside the folder; the newest first.
    saved: Steps of the checkpoints -> when they were written, Unix time.
    now: When this was read, Unix time.
  """

  folder: Workdir
  config: Mapping[str, Any]
  records: Sequence[Mapping[str, Any]]
  status: Mapping[str, Any]
  warnings: Sequence[logline.Entry]
  samples: Sequence[str]
  saved: Mapping[int, float]
  now: float | int

  @property
  def name(self) -> str:
    """The folder's own name."""
    return self.folder.root.resolve().name

  @property
  def state(self) -> str:
    """As of `status.read`."""
    return str(self.status['state'])

  @property
  def step(self) -> int:
    """Steps done, as far as is known."""
    return int(self.records[-1]['step']) if self.records else 0

  @property
  def steps(self) -> int:
    """Steps of the whole run."""
    return int(self.config['train']['steps'])

  def last(self, name: str) -> Any:
    """Returns the last value of an entry, or None."""
    found = (r[name] for r in reversed(self.records) if name in r)
    return next(found, None)

  def total(self, name: str) -> int:
    """Returns the sum of an entry over the run, such as `skipped`."""
    values = (record.get(name) for record in self.records)
    return sum(int(value) for value in values if isinstance(value, int | float))

  @property
  def seconds_left(self) -> float | None:
    """How long it will take from now on, callbacks and all, if it runs."""
    if self.state != 'running':
      return None
    stamps = [
      (record['step'], record['system/time'])
      for record in self.records[-_PACE:]
      if 'system/time' in record
    ]
    paces = [
      (after[1] - before[1]) / (after[0] - before[0])
      for before, after in itertools.pairwise(stamps)
      if after[0] > before[0] and after[1] > before[1]
    ]
    if not paces:
      return None
    left = (self.steps - self.step) * statistics.fmean(paces)
    return max(0.0, left - (self.now - stamps[-1][1]))


def read(folder: Workdir, now: float | int | None = None) -> Snapshot:
  """Returns what a run's folder tells now.

  Args:
    folder: The run's folder.
    now: Unix time; by default that of the clock.

  Raises:
    ConfigError: There is no run in the folder.
  """
  now = time.time() if now is None else now
  return Snapshot(
    folder=folder,
    config=folder.read_config(),
    records=read_jsonl(folder.metrics),
    status=status.read(folder.root, now),
    warnings=_warnings(folder),
    samples=_samples(folder),
    saved=folder.saved,
    now=now,
  )


def _warnings(folder: Workdir) -> list[logline.Entry]:
  try:
    with (folder.root / 'logs' / 'run.log').open('rb') as file:
      file.seek(0, 2)
      file.seek(max(0, file.tell() - _TAIL))
      text = file.read().decode('utf-8', 'replace')
  except OSError:
    return []
  grave = ('WARNING', 'ERROR', 'CRITICAL')
  found = [entry for entry in logline.parse(text) if entry.level in grave]
  return found[-_WARNINGS:]


def _samples(folder: Workdir) -> list[str]:
  found = []
  for path in folder.samples.rglob('*.mid'):
    try:
      found.append((path.stat().st_mtime, path))
    except FileNotFoundError:
      continue
  newest = sorted(found, key=lambda pair: (-pair[0], pair[1].name))
  return [path.relative_to(folder.root).as_posix() for _, path in newest]
