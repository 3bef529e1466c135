"""Stretches of a piece that are written of latents, put in their places.

Axes: `s` stretches.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from aurl_jax.deploy import liking
from aurl_jax.deploy.encoder import Encoder
from aurl_jax.deploy.windows import Window
from aurl_jax.generation import legality
from aurl_jax.generation.piece import Piece
from aurl_jax.generation.request import Request
from aurl_jax.models.functional import Model
from aurl_jax.models.latent import Latents
from aurl_jax.music import cut, transform
from aurl_jax.music.notes import TABLES, Notes
from aurl_jax.tokens.tokenizer import Tokenizer

_FEW, _MANY = 16, 64
"""Stretches that are written together."""

Writes = Callable[[Request, Latents, list[int]], list[Piece]]
"""Writes a piece of each row of latents, of given seeds."""
Draws = Callable[[int, int], Latents]
"""Draws latents of so many pieces, by a seed."""


class Own(NamedTuple):
  """A model, and how it writes of latents.

  Attributes:
    encoder: The model, and what tells latents of music if it has some.
    writes: Writes of latents.
    draws: Draws them of the prior.
  """

  encoder: Encoder
  writes: Writes
  draws: Draws

  @property
  def model(self) -> Model:
    """The network."""
    return self.encoder.model

  @property
  def tokenizer(self) -> Tokenizer:
    """Between notes and its ids."""
    return self.encoder.tokenizer


class Job(NamedTuple):
  """What is written of one piece.

  Attributes:
    places: Where the stretches stand.
    latents: Of them, a row each.
    seed: Of the piece.
    chances: A number a stretch: those with the same one are written by the
      same chance.
  """

  places: Sequence[Window]
  latents: Latents
  seed: int
  chances: Sequence[int]


def seed_of(*words: int) -> int:
  """Returns a seed of its own for each chance of a piece."""
  drawn = np.random.SeedSequence(list(words)).generate_state(1, np.uint64)
  return int(drawn[0] >> np.uint64(1))


def written(
  own: Own, request: Request, jobs: Sequence[Job], tempo: float | None
) -> list[list[Notes]]:
  """Returns the music of the stretches of each piece.

  All stretches of one meter are written together. How long they are the
  latents tell; what is written behind a stretch is left out.

  Args:
    own: The model.
    request: What is asked.
    jobs: A piece each.
    tempo: In which all begin, in quarter notes a minute.
  """
  pairs = [(i, w) for i, job in enumerate(jobs) for w in range(len(job.places))]
  kinds: dict[tuple[int, int], list[tuple[int, int]]] = {}
  for i, w in pairs:
    kinds.setdefault(jobs[i].places[w].meter, []).append((i, w))
  music: dict[tuple[int, int], Notes] = {}
  for meter, members in kinds.items():
    inner = dataclasses.replace(
      request,
      remake=None,
      arrange=None,
      meter=meter if liking.tells(own.tokenizer, 'meter') else None,
      tempo=tempo,
    )
    # Few sizes, so that few programs are compiled.
    size = _FEW if len(members) <= _FEW else -(-len(members) // _MANY) * _MANY
    padded = members + members[-1:] * (size - len(members))
    rows = [
      jax.tree.map(lambda x, w=w: np.asarray(x)[w], jobs[i].latents)
      for i, w in padded
    ]
    chances = [seed_of(jobs[i].seed, jobs[i].chances[w]) for i, w in padded]
    latents = jax.tree.map(lambda *x: np.stack(x), *rows)
    inner = dataclasses.replace(inner, n=size)
    pieces = own.writes(inner, latents, chances)
    music |= {at: p.notes for at, p in zip(members, pieces, strict=False)}
  return [
    [music[i, w] for w in range(len(job.places))] for i, job in enumerate(jobs)
  ]


def spliced(
  notes: Notes, places: Sequence[Window], parts: Sequence[Notes]
) -> Notes:
  """Returns a piece whose stretches are what has been written of them."""
  if not places:
    return notes
  stays = np.ones(len(notes), np.bool_)
  for window in places:
    stays &= (notes.onset < window.start) | (notes.onset >= window.end)
  names = ('onset', 'duration', 'pitch', 'velocity')
  columns = {name: [getattr(notes, name)[stays]] for name in names}
  columns['track'] = [notes.track[stays]]
  tracks = list(notes.tracks)
  for window, part in zip(places, parts, strict=True):
    # No note may begin behind its stretch.
    inside = part.onset < window.end - window.start
    for name in names:
      moved = getattr(part, name)[inside]
      columns[name].append(moved + window.start * (name == 'onset'))
    joined = cut.joined_tracks(tracks, part.tracks)
    columns['track'].append(np.array(joined, np.int64)[part.track[inside]])
  whole = Notes.build(
    notes.ticks_per_beat,
    {name: np.concatenate(found) for name, found in columns.items()},
    tracks=tracks,
    texts=notes.texts,
    title=notes.title,
    **{name: getattr(notes, name) for name in TABLES},
  )
  return transform.clip_overlaps(whole)


def piece(tokenizer: Tokenizer, notes: Notes, seed: int, **more: Any) -> Piece:
  """Returns a piece that was put together."""
  ids = tokenizer.encode(notes)
  legal = bool(legality.first_illegal(tokenizer.grammar, [ids])[0] < 0)
  return Piece(
    notes=notes, ids=ids, seed=seed, ended=True, grammatical=legal, more=more
  )
