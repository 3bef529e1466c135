"""What the processes of a run tell each other."""

import jax
import numpy as np
from jax.experimental import multihost_utils


def agree(*values: int) -> list[int]:
  """Returns what the first process found, on all of them.

  Args:
    *values: Whole numbers of 32 bits; those of other processes are ignored.
  """
  if jax.process_count() == 1:
    return list(values)
  told = multihost_utils.broadcast_one_to_all(np.array(values, np.int32))
  return [int(value) for value in told]
