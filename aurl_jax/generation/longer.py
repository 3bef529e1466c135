"""From a request for a piece of a form to the piece.

The form and the tempo are settled first (`planned`), then the bars are written
(`long`), and the sections are told as markers of the piece.
"""

from typing import Any

import numpy as np
from jaxtyping import Int

from aurl_jax.generation import legality, long, templates
from aurl_jax.generation.drafts import Drafts
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.form import Form
from aurl_jax.generation.opening import opening
from aurl_jax.generation.piece import Piece
from aurl_jax.generation.prompt import Prompts
from aurl_jax.generation.request import Request
from aurl_jax.generation.stretch import Stretch
from aurl_jax.models.functional import Model
from aurl_jax.music.notes import DEFAULT_METER, Notes, Text
from aurl_jax.music.rebuild import rebuilt
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.tokenizer import Tokenizer

_PACE = 80.0
"""Quarter notes a minute where nothing tells them: songs of POP909 have 74 in
the median."""
_SLOWEST, _FASTEST = 55.0, 150.0
"""What a tempo is set to; 95 % of these songs are faster, or slower."""


def check(tokenizer: Tokenizer, request: Request) -> Compound:
  """Returns the tokenizer of a request that can be met.

  Raises:
    RequestError: It writes no bars that can be put anywhere (code `form`), or
      has no such meter, tempo or controls.
  """
  if not isinstance(tokenizer, Compound) or tokenizer.pedal:
    raise RequestError(
      'this model cannot write a piece of a form, for which bars are copied: '
      'use one of compound without pedal, such as pop',
      code='form',
    )
  _, tempo = planned(request, request.seed)
  _begun(tokenizer, request, tempo)
  return tokenizer


def _begun(
  tokenizer: Compound, request: Request, tempo: float
) -> Int[np.ndarray, 't f']:
  """Returns what a piece begins with: meter, tempo, controls."""
  first = opening(tokenizer, request.meter or DEFAULT_METER, tempo)
  return Prompts(tokenizer).controlled(first, request.controls)


def planned(request: Request, seed: int) -> tuple[Form, float]:
  """Returns the form of a piece, and its tempo in quarter notes a minute.

  Example:
    >>> form, tempo = planned(Request(form='AABA', minutes=3), 0)
    >>> str(form), form.bars * 4 / tempo
    ('A8A8B8A8A8A8B8A8', 3.0)
  """
  above, below = request.meter or DEFAULT_METER
  quarters = 4 * above / below
  wanted = request.minutes * (request.tempo or _PACE) / quarters
  if not request.form or request.form in templates.SOURCES:
    source = request.form or request.forms
    form = templates.sample(seed, wanted, source)
  else:
    form = Form.parse(request.form)
    form = form.lasting(wanted) if request.minutes else form
  if request.tempo:
    return form, float(request.tempo)
  if not request.minutes:
    return form, _PACE
  fitting = form.bars * quarters / request.minutes
  return form, min(_FASTEST, max(_SLOWEST, fitting))


def compose(
  model: Model,
  params: Any,
  tokenizer: Tokenizer,
  request: Request,
  seed: int,
) -> Piece:
  """Returns a piece of a form; its report tells the form, and the log.

  Args:
    model: The network.
    params: Its parameters.
    tokenizer: Between notes and its ids.
    request: What is asked for.
    seed: Of this piece.

  Raises:
    RequestError: As `check`.
    DecodeError: The model's output is no number.
  """
  compound = check(tokenizer, request)
  form, tempo = planned(request, seed)
  stretch = Stretch(compound, _begun(compound, request, tempo))
  drafts = Drafts(
    model=model, params=params, stretch=stretch, sampler=request.sampler
  )
  bar = compound.grid.meter_cells(*(request.meter or DEFAULT_METER))
  asked = request.controls.instruments if request.controls else ()
  written = long.write(drafts, form, bar, seed, families=asked)
  ids = stretch.join(written.bars, end=True)
  legal = bool(legality.first_illegal(compound.grammar, [ids])[0] < 0)
  return Piece(
    notes=marked(compound.decode(ids), form, bar),
    ids=ids,
    seed=seed,
    ended=True,
    grammatical=legal,
    more={'form': str(form), 'written': written.log},
  )


def marked(notes: Notes, form: Form, bar: int) -> Notes:
  """Returns a piece with a marker where each section begins: `A8`.

  Args:
    notes: Of one meter.
    form: The sections.
    bar: Ticks of a bar.
  """
  marks = [
    Text(tick=start * bar, track=-1, kind='marker', text=f'{label}{bars}')
    for start, (label, bars) in zip(form.starts, form.sections, strict=True)
  ]
  return rebuilt(notes, {}, texts=(*notes.texts, *marks))


def resampled(piece: Piece) -> dict[str, int]:
  """Returns how many stretches a piece has, were drawn again, and stay weak."""
  log = piece.more['written']
  return {
    'stretches': len(log),
    'drawn_again': sum(entry['tries'] > 1 for entry in log),
    'weak': sum(entry['weak'] for entry in log),
  }
