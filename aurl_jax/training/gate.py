"""When the critic may teach: once it is good, and until it does harm.

Stands behind `Evaluate`, whose nats of the validation split it goes by. The
gate opens when the critic, past its warm-up, puts enough held-out scores on
their side. When the nats have risen by more than the tolerance above their
least, the generator goes back to where they were least, and the gate stays
shut until they are below that again.
"""

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aurl_jax.core import random
from aurl_jax.core.errors import DataError
from aurl_jax.core.typing import Batch
from aurl_jax.training import feed
from aurl_jax.training.callbacks import Context
from aurl_jax.training.game import Game, figures
from aurl_jax.training.gan import Gan, GanConfig
from aurl_jax.training.state import TrainState
from aurl_jax.training.watch import Back

Judge = Callable[[TrainState], Mapping[str, float]]
"""From a state to figures of the critic, `accuracy` among them."""
_GENERATOR = ('params', 'opt', 'ema', 'average')
_METRIC = 'valid/loss'
_log = logging.getLogger(__name__)


class Gate:
  """A callback that opens and shuts `state['gan']['open']`."""

  def __init__(
    self, config: GanConfig, judge: Judge, back: Back | None = None
  ) -> None:
    """Begins shut.

    Args:
      config: Of the critic.
      judge: Says how good it is.
      back: Where the generator goes back to; None lets it stay.
    """
    self._config, self._judge, self._back = config, judge, back
    self.least, self.step, self.rollbacks = math.inf, 0, 0

  def due(self, context: Context) -> bool:
    """Returns whether there was an evaluation after this step."""
    return _METRIC in context.record

  def __call__(self, context: Context) -> None:
    """Judges the critic, into the record, and moves the gate."""
    found = dict(self._judge(context.state))
    nats, state = float(context.record[_METRIC]), context.state
    is_open = bool(state['gan']['open'])
    risen = not nats <= self.least * (1 + self._config.tolerance)
    if nats < self.least:
      self.least, self.step = nats, context.step
    if risen and is_open:
      context.state = _gated(self._went_back(context, nats), 0)
    elif not risen and not is_open and self._is_good(context, found):
      _log.info(
        'step %d: the critic has %.1f %% of held-out scores on their side, '
        'and teaches from now on',
        context.step,
        100 * found['accuracy'],
      )
      context.state = _gated(state, 1)
    gan = context.state['gan']
    found |= {
      'open': float(gan['open']),
      'share': int(gan['on']) / context.step,
      'rollbacks': self.rollbacks,
    }
    context.record.update({f'valid/gan/{k}': v for k, v in found.items()})

  def save(self) -> dict[str, Any]:
    """Returns what it remembers; JSON has no infinity."""
    least = None if math.isinf(self.least) else self.least
    return {'least': least, 'step': self.step, 'rollbacks': self.rollbacks}

  def load(self, saved: Mapping[str, Any]) -> None:
    """Takes back what `save` returned."""
    least = saved['least']
    self.least = math.inf if least is None else float(least)
    self.step, self.rollbacks = int(saved['step']), int(saved['rollbacks'])

  def _is_good(self, context: Context, found: Mapping[str, float]) -> bool:
    """Whether the critic may begin to teach."""
    ready = context.step >= self._config.warmup
    return ready and found['accuracy'] > self._config.accuracy

  def _went_back(self, context: Context, nats: float) -> TrainState:
    """Returns the state with an earlier generator; the rest goes on."""
    state, share = context.state, nats / self.least - 1
    what = f'the reconstruction has risen by {100 * share:.1f} % to {nats:.4f}'
    if self._back is None:
      _log.warning('step %d: %s; the gate shuts', context.step, what)
      return state
    earlier = self._back(self.step)
    self.rollbacks += 1
    _log.warning(
      'step %d: %s; the generator goes back to step %d, and the gate shuts',
      context.step,
      what,
      int(earlier['step']),
    )
    parts = {name: earlier[name] for name in _GENERATOR if name in state}
    # The learning rate goes back with the optimizer's own count.
    guard = state['guard'] | {'updates': earlier['guard']['updates']}
    return state | parts | {'guard': guard}


def _gated(state: TrainState, value: int) -> TrainState:
  """Returns the state with the gate open (1) or shut (0), its ramp anew."""

  def replaced(name: str, value: int) -> jax.Array:
    old = state['gan'][name]
    return jax.device_put(np.asarray(value, old.dtype), old.sharding)

  moved = {'open': replaced('open', value), 'since': replaced('since', 0)}
  return state | {'gan': state['gan'] | moved}


def make_judge(
  gan: Gan,
  batches: Callable[[], Iterable[Batch]],
  mesh: jax.sharding.Mesh | None = None,
) -> Judge:
  """Returns what judges a critic on held-out music and what is made of it.

  The noise is the same whenever it is asked, so that figures differ by the
  state alone.

  Args:
    gan: The objects.
    batches: Gives host batches of held-out pieces, one a row.
    mesh: Where they go; None for one device.
  """
  game = Game(gan, mesh)

  @jax.jit
  def step(params: Any, variables: Any, batch: Batch, key: Any) -> Any:
    keys = random.by_row(key, len(batch['ids']))
    # Pieces are judged whole, whatever the critic has seen by then.
    grown = jnp.int32(gan.config.grow)
    rows = game.written(params, batch, keys, grown)
    real, fake = game.verdicts(variables, rows)
    return figures(real, fake, rows['real'])

  def judge(state: TrainState) -> dict[str, float]:
    place, total = feed.placer(mesh), None
    variables = state['gan']['critic']
    for number, batch in enumerate(batches()):
      key = random.fold(jax.random.key(0), 'judge', number)
      found = step(state['params'], variables, place(batch), key)
      found = jax.tree.map(np.asarray, jax.device_get(found))
      total = found if total is None else jax.tree.map(np.add, total, found)
    if total is None:
      raise DataError('nothing to judge the critic on: the split is empty')
    return {k: float(x[0] / max(x[1], 1)) for k, x in total.items()}

  return judge
