"""An engine that writes at once, by rule: for pages, which do not care what."""

import dataclasses
import functools

import numpy as np

from aurl_jax.deploy.composer import Composer
from aurl_jax.generation.piece import Piece
from aurl_jax.generation.remake import Between, Vary
from aurl_jax.models.config import LatentConfig, ModelConfig
from aurl_jax.models.functional import Model
from aurl_jax.music import cut, transform
from aurl_jax.music.notes import Notes, Track
from aurl_jax.serving.engine import Engine
from aurl_jax.serving.metrics import Metrics
from aurl_jax.serving.ticket import Ticket
from aurl_jax.tokens.compound import Compound
from aurl_jax.tokens.places import Places

TOKENIZER = Compound(voices=2, controls=True)


class Able(Composer):
  """A model that says that it can do all; it has no parameters."""

  def check(self, request):
    del request


@functools.cache
def composer() -> Composer:
  config = ModelConfig(
    mode='vae',
    width=16,
    layers=1,
    heads=2,
    context=128,
    head_width=8,
    latent=LatentConfig(slot=6, slots=8),
  )
  model = Model.build(config, TOKENIZER.codec.sizes, Places.of(TOKENIZER))
  return Able(
    model=model,
    params=None,
    tokenizer=TOKENIZER,
    defaults={'temperature': 0.75, 'top_p': 0.9},
  )


class Scribe(Engine):
  """Answers what `music_of` gives; keeps what it was asked."""

  def __init__(self):
    self.composer, self.metrics = composer(), Metrics()
    self.asked, self.waits = [], []
    self.holds = False
    """Whether requests wait until they are given up."""

  draining, idle = False, True

  def submit(self, request, *, client='', seconds=None, listen=None):
    del seconds
    self.asked.append(request)
    ticket = Ticket(request, client, 60, listen)
    if self.holds:
      self.waits.append(ticket)
      return ticket
    ticket.answer(
      [
        Piece(
          notes=notes,
          ids=np.ones((len(notes) + 2, 1), np.int32),
          seed=request.seed + index,
          ended=True,
          grammatical=True,
          more=more,
        )
        for index, (notes, more) in enumerate(music_of(request))
      ]
    )
    return ticket

  def drain(self):
    pass

  def close(self, seconds=30.0):
    del seconds


def bars(count, low=48):
  """Bars of four voices in quarters; chords of C, F, G."""
  roots = np.tile([0, 5, 7, 0], count)
  pitch = low + roots[:, None] + np.array([0, 12, 16, 19])
  onset = 4 * np.arange(4 * count)
  return Notes.build(
    4,
    {
      'onset': np.repeat(onset, 4),
      'duration': 4,
      'pitch': pitch.ravel(),
      'velocity': 90,
      'track': np.tile(range(4), 4 * count),
    },
    tracks=[Track(name, 48) for name in ('Bass', 'Tenor', 'Alto', 'Soprano')],
  )


def music_of(request):
  """Yields music by rule, with what is told of it beside."""
  if isinstance(request.remake, Vary):
    for _ in range(request.n):
      yield transpose(request.remake.music, 1), {}
  elif isinstance(request.remake, Between):
    last = max(1, request.n - 1)
    for index in range(request.n):
      share = index / last
      notes = transpose(request.remake.first, index)
      yield notes, {'between': {'share': share}}
  elif request.rewrite is not None:
    first, last = (
      16 * request.prompt.ticks_per_beat // 4 * b for b in request.rewrite
    )
    notes = request.prompt
    inside = (notes.onset >= first) & (notes.onset < last)
    moved = np.where(inside, notes.pitch + 1, notes.pitch)
    yield notes.replace(pitch=moved), {}
  elif request.prompt is not None:
    given = request.prompt_notes()
    new = transform.resample(bars(request.bars), given.ticks_per_beat)
    yield cut.concatenate([given, new], whole=True), {}
  else:
    for index in range(request.n):
      yield bars(request.bars, 48 + index), {}


def transpose(notes, steps):
  return dataclasses.replace(notes, pitch=notes.pitch + steps)
