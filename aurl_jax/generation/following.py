"""Which of several drafts of a gap goes on best into what is given behind it.

A gap is filled given both sides, but of the side behind it models learn far
less than of the side before it (`docs/results.md`). Of drafts that were drawn
given the left alone, p(behind | before, draft) are the weights that make them
draws given both: sampling-importance-resampling (Rubin 1988; Smith and Gelfand
1992, "Bayesian statistics without tears"). Here the draft of the largest weight
is taken, of those whose upper voice does not leap at an end of the gap, if any.
Axes: `n` pieces, `t` steps, `f` fields.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from aurl_jax.evaluation import seams, structure
from aurl_jax.generation.decode import lengths
from aurl_jax.generation.request import Request
from aurl_jax.generation.rows import power
from aurl_jax.models.functional import Model
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.tokenizer import Tokenizer

BARS = 4
"""Bars behind a gap that are looked at: a phrase."""
_AT_ONCE = 16


def scores(
  model: Model,
  params: Any,
  pieces: Sequence[Int[np.ndarray, '_ f']],
  spans: Sequence[tuple[int, int]],
) -> Float[np.ndarray, ' n']:
  """Returns how likely a stretch of each piece is after all before it, nats.

  Args:
    model: The network.
    params: Its parameters.
    pieces: Ids, at most as many steps as the model's context.
    spans: Of each piece, the first step of the stretch, from 1 on, and one past
      its last; an empty stretch scores 0.
  """
  found: list[np.ndarray] = []
  for first in range(0, len(pieces), _AT_ONCE):
    some = slice(first, first + _AT_ONCE)
    found.append(_some(model, params, pieces[some], spans[some]))
  return np.concatenate(found) if found else np.zeros(0)


def span(
  tokenizer: Tokenizer, ids: Int[np.ndarray, 't f'], bar: int
) -> tuple[int, int]:
  """Returns the steps of the first bars from one on, at most `BARS`.

  An empty stretch at the end of the piece if it has no such bar.
  """
  whole = int((~tokenizer.is_end(ids)).sum())
  edges = [*tokenizer.bar_steps(ids).tolist(), whole]
  last = len(edges) - 1
  return edges[min(bar, last)], edges[min(bar + BARS, last)]


def leaps(pieces: Sequence[Notes], request: Request) -> Float[np.ndarray, ' n']:
  """Returns at how many ends of a gap the upper voice leaps, 0..2.

  By more than an octave, as over one bar line in twenty of POP909.
  """
  assert request.rewrite is not None
  found = np.zeros(len(pieces))
  for row, notes in enumerate(pieces):
    edges = structure.edges(notes) if len(notes) else np.zeros(0, np.int64)
    for bar in request.rewrite:
      if 0 < bar < len(edges) - 1:
        upper, *_ = seams.seam(notes, *edges[bar - 1 : bar + 2].tolist())
        found[row] += abs(upper) > seams.OCTAVE
  return found


def _some(
  model: Model,
  params: Any,
  pieces: Sequence[np.ndarray],
  spans: Sequence[tuple[int, int]],
) -> np.ndarray:
  """Returns the scores of a batch."""
  rows = power(len(pieces))
  # What stands behind the stretch does not count.
  *_, width = lengths(1, max(stop for _, stop in spans))
  width = min(width, model.config.context)
  ids = np.zeros((rows, width, len(model.vocabulary)), np.int32)
  due = np.zeros((rows, width), np.bool_)
  for row, (piece, (start, stop)) in enumerate(zip(pieces, spans, strict=True)):
    ids[row, :stop] = piece[:stop]
    due[row, start:stop] = True
  return np.asarray(_judge(model)(params, ids, due))[: len(pieces)]


@functools.lru_cache(maxsize=4)
def _judge(model: Model) -> Any:
  """Returns the program that scores a batch."""

  def judge(
    params: Any, ids: Int[Array, 'b t f'], due: Any
  ) -> Float[Array, ' b']:
    segments = (ids[..., 0] > 0).astype(jnp.int32)
    positions = jnp.broadcast_to(jnp.arange(ids.shape[1]), segments.shape)
    targets = jnp.pad(ids[:, 1:], ((0, 0), (0, 1), (0, 0)))
    told = model.log_probs(params, ids, segments, positions, targets)
    # The step before predicts.
    wanted = jnp.pad(due[:, 1:], ((0, 0), (0, 1)))
    return jnp.sum(jnp.where(wanted, told.sum(axis=-1), 0.0), axis=1)

  return jax.jit(judge)
