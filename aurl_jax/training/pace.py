"""How long a run will take, said as soon as it can be known."""

import dataclasses
from collections.abc import Callable

from aurl_jax.training.callbacks import Context

_MEASURED = 2
"""Steps that are timed, behind the first one, which compiles."""


@dataclasses.dataclass(kw_only=True)
class Pace:
  """Times the steps behind the first one, and tells once what that means.

  Attributes:
    tell: Called with seconds a step and how many steps are left.
    steps: Of the whole run.
  """

  tell: Callable[[float, int], None]
  steps: int
  _since: float = 0.0

  def due(self, context: Context) -> bool:
    """Returns whether the measure begins or ends with this step."""
    return context.step - context.first in (1, 1 + _MEASURED)

  def __call__(self, context: Context) -> None:
    """Begins the measure, or ends and tells it."""
    if context.step == context.first + 1:
      self._since = context.clock.seconds
      return
    seconds = (context.clock.seconds - self._since) / _MEASURED
    self.tell(seconds, self.steps - context.step)
