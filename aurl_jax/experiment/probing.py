"""Which layer knows what: linear probes of the stream between layers.

At every step that is a note (or a cell with one) the studies and the
tokenizer's clock say what holds: the chord and its kind, the local key, the
place in the bar, the bar in its phrase, the section. Probes
(`evaluation.probing`) of each depth are fitted to some pieces and judged on
others, beside the commonest class and the same network with weights as drawn.
Axes: `t` steps, `k` steps that are probed, `d` width, `p` pieces.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aurl_jax.core.errors import ConfigError
from aurl_jax.deploy.composer import Composer
from aurl_jax.evaluation import probing
from aurl_jax.evaluation.probing import Hits
from aurl_jax.models import looking
from aurl_jax.music import chords as chords_lib
from aurl_jax.music import time
from aurl_jax.music.notes import Notes
from aurl_jax.studies.chords import Chords
from aurl_jax.studies.structure import Structure
from aurl_jax.tokens.places import Places

STEPS = 300
"""Steps of a piece that are probed, spread over it."""
_ROUND = 4
"""Bars that are counted round and round."""
_PHRASE = 8
"""Bars of a phrase that are told apart, the later ones as one."""
_LETTERS = 'ioABC'
"""Sections that are told apart; all others are one more."""

Labels = Mapping[str, np.ndarray]
"""What holds at each step, [k] int64 by property; -1 where nothing does."""


@dataclasses.dataclass(frozen=True)
class Found:
  """How well a property is read at every depth.

  Attributes:
    name: The property.
    trained: Of the model, before the first layer and behind each.
    drawn: Of the same network with weights as they are drawn.
    commonest: Of who always tells the class that is commonest.
    classes: How many there are.
    steps: How many the probes are judged on.
  """

  name: str
  trained: tuple[Hits, ...]
  drawn: tuple[Hits, ...]
  commonest: Hits
  classes: int
  steps: int

  def rows(self, samples: int = 1000) -> list[dict[str, Any]]:
    """Returns a row a depth, shares with intervals of 95 % over pieces."""
    rows = []
    for depth, (own, drawn) in enumerate(
      zip(self.trained, self.drawn, strict=True)
    ):
      interval = own.interval(samples)
      gain = own.above(self.trained[0], samples)
      rows.append(
        {
          'property': self.name,
          'depth': depth,
          'share': round(own.share, 4),
          'low': round(interval.low, 4),
          'high': round(interval.high, 4),
          'above_embedding': [round(x, 4) for x in (gain.low, gain.high)],
          'drawn': round(drawn.share, 4),
          'commonest': round(self.commonest.share, 4),
          'classes': self.classes,
          'steps': self.steps,
          'pieces': len(own.total),
        }
      )
    return rows


@dataclasses.dataclass(frozen=True)
class Read:
  """Pieces that a network has read.

  Attributes:
    states: [depths, k, d] float32, all pieces one behind the other.
    labels: What holds.
    piece: [k] int64, the piece of each step.
  """

  states: np.ndarray
  labels: Labels
  piece: np.ndarray


def compare(
  composer: Composer,
  train: Iterable[Notes],
  held: Iterable[Notes],
  *,
  steps: int = STEPS,
  seed: int = 0,
  told: Callable[[Any, np.ndarray], tuple[np.ndarray, Labels]] | None = None,
) -> list[Found]:
  """Returns how well each property is read at every depth.

  Args:
    composer: The model.
    train: Pieces that probes are fitted to.
    held: Others, that they are judged on.
    steps: How many of a piece are probed.
    seed: Of the weights of the network that was never trained.
    told: Which steps of ids [t, f] may be probed, and what holds there; by
      default `labels`.

  Raises:
    ConfigError: The model has no layers that read all steps, or there are
      fewer than two pieces of either kind (code `probe`).
  """
  pieces = [list(train), list(held)]
  if min(map(len, pieces)) < 2:
    raise ConfigError(
      f'{len(pieces[0])} pieces to fit probes to and {len(pieces[1])} to judge '
      'them on; give two or more of each',
      code='probe',
    )
  draws = composer.model.init(jax.random.key(seed))
  sets = [
    [_Piece.of(composer, notes, steps, told or labels) for notes in part]
    for part in pieces
  ]
  own, drawn = (
    [_read(composer, params, part) for part in sets]
    for params in (composer.params, draws)
  )
  names = own[0].labels
  found = [_found(name, own, drawn) for name in names]
  return [one for one in found if one is not None]


def labels(tokenizer: Any, ids: np.ndarray) -> tuple[np.ndarray, Labels]:
  """Returns which steps are notes, [k], and what holds at each.

  Args:
    tokenizer: Of the ids.
    ids: [t, f] a piece.
  """
  segments = jnp.ones((1, len(ids)), jnp.int32)
  place = Places.of(tokenizer)(jnp.asarray(ids)[None], segments)
  bar, position, cell, pitch, _ = np.asarray(place)[0].T.astype(np.int64)
  steps = np.flatnonzero(pitch > 0)
  notes = tokenizer.decode(ids)
  micro = getattr(tokenizer, 'micro', 0) or 1
  seconds = time.ticks_to_seconds(notes, cell[steps] * micro)
  told = {
    'place in bar': position[steps],
    'bar of four': bar[steps] % _ROUND,
    **_harmony(notes, seconds),
    **_sections(notes, seconds),
  }
  return steps, told


def _harmony(notes: Notes, seconds: np.ndarray) -> Labels:
  """Returns root, kind and key of the chord at each time."""
  found = Chords().analyse(notes)
  if not len(found):
    none = np.full(len(seconds), -1)
    return {'chord root': none, 'chord kind': none, 'key': none}
  place = np.searchsorted(found.starts, seconds + 1e-6, side='right') - 1
  place = np.maximum(place, 0)
  kinds = list(chords_lib.QUALITIES)
  chords = [chords_lib.from_index(index) for index in found.chord.tolist()]
  root = [-1 if chord.root is None else chord.root for chord in chords]
  kind = [kinds.index(c.quality) if c.quality in kinds else -1 for c in chords]
  return {
    'chord root': np.array(root)[place],
    'chord kind': np.array(kind)[place],
    'key': found.key[place],
  }


def _sections(notes: Notes, seconds: np.ndarray) -> Labels:
  """Returns bar in its phrase, letter, and whether it returns, at each time."""
  found = Structure().analyse(notes)
  if not len(found) or not len(found.sections.letters):
    none = np.full(len(seconds), -1)
    return {'bar of phrase': none, 'section': none, 'returns': none}
  bar = np.searchsorted(found.seconds, seconds + 1e-6, side='right') - 1
  bar = np.clip(bar, 0, len(found) - 1)
  sections = found.sections
  which = np.searchsorted(sections.starts, bar, side='right') - 1
  letters = sections.letters
  kind = [(_LETTERS + letter).index(letter[0]) for letter in letters]
  again = [letter in letters[:place] for place, letter in enumerate(letters)]
  return {
    'bar of phrase': np.minimum(bar - sections.starts[which], _PHRASE),
    'section': np.minimum(kind, len(_LETTERS))[which],
    'returns': np.array(again, np.int64)[which],
  }


@dataclasses.dataclass(frozen=True)
class _Piece:
  """A piece in ids, and what holds at some of its steps."""

  ids: np.ndarray
  steps: np.ndarray
  labels: Labels

  @classmethod
  def of(
    cls,
    composer: Composer,
    notes: Notes,
    most: int,
    told: Callable[[Any, np.ndarray], tuple[np.ndarray, Labels]],
  ) -> '_Piece':
    ids = composer.tokenizer.encode(notes)
    steps, held = told(composer.tokenizer, ids)
    inside = np.flatnonzero(steps < composer.model.config.context)
    count = min(most, len(inside))
    some = inside[np.linspace(0, len(inside) - 1, count).astype(np.int64)]
    context = composer.model.config.context
    return cls(
      ids[:context],
      steps[some],
      {name: values[some] for name, values in held.items()},
    )


def _read(composer: Composer, params: Any, pieces: list[_Piece]) -> Read:
  """Returns what a network makes of pieces, one by one."""
  model = composer.model
  context = model.config.context
  look = jax.jit(functools.partial(looking.states, model))
  states = []
  for piece in pieces:
    ids = np.zeros((1, context, piece.ids.shape[1]), np.int32)
    ids[0, : len(piece.ids)] = piece.ids
    segments = (np.arange(context) < len(piece.ids))[None].astype(np.int32)
    positions = np.arange(context, dtype=np.int32)[None]
    whole = look(params, ids, segments, positions)
    states.append(np.asarray(whole[:, 0, piece.steps], np.float32))
  sizes = [len(piece.steps) for piece in pieces]
  return Read(
    np.concatenate(states, axis=1),
    {
      name: np.concatenate([piece.labels[name] for piece in pieces])
      for name in pieces[0].labels
    },
    np.repeat(np.arange(len(pieces)), sizes),
  )


def _found(name: str, own: list[Read], drawn: list[Read]) -> Found | None:
  """Returns how well a property is read; None if it has but one class."""
  fit, judge = (read.labels[name] for read in own)
  some, seen = (np.flatnonzero(values >= 0) for values in (fit, judge))
  pieces = [
    len(np.unique(r.piece[s])) for r, s in zip(own, (some, seen), strict=True)
  ]
  if len(np.unique(fit[some])) < 2 or min(pieces) < 2:
    return None
  where = own[1].piece[seen]
  trained, untrained = (
    tuple(
      probing.hits(
        probing.fit(one[some], fit[some], own[0].piece[some])(other[seen]),
        judge[seen],
        where,
      )
      for one, other in zip(reads[0].states, reads[1].states, strict=True)
    )
    for reads in (own, drawn)
  )
  always = np.full(len(seen), probing.commonest(fit[some]))
  return Found(
    name,
    trained,
    untrained,
    probing.hits(always, judge[seen], where),
    len(np.unique(fit[some])),
    len(seen),
  )
