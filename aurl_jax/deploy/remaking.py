"""Pieces made of pieces: new versions of one, and the way between two."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from aurl_jax.deploy import liking, mixing, splicing, varying, windows
from aurl_jax.deploy.encoder import Encoder
from aurl_jax.deploy.splicing import Job, Own
from aurl_jax.deploy.windows import Window
from aurl_jax.generation import kinship
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.piece import Piece
from aurl_jax.generation.remake import Between, Vary
from aurl_jax.generation.request import Request
from aurl_jax.music import cut
from aurl_jax.music.notes import TEMPO, Notes

_DIGITS = 4
_MICROS_A_MINUTE = 60_000_000


def check(encoder: Encoder, request: Request) -> None:
  """Raises RequestError unless a model can make of music what is asked.

  Needs no parameters. Raises also as `source.read`.

  Args:
    encoder: Of the model, which may have no latents.
    request: What is asked.
  """
  outline = Own(encoder, _never, _never)
  if isinstance(request.remake, Between):
    _paths(outline, request.remake)
  elif isinstance(request.remake, Vary):
    varying.check(outline, request.remake)


def remade(own: Own, request: Request) -> list[Piece]:
  """Returns the pieces that `Request.remake` asks for; raises as `check`."""
  if isinstance(request.remake, Between):
    return _between(own, request, request.remake)
  assert isinstance(request.remake, Vary)
  return varying.vary(own, request, request.remake)


def _never(*_: Any) -> Any:
  raise AssertionError('nothing is written to check a request')


def _paths(
  own: Own, asked: Between
) -> tuple[list[tuple[Window, ...]], list[Notes]]:
  """Returns the stretches of both pieces, and both, of as many bars."""
  if not own.model.config.has_latents:
    raise RequestError(
      'what lies between two pieces is found in latents, and this model has '
      "none; take pop_dials, or train one with model.mode 'vae'",
      code='between',
    )
  encoder, names = own.encoder, ('first music', 'last music')
  pairs = zip(asked.notes(), names, strict=True)
  music = [windows.held(encoder, notes, name) for notes, name in pairs]
  bars = [windows.bars_of(notes) for notes in music]
  count = min(len(each.meters) for each in bars)
  for at in range(count):
    (a, b), (c, d) = (each.meters[at] for each in bars)
    if (a, b) != (c, d) or bars[0].starts[at + 1] != bars[1].starts[at + 1]:
      raise RequestError(
        f'bar {at + 1} of the first music, in {a}/{b}, does not match that of '
        f'the last, in {c}/{d}; take pieces whose bars are as long as each '
        'other (music.cut.slice_bars cuts some out)',
        code='meter',
      )
  music = [cut.slice_bars(notes, 0, count) for notes in music]
  found = windows.shared(encoder, music)
  if sum(pair[0].bars for pair in found) < count:
    read = {bar for w, _ in found for bar in range(w.first, w.last)}
    bar = min(set(range(count)) - read)
    raise RequestError(
      f'this model cannot read bar {bar + 1} of both: it is cut short, or has '
      f'more than {own.model.config.context} steps; take whole and thinner '
      'bars, or another model',
      code='too_long',
    )
  return found, music


def _between(own: Own, request: Request, asked: Between) -> list[Piece]:
  """Returns pieces at even distances."""
  found, music = _paths(own, asked)
  told = [
    own.encoder.posterior([pair[side].ids for pair in found]).mean
    for side in (0, 1)
  ]
  shares = np.linspace(0, 1, request.n) if request.n > 1 else np.array([0.5])
  rows = [mixing.between(told[0], told[1], float(share)) for share in shares]
  places = [pair[0] for pair in found]
  chances = range(len(places))
  jobs = [
    Job(places, latents, request.seed + index, chances)
    for index, latents in enumerate(rows)
  ]
  starts = [liking.start(own.tokenizer, notes)[1] for notes in music]
  # One for all, so that all are written together.
  written = splicing.written(own, request, jobs, _tempo(starts, 0.5))
  pieces = []
  for share, job, parts in zip(shares.tolist(), jobs, written, strict=True):
    notes = splicing.spliced(music[0], places, parts)
    notes = _at(notes, _tempo(starts, share))
    report = {
      'share': round(share, _DIGITS),
      'of_first': round(kinship.notes_kept(music[0], notes), _DIGITS),
      'of_last': round(kinship.notes_kept(music[1], notes), _DIGITS),
    }
    pieces.append(
      splicing.piece(own.tokenizer, notes, job.seed, between=report)
    )
  return pieces


def _tempo(pace: Sequence[float | None], share: float) -> float | None:
  """Returns a tempo between two, by their ratio."""
  first, last = pace
  if first is None or last is None:
    return None
  return float(first ** (1 - share) * last**share)


def _at(notes: Notes, tempo: float | None) -> Notes:
  """Returns a piece in one tempo; None leaves it."""
  if tempo is None:
    return notes
  return notes.replace(
    tempos=np.array([(0, round(_MICROS_A_MINUTE / tempo))], TEMPO)
  )
