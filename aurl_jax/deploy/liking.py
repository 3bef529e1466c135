"""Music like other music: by its latents, or by the controls that it meets.

A model with latents draws them from its prior and goes along the great circle
towards those of a stretch of the reference, `Like.likeness` of the way: the
reference is the middle of where it draws. A model that knows controls is asked
for key, density, polyphony and register of the reference, and begins in its
meter and tempo. What is asked by itself, and what a prompt or given music has,
comes first.
"""

import dataclasses

import jax
import numpy as np

from aurl_jax.deploy import mixing, windows
from aurl_jax.deploy.encoder import Encoder
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.remake import Like
from aurl_jax.generation.request import Request
from aurl_jax.models.functional import Model
from aurl_jax.models.latent import Latents
from aurl_jax.music import time
from aurl_jax.music.notes import DEFAULT_TEMPO, Notes
from aurl_jax.tokens import control_dropout
from aurl_jax.tokens import controls as controls_lib
from aurl_jax.tokens.controls import Controls, Levels
from aurl_jax.tokens.options import EventTokenizer
from aurl_jax.tokens.tokenizer import Tokenizer

_MICROS_A_MINUTE = 60_000_000
_STRONGEST = 2.0
"""Guidance at likeness 1."""
_WHICH = 77
"""Tells the choice of a stretch apart from other chances of a seed."""


def settled(model: Model, tokenizer: Tokenizer, request: Request) -> Request:
  """Returns a request with what its reference asks for.

  For a model with latents that is meter and tempo; `like` stays.

  Raises:
    RequestError: The model has neither latents nor controls, or it has latents
      and the music is begun already (code `like`); as `source.read`.
  """
  like = request.like
  if like is None:
    return request
  latent = model.config.has_latents
  begun = request.prompt is not None or request.gives
  if latent and begun:
    raise RequestError(
      'a model with latents writes a whole piece from them, and music that is '
      'begun has its own; leave out what is begun, or take a model with '
      'controls, such as pop',
      code='like',
    )
  if not latent and not _controlled(tokenizer):
    raise RequestError(
      'this model has neither latents nor controls by which it could follow '
      'other music; take pop or pop_dials, or train one with model.mode '
      "'vae', or with tokenizer.controls=True and data.controls=piece",
      code='like',
    )
  notes = like.notes()
  if not begun:
    request = _started(tokenizer, request, notes)
  return request if latent else _asked(tokenizer, request, like, notes)


def latents(
  encoder: Encoder, like: Like, drawn: Latents, seeds: range
) -> Latents:
  """Returns latents on the way from draws to those of a reference.

  Args:
    encoder: Of the model.
    like: The reference, and how near to go.
    drawn: A row a piece.
    seeds: Of each piece; they choose which stretch of the reference it is.

  Raises:
    RequestError: As `windows.read`.
  """
  found = windows.read(encoder, like.notes(), 'music to be like')
  most = max(window.bars for window in found)
  # A dense bar may stand alone, and tells nothing of a second one.
  longest = [window for window in found if window.bars == most]
  which = [
    int(np.random.default_rng([seed, _WHICH]).integers(len(longest)))
    for seed in seeds
  ]
  own, row = np.unique(which, return_inverse=True)
  told = encoder.posterior([longest[at].ids for at in own.tolist()])
  centre: Latents = jax.tree.map(lambda x: np.asarray(x)[row], told.mean)
  near = mixing.between(drawn, centre, float(like.likeness))
  has = np.asarray(told.used)[row][..., None]
  return dataclasses.replace(near, slots=np.where(has, near.slots, drawn.slots))


def tells(tokenizer: Tokenizer, name: str) -> bool:
  """Returns whether a tokenization tells `meter` or `tempo`."""
  return any(name in field.starts for field in tokenizer.codec.fields)


def start(
  tokenizer: Tokenizer, notes: Notes
) -> tuple[tuple[int, int] | None, float | None]:
  """Returns meter and tempo in which a piece begins, as an opening tells them.

  The nearest ones that the tokenization has, None of what it does not tell.
  """
  grid, meter, tempo = tokenizer.grid, None, None
  if tells(tokenizer, 'meter'):
    meter = grid.nearest_meter(*time.meter_changes(notes)[0][1:])
  if tells(tokenizer, 'tempo'):
    first = notes.tempos[notes.tempos['tick'] <= notes.onset.min(initial=0)]
    micros = int(first['microseconds'][-1]) if len(first) else DEFAULT_TEMPO
    fastest, slowest = sorted(grid.tempos[[0, -1]].tolist())
    tempo = _MICROS_A_MINUTE / min(max(micros, fastest), slowest)
  return meter, tempo


def _controlled(tokenizer: Tokenizer) -> bool:
  takes = isinstance(tokenizer, EventTokenizer)
  return takes and control_dropout.has_controls(tokenizer.codec)


def _started(tokenizer: Tokenizer, request: Request, notes: Notes) -> Request:
  """Returns a request that begins in the reference's meter and tempo."""
  meter, tempo = start(tokenizer, notes)
  wished = request.wishes
  if any(wish.bars('meter') for wish in wished):
    meter = None
  if any(any(wish.bars('tempo')) for wish in wished):
    tempo = None
  return dataclasses.replace(
    request, meter=request.meter or meter, tempo=request.tempo or tempo
  )


def _asked(
  tokenizer: Tokenizer, request: Request, like: Like, notes: Notes
) -> Request:
  """Returns a request for the controls that the reference meets."""
  if not like.likeness:
    return dataclasses.replace(request, like=None)
  own = request.controls or Controls()
  told = controls_lib.of(notes, tokenizer.grid).piece
  if _keyed(request):
    told = told._replace(key=None)
  pairs = zip(own.piece, told, strict=True)
  levels = Levels(*(a if a is not None else b for a, b in pairs))
  guidance = request.guidance
  if guidance == 1:
    guidance = float(_STRONGEST * like.likeness)
  return dataclasses.replace(
    request,
    controls=dataclasses.replace(own, piece=levels),
    guidance=guidance,
    like=None,
  )


def _keyed(request: Request) -> bool:
  """Returns whether something else tells the key."""
  wished = any(
    wish.bars('key') or wish.bars('chords') for wish in request.wishes
  )
  return wished or request.prompt is not None or request.gives
