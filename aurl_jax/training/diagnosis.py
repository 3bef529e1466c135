"""What of a bad step is not finite, found by doing it again, op by op."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from aurl_jax.core import random
from aurl_jax.core.typing import Batch
from aurl_jax.parallel import gather
from aurl_jax.training import finite, gradients
from aurl_jax.training.auxiliary import Auxiliary
from aurl_jax.training.options import DEFAULT, StepConfig
from aurl_jax.training.state import Network, TrainState
from aurl_jax.training.steps import Augment
from aurl_jax.training.terms import NONE, Rows, Terms


def make_diagnosis(
  model: Network,
  options: StepConfig = DEFAULT,
  *,
  augment: Augment | None = None,
  auxiliary: Mapping[str, Auxiliary] = NONE,
) -> Callable[[TrainState, Batch, int], str]:
  """Returns `why(state, batch, step)`: what of a bad step is not finite.

  It names the first such tensor of the step of that number, done again op
  by op with the same dropout; see `training.finite`. All processes must call
  it together. The state keeps all it has but `step`: a bad step has changed
  no more.

  Args:
    model: What is trained.
    options: Those of the step.
    augment: Likewise.
    auxiliary: Likewise.
  """
  terms = Terms(model, options, auxiliary)

  def why(state: TrainState, batch: Batch, step: int) -> str:
    needed = {k: state[k] for k in _NEEDED if k in state}
    if jax.process_count() > 1:
      needed, batch = gather.to_host((needed, dict(batch)))
    now = needed | {'step': jnp.int32(step - 1)}
    whole: Rows = jax.tree.map(jnp.asarray, dict(batch))
    if augment is not None:
      key = random.fold(jax.random.wrap_key_data(now['key']), 'augment')
      whole = jax.jit(augment)(whole, key, now['step'])
    beside = gradients.beside(now, whole, options)
    rows = gradients.with_keys(now, whole)
    for part in gradients.parts(rows, options.accumulate):

      def loss(params: Any, part: Any = part) -> jax.Array:
        return terms.total(beside, terms(params, *part)[0])

      found = finite.first(loss, now['params'])
      if found is not None:
        return str(found)
    return 'none: done again, op by op, all is finite'

  return why


_NEEDED = ('params', 'key', 'scale', 'balance')
