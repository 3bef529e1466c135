"""Metrics summed on the devices between two looks from the host."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from aurl_jax.core.errors import AurlError


class TrainingError(AurlError):
  """Training that cannot go on; says at which step and what to change."""


AUXILIARY = 'aux/'
"""Begins the names of sums of auxiliary losses, in units of target ids."""
_LAST = ('learning_rate', 'loss_scale', 'streak', 'cause')
"""Metrics that keep their last value; all others add up."""
_RATIO = 'ratio/'
"""Begins the names of sums that are pairs: a sum, and its divisor."""
_SHOWN = ('skipped', 'learning_rate', 'loss_scale')
"""Metrics that a summary has as they are, where there are any."""


@jax.jit
def _add(
  total: dict[str, jax.Array], more: dict[str, jax.Array]
) -> dict[str, jax.Array]:
  result = {name: total[name] + value for name, value in more.items()}
  result |= {name: more[name] for name in _LAST if name in more}
  result['steps'] = total['steps'] + 1
  return result


class Totals:
  """Running sums of the metrics of steps, kept on the devices.

  Adding never waits for a device; `fetch` and `save` do. The saved form is
  JSON, exact for float32, so that a resumed run logs the same averages.
  """

  def __init__(self, saved: Mapping[str, Any] | None = None) -> None:
    self._total: dict[str, Any] = {}
    for name, (kind, values) in (saved or {}).items():
      self._total[name] = np.array(values, kind)

  def add(self, metrics: Mapping[str, jax.Array]) -> None:
    """Adds the metrics of one step or of one evaluated batch."""
    if not self._total:
      self._total = {
        name: np.zeros(x.shape, x.dtype) for name, x in metrics.items()
      }
      self._total['steps'] = np.int32(0)
    self._total = _add(self._total, dict(metrics))

  def fetch(self) -> dict[str, np.ndarray]:
    """Returns the sums since the last `reset`; waits for the devices."""
    return jax.tree.map(np.asarray, jax.device_get(self._total))

  def reset(self) -> None:
    """Starts again from nothing."""
    self._total = {}

  def save(self) -> dict[str, Any]:
    """Returns the sums as JSON: name -> [dtype, values]."""
    fetched = self.fetch().items()
    return {name: [str(x.dtype), x.tolist()] for name, x in fetched}


def summary(
  total: Mapping[str, np.ndarray], fields: Sequence[str] = ()
) -> dict[str, float]:
  """Returns means from fetched sums.

  Args:
    total: Sums of `losses.sums`, and perhaps others of `update.apply`.
    fields: Names of the fields, for one `nats/NAME` each; by default none.

  Returns:
    `loss`: nats a target id. `accuracy`: share of ids ranked first.
    `objective`: what was minimised, an id. `tokens`: steps with anything to
    predict. `nats/NAME`: nats a counted id of the field. `NAME` for each
    pair `ratio/NAME`: its quotient. Then whatever of
    `skipped` (steps), `grad_norm` (mean of the others), `learning_rate` and
    `loss_scale` there is. If all steps were skipped, no means. `aux/NAME`:
    the mean of each auxiliary loss.
  """
  skipped = float(total.get('skipped', 0))
  done = float(total.get('steps', 0)) - skipped
  result: dict[str, Any] = {'tokens': total['tokens']}
  if done or not skipped:
    result |= _means(total, fields)
  if 'grad_norm' in total and done:
    result['grad_norm'] = float(total['grad_norm']) / done
  result |= {name: total[name] for name in _SHOWN if name in total}
  return {name: float(value) for name, value in result.items()}


def _means(
  total: Mapping[str, np.ndarray], fields: Sequence[str]
) -> dict[str, Any]:
  counts = np.asarray(total['counts'], np.float64)
  nats = np.asarray(total['nats'], np.float64)
  ids = max(1.0, counts.sum())
  result = {
    'loss': nats.sum() / ids,
    'objective': float(total['objective']) / ids,
    'accuracy': np.asarray(total['correct'], np.float64).sum() / ids,
  }
  for name, value in total.items():
    if name.startswith(AUXILIARY):
      result[name] = float(value) / ids
  for name, value, count in zip(fields, nats, counts, strict=bool(fields)):
    result[f'nats/{name}'] = value / max(1.0, count)
  for name, pair in total.items():
    if name.startswith(_RATIO) and pair[1]:
      result[name.removeprefix(_RATIO)] = pair[0] / pair[1]
  return result
