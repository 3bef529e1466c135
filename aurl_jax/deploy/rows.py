"""`Row`: what a settled request asks for, and what becomes of what is drawn.

`Composer.generate` writes rows as a batch, a server in slots of its own; both
judge, and draw anew, by this.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from aurl_jax.evaluation.originality import Index
from aurl_jax.generation import following, original, retries, wishing
from aurl_jax.generation import judge as judge_lib
from aurl_jax.generation.decode import Batch, Sample, Writer
from aurl_jax.generation.frame import Kept
from aurl_jax.generation.piece import Piece
from aurl_jax.generation.request import Request
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.infill import Infill
from aurl_jax.tokens.tokenizer import Tokenizer

_WORSE = 1e6
"""Nats that a leap at a seam counts: more than any stretch."""

Judge = Callable[[Notes], Mapping[str, Kept]]
"""Tells how well notes keep what was asked of them."""


class Row(NamedTuple):
  """What a settled request asks for: its rows, or one of them.

  Attributes:
    request: As it is settled.
    judge: Of its wishes.
    writer: What writes them.
    batch: The rows.
    tokenizer: Between notes and ids.
    known: Index of the model's training music, if it is there.
  """

  request: Request
  judge: Judge
  writer: Writer
  batch: Batch
  tokenizer: Tokenizer
  known: Index | None = None

  @property
  def speculates(self) -> bool:
    """Whether steps are guessed ahead."""
    return self.request.speculate > 0

  @property
  def drawing(self) -> tuple[Writer, Batch]:
    """What writes, and what is written."""
    return self.writer, self.batch

  def each(self) -> 'list[Row]':
    """Returns its rows, one by one."""
    count = range(len(self.batch.prompts))
    parts = [self.batch.part(slice(r, r + 1)) for r in count]
    return [self._replace(batch=part) for part in parts]

  def anew(self, attempt: int) -> 'tuple[Row, retries.Retry]':
    """Returns a single row as it is drawn after it has failed, and how.

    Args:
      attempt: Number of the try, from 1 on.
    """
    writer, batch, how = retries.anew(*self.drawing, attempt)
    return self._replace(writer=writer, batch=batch), how

  def piece(self, sample: Sample, seed: int, **more: Any) -> Piece:
    """Returns the piece that a sample is, with its report.

    Args:
      sample: What was written.
      seed: Its own.
      **more: Facts for the report.
    """
    notes = self.tokenizer.decode(sample.ids)
    return Piece(
      notes=notes,
      ids=sample.ids,
      seed=seed,
      ended=sample.ended,
      grammatical=sample.legal,
      kept=self.judge(notes),
      more=more,
      index=self.known,
    )

  def tried(self, sample: Sample) -> retries.Try:
    """Returns the piece of a single row, if it is any, and what is wrong.

    Args:
      sample: Of the first try or of a further one: the piece has the seed of
        this row.
    """
    if not sample.finite:
      return retries.Try(None, retries.Faults(not_finite=1))
    piece = self.piece(sample, self.batch.seed)
    hard = [rule for rule in piece.kept if ', weight ' not in rule]
    faults = retries.Faults(
      stalled=retries.stalled(self.writer, sample),
      wish=sum(piece.kept[rule].broken for rule in hard),
      crowd=crowded(self.request, piece.notes),
    )
    return retries.Try(piece, faults)

  def likeliest(self, drawn: Sequence[Piece]) -> list[Piece]:
    """Returns of the drafts of each piece the one that goes on best."""
    request = self.request
    if request.drafts < 2 or request.rewrite is None:
      return list(drawn)
    infill = Infill(self.tokenizer.codec)
    ids = [infill.put_back(piece.ids) for piece in drawn]
    behind = request.rewrite[1]
    spans = [following.span(self.tokenizer, one, behind) for one in ids]
    found = following.scores(self.writer.model, self.writer.params, ids, spans)
    found -= _WORSE * following.leaps([piece.notes for piece in drawn], request)
    best = found.reshape(-1, request.drafts).argmax(axis=1)
    return [
      drawn[piece * request.drafts + int(draft)]
      for piece, draft in enumerate(best)
    ]


def crowded(request: Request, notes: Notes) -> int:
  """Returns the notes too many where most of a piece begin at once.

  Args:
    request: As it is settled.
    notes: The piece.
  """
  if not request.crowd:
    return 0
  most = judge_lib.crowd([judge_lib.begins(notes)])
  if most <= request.crowd:
    return 0
  told = [request.prompt_notes(), *request.lines().values()]
  given = [judge_lib.begins(music) for music in told if music is not None]
  return max(0, most - max(request.crowd, judge_lib.crowd(given)))


def judge(
  tokenizer: Tokenizer,
  request: Request,
  prompt: np.ndarray,
  index: Index | None,
) -> Judge:
  """Returns what tells how well a piece kept what was asked of its notes.

  Args:
    tokenizer: Between notes and ids.
    request: As it is settled.
    prompt: The steps that it begins with, int32 `[t, f]`.
    index: Of the model's training music, if it is there.
  """
  found = wishing.judge(tokenizer, request, prompt)
  if index is None or not request.original:
    return found
  begun, most = tokenizer.decode(prompt), request.original
  return lambda notes: {
    **found(notes),
    'original': original.kept(index, most, notes, begun),
  }
