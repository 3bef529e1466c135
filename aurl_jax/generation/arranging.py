"""Arrangements of pieces that have been written: who plays, how humanly."""

import dataclasses
from typing import Any

from aurl_jax.generation.humanise import humanise
from aurl_jax.generation.piece import Piece
from aurl_jax.generation.remake import Arrange
from aurl_jax.music.orchestrate import orchestrate


def arranged(piece: Piece, asked: Arrange | None) -> Piece:
  """Returns a piece as `Request.arrange` asks for it.

  Its ids stay those that were written. The report tells what other players
  cost (`orchestrated`), and how `human` it is.

  Args:
    piece: As it was written.
    asked: None leaves it.

  Raises:
    RequestError: As `humanise.humanise`.
  """
  if asked is None:
    return piece
  notes, more = piece.notes, dict[str, Any](piece.more)
  if asked.instruments:
    found = orchestrate(notes, asked.programs)
    notes = found.notes
    more['orchestrated'] = found.report
  if asked.human:
    notes = humanise(notes, human=asked.human, seed=piece.seed)
    more['human'] = float(asked.human)
  return dataclasses.replace(piece, notes=notes, more=more)
