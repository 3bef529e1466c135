"""Likelihood in units that compare: bits a note, bits a second.

The perplexity of a token means something else in every tokenization; what a
piece costs in all, divided by its notes or its seconds, does not. All nats
of a piece count, of all fields and of all steps, so those of bars, tempos,
controls and the end, too: a tokenization that tells a note in fewer steps
may not hide what the others cost. What divides them are the notes alone, as
the tokenization tells them (equal ones merged). Axes: `p` pieces, `f` fields.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.tokenizer import Tokenizer

_BEGINNINGS = ('pitch', 'drum')
"""Events that a note has exactly one of."""


def bits_per_note(nats: Any, notes: Any) -> float:
  """Returns the bits that a note costs, on average over all notes.

  Args:
    nats: Negative log-likelihood, natural logarithms, of any shape, such as
      `[p, f]`: summed up.
    notes: Notes, of any shape: summed up. Long pieces weigh what they hold.

  Returns:
    At least 0 for probabilities; `nan` without notes.

  Example:
    >>> round(bits_per_note([math.log(2) * 30, math.log(2) * 10], [6, 2]), 6)
    5.0
  """
  return _ratio(nats, notes) / math.log(2)


def bits_per_second(nats: Any, seconds: Any) -> float:
  """Returns the bits that a second costs; arguments as above.

  `nan` without any second. Seconds are those of the music, to its last end.
  """
  return _ratio(nats, seconds) / math.log(2)


def nats_per_id(nats: Any, counts: Any) -> float:
  """Returns the nats that a predicted id costs; the loss of training."""
  return _ratio(nats, counts)


def perplexity(nats: Any, counts: Any) -> float:
  """Returns `exp` of the nats an id: 1 for certainty, `nan` without ids.

  Compares models of one tokenization only: name it beside the figure.
  """
  return math.exp(_ratio(nats, counts))


def summary(
  nats: Any,
  counts: Any,
  *,
  notes: Any,
  seconds: Any = 0.0,
  fields: Sequence[str] = (),
) -> dict[str, float]:
  """Returns all of these figures for a set of pieces.

  Args:
    nats: `[f]` or `[p, f]` sums of negative log-likelihood.
    counts: Ids that were predicted, of the same shape.
    notes: Notes of the set, or of each piece.
    seconds: Length of the set, or of each piece; 0 if it is not known.
    fields: Names of the fields, for `bits_per_note/NAME`, the part of each.

  Returns:
    `nats`, `nats_per_id`, `perplexity`, `bits_per_note`; `bits_per_second`
    if there are seconds; and one figure for each name of `fields`.
  """
  nats = np.asarray(nats, np.float64)
  found = {
    'nats': float(nats.sum()),
    'nats_per_id': nats_per_id(nats, counts),
    'perplexity': perplexity(nats, counts),
    'bits_per_note': bits_per_note(nats, notes),
  }
  if np.sum(seconds) > 0:
    found['bits_per_second'] = bits_per_second(nats, seconds)
  columns = nats.reshape(-1, nats.shape[-1] if nats.ndim else 1)
  if fields:
    for name, column in zip(fields, columns.T, strict=True):
      found[f'bits_per_note/{name}'] = bits_per_note(column, notes)
  return found


def count_notes(tokenizer: Tokenizer, ids: np.ndarray) -> int:
  """Returns how many notes begin in ids, legal or cut anywhere.

  Where a crop begins in mid-note, that note does not count.

  Args:
    tokenizer: That made them; one of merged ids has their parts counted.
    ids: `[t, f]`.
  """
  counts = _notes_of_ids(tokenizer)
  columns = zip(counts, np.asarray(ids).T, strict=True)
  return int(sum(table[column].sum() for table, column in columns))


def _notes_of_ids(tokenizer: Tokenizer) -> list[np.ndarray]:
  """Returns int64 `[v]` of each field: the notes that an id begins."""
  merged = getattr(tokenizer, 'expansions', None)
  if merged is None:
    return _tables(tokenizer.codec)
  (single,) = _tables(tokenizer.base.codec)  # type: ignore[attr-defined]
  return [np.array([single[list(ids)].sum() for ids in merged])]


def _tables(codec: Codec) -> list[np.ndarray]:
  found = []
  for field in codec.fields:
    begins = np.zeros(field.size, np.int64)
    for event in _BEGINNINGS:
      if field.tells(event):
        begins[field.holds(event, np.arange(field.size))] = 1
    found.append(begins)
  return found


def _ratio(nats: Any, units: Any) -> float:
  """Returns a sum by a sum, `nan` if there is nothing to divide by."""
  count = float(np.sum(np.asarray(units, np.float64)))
  total = float(np.sum(np.asarray(nats, np.float64)))
  return total / count if count > 0 else math.nan
