"""Stops a run whose latents have come to say nothing, and says what shows it.

Goes by the figures of `training.telemetry` in the record that evaluation
fills, so it stands behind `Evaluate` and before the log.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from aurl_jax.training.callbacks import Context
from aurl_jax.training.metrics import TrainingError

_GAP = 0.01
"""Share of the nats that another piece's latents must cost more."""
_PREFIX = 'valid/latents/'


@dataclasses.dataclass(kw_only=True)
class Collapse:
  """A callback that raises once a collapse has been seen often enough.

  Attributes:
    patience: Evaluations in a row that may show it.
    bad: How many there have been.
  """

  patience: int
  bad: int = 0

  def due(self, context: Context) -> bool:
    """Returns whether latents were judged after this step."""
    return f'{_PREFIX}gap' in context.record

  def __call__(self, context: Context) -> None:
    """Counts; raises TrainingError (code `collapse`) when it is over."""
    signals = shown(context.record)
    self.bad = self.bad + 1 if signals else 0
    if self.bad >= self.patience:
      raise TrainingError(
        f'step {context.step}: the latents have collapsed: '
        + '; '.join(signals)
        + '. Lower elbo.beta, raise elbo.free_bits or model.latent.drop, or '
        "anneal (elbo.schedule='linear'), and begin anew",
        code='collapse',
      )

  def save(self) -> dict[str, Any]:
    """Returns the count."""
    return {'bad': self.bad}

  def load(self, saved: Mapping[str, Any]) -> None:
    """Takes back what `save` returned."""
    self.bad = int(saved['bad'])


def shown(record: Mapping[str, Any]) -> list[str]:
  """Returns the signals of a collapse that a record shows, as texts."""
  signals = []
  units, of, gap = (
    float(record[f'{_PREFIX}{name}']) for name in ('units', 'units_of', 'gap')
  )
  if units < 1:
    signals.append(f'none of {of:.0f} dims is active (latents/units)')
  if not gap >= _GAP:
    signals.append(
      f'the latents of another piece cost {100 * gap:.2f} % more nats, less '
      f'than {100 * _GAP:.0f} % (latents/gap)'
    )
  return signals
