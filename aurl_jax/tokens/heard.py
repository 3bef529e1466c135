"""Controls that are asked, not told: taken out of ids, and kept as labels.

A model can learn what a study hears in two ways: it is told, as a step among
the others, or it is asked of the states that read the notes (`models.heard`).
For the second the steps go out of the ids, and what they told of their bar
becomes the label of each of its steps. Plain numpy, free of JAX, so that data
workers start fast. Axes: `t` steps, `f` fields, `k` kinds of control.
"""

import numpy as np
from jaxtyping import Bool, Int, Int32

from aurl_jax.tokens import control_dropout
from aurl_jax.tokens.codec import Codec

UNKNOWN = -1
"""The label of a step of whose bar nothing was told."""


def kinds(codec: Codec) -> tuple[tuple[str, int], ...]:
  """Returns the kinds that may be asked, and how many values each has.

  Of families a piece has several, so that they are no label.
  """
  return tuple(
    (name, field.by_event[name].size)
    for field in codec.fields
    for name in control_dropout.KINDS
    if field.tells(name) and name != 'family'
  )


def split(
  codec: Codec, ids: Int[np.ndarray, 't f'], names: tuple[str, ...]
) -> tuple[Bool[np.ndarray, ' t'], Int32[np.ndarray, 't k']]:
  """Returns which steps stay, and the labels of all steps.

  A control behind BOS is of the piece: it counts in every bar of the stretch
  that has none of its own.

  Args:
    codec: The vocabulary.
    ids: A piece or a stretch of one.
    names: Kinds of control to take out.

  Returns:
    Bool [t], False for the steps of these kinds; int32 [t, k], the value of
    each kind in the bar of each step, `UNKNOWN` where there is none.
  """
  number = control_dropout.kinds(codec, ids)
  bar = np.cumsum(codec.holds('bar', ids[:, 0]))
  count = int(bar[-1]) + 1 if len(bar) else 1
  column = next(
    c
    for c, field in enumerate(codec.fields)
    if field.tells(control_dropout.KINDS[0])
  )
  values = codec.fields[column].values[ids[:, column]]
  labels = np.full((len(ids), len(names)), UNKNOWN, np.int32)
  stays = np.ones(len(ids), np.bool_)
  for k, name in enumerate(names):
    here = number == control_dropout.KINDS.index(name)
    stays &= ~here
    of_bar = np.full(count, UNKNOWN, np.int32)
    of_bar[bar[here]] = values[here]
    labels[:, k] = np.where(of_bar < 0, of_bar[0], of_bar)[bar]
  return stays, labels


def following(labels: Int32[np.ndarray, 't k']) -> Int32[np.ndarray, 't k']:
  """Returns the labels of the step behind each; `UNKNOWN` for the last.

  What a state is asked is of the step that it predicts, so that a bar line
  asks for the bar that begins.
  """
  return np.concatenate([labels[1:], np.full_like(labels[:1], UNKNOWN)])
