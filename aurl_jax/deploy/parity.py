"""Whether an export computes what its model computes, on music.

The model reads whole rows at once, the export a step after the other: what
both say of each next step is compared. Axes: `n` prompts, `t` steps, `f`
fields, `v` ids of a field.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from aurl_jax.core.errors import BundleError, TokenError
from aurl_jax.deploy.composer import Composer
from aurl_jax.music.notes import Notes

PROMPTS, STEPS = 100, 32
"""How many prompts are read, and how many steps of each."""

Host = Callable[[Int[np.ndarray, 'n t f']], Sequence[np.ndarray]]
"""From rows of `t + 1` steps to logits `[n, t, v]` of each field of steps 1 to
`t`, given all that is before it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parity:
  """How far an export is from its model.

  Attributes:
    prompts: Pieces that were read.
    steps: Of each.
    largest: Largest difference of two logits.
    agreement: Share of all fields whose likeliest id is the same.
    predictions: How many fields that are.
  """

  prompts: int
  steps: int
  largest: float
  agreement: float
  predictions: int


def measure(
  composer: Composer, prompts: Int[np.ndarray, 'n t f'], host: Host
) -> Parity:
  """Returns how far an export is from its model.

  Args:
    composer: The model.
    prompts: Rows of steps, as of `prompts`.
    host: The export.
  """
  mine = _logits(composer, prompts)
  theirs = host(prompts)
  largest, same, count = 0.0, 0, 0
  for one, other in zip(mine, theirs, strict=True):
    largest = max(largest, float(np.abs(one - other).max()))
    same += int((one.argmax(-1) == other.argmax(-1)).sum())
    count += one[..., 0].size
  return Parity(
    prompts=len(prompts),
    steps=prompts.shape[1] - 1,
    largest=largest,
    agreement=same / count,
    predictions=count,
  )


def prompts(
  composer: Composer, music: Iterable[Notes], count: int = PROMPTS
) -> Int[np.ndarray, 'n t f']:
  """Returns how pieces begin, as rows of `STEPS + 1` steps.

  Args:
    composer: Whose tokenizer tells them.
    music: Pieces; what the tokenizer cannot hold, or is shorter, is left out.
    count: How many at most.

  Raises:
    BundleError: Nothing is left (code `prompts`).
  """
  found: list[np.ndarray] = []
  for notes in music:
    try:
      ids = composer.tokenizer.encode(notes)
    except TokenError:
      continue
    if len(ids) > STEPS:
      found.append(ids[: STEPS + 1])
    if len(found) == count:
      break
  if not found:
    raise BundleError(
      "the model's tokenizer holds none of the pieces to compare by, or all "
      f'are shorter than {STEPS} steps; give music of the kind that the model '
      'was trained on with --prompts',
      code='prompts',
    )
  return np.stack(found)


def _logits(
  composer: Composer, rows: Int[np.ndarray, 'n t f']
) -> list[np.ndarray]:
  """Returns what the model says of all steps but the first."""
  given = jnp.asarray(rows)
  ids, after = given[:, :-1], given[:, 1:]
  ones = jnp.ones(ids.shape[:2], jnp.int32)
  at = jnp.broadcast_to(jnp.arange(ids.shape[1]), ones.shape)
  judge: Any = jax.jit(composer.model.logits)
  found = judge(composer.params, ids, ones, at, after)
  return [np.asarray(each) for each in found]
