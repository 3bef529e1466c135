"""What a record tells beside the losses: the machine, and where the data is.

Names under `system/` are of this machine and this moment; all others are the
same whenever a run is repeated.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

from aurl_jax.core import system
from aurl_jax.parallel import devices
from aurl_jax.training.callbacks import Context


def _nowhere(data: Any) -> Mapping[str, Any]:
  del data
  return {}


@dataclasses.dataclass(kw_only=True)
class System:
  """Adds to the record what the run takes; to stand right before the `Log`.

  `system/time` (Unix), `step_seconds` (mean of the steps since the last
  record), `data_wait` (share of the time that the loop waited for data),
  `cpu_cores` (cores kept busy), `host_bytes` and `children_bytes` (in
  memory). The first step of a process has no time to tell. And of the fullest
  accelerator `platform`, `device_bytes`, `device_peak_bytes` and
  `device_limit_bytes`, as far as it tells. A CPU does not.

  Attributes:
    every: Steps between records, as of the `Log`.
    position: State of the data iterator -> entries `data/...`.
  """

  every: int
  position: Callable[[Any], Mapping[str, Any]] = _nowhere
  _share: system.CpuShare = dataclasses.field(default_factory=system.CpuShare)
  _steps: int = 0
  _since: float | None = None
  _waited: float = 0.0

  def due(self, context: Context) -> bool:
    """Returns whether a record follows; counts the step."""
    # The clock stands while callbacks run: this is time of steps alone.
    if self._since is None:
      self._since, self._waited = context.clock.seconds, context.waited
    else:
      self._steps += 1
    if context.ending == 'done' or context.record:
      return True
    return self.every > 0 and context.step % self.every == 0

  def __call__(self, context: Context) -> None:
    """Adds the entries."""
    context.record.update(self.position(context.data))
    context.record.update(
      {f'system/{k}': v for k, v in self._found(context).items()}
    )

  def _found(self, context: Context) -> dict[str, Any]:
    now, memory = system.usage(), devices.memory()
    found: dict[str, Any] = {'time': round(time.time(), 3)}
    found |= self._pace(context)
    found['cpu_cores'] = round(self._share(now), 3)
    found |= {'host_bytes': now.rss, 'children_bytes': now.children}
    if memory:
      found['platform'] = devices.platform()
    names = {'used': '', 'peak': '_peak', 'limit': '_limit'}
    return found | {f'device{names[k]}_bytes': v for k, v in memory.items()}

  def _pace(self, context: Context) -> dict[str, float]:
    """Returns the figures of the steps since the last record."""
    steps, self._steps = self._steps, 0
    if not steps or self._since is None:
      return {}
    now = context.clock.seconds
    spent, self._since = max(now - self._since, 1e-9), now
    waited, self._waited = context.waited - self._waited, context.waited
    return {
      'step_seconds': round(spent / steps, 6),
      'data_wait': round(min(1.0, waited / spent), 6),
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flops:
  """Model FLOPs of a record: `system/flops`, a second, and `system/mfu`.

  Attributes:
    per_token: Of training on one token; see `models.flops`.
    peak: FLOP/s of all devices; None leaves out the utilisation.
  """

  per_token: float
  peak: float | None = None

  def __call__(self, record: Mapping[str, Any]) -> dict[str, float]:
    """Returns what follows from the record's tokens a second."""
    flops = record['tokens_per_second'] * self.per_token
    found = {'system/flops': flops}
    if self.peak:
      found['system/mfu'] = round(flops / self.peak, 6)
    return found
