"""What a model is trained to do with each stretch of a piece: the mixture.

  causal   what follows, from the left
  bars     bars that are taken out, given both sides
  tracks   some tracks of some bars, given the others and both sides
  given    all but the melody, the bass or the chords

What becomes of a stretch follows from (seed, epoch, piece, where it starts)
alone: the objective from the first three, so that the plan of an epoch knows
which pieces need room. So workers, processes and a restart change nothing.
Free of JAX, so that a data worker starts in the time of numpy. Axes: `t`
steps, `f` fields, `b` bars, `p` pieces.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Int32, Int64

from aurl_jax.core.errors import ConfigError
from aurl_jax.tokens import control_dropout, heard
from aurl_jax.tokens.codec import Codec, Field, Range
from aurl_jax.tokens.infill import ALL, Infill, Part, Taken
from aurl_jax.tokens.infill_layouts import is_cells
from aurl_jax.tokens.infill_parts import GIVEN

KINDS = ('causal', 'bars', 'tracks', 'given')
TOLD = ('both', 'left')
"""Only to compare: what bars hold, given both sides, or the left alone. Both
count the same ids, what stood in the bars but for the bar lines."""
_TAG = 0x1F111
"""Keeps these draws apart from those of other uses of a seed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
  """The mixture of objectives; by default causal alone.

  Attributes:
    causal: Weight in the mixture; shares are the weights over their sum.
    bars: Likewise.
    tracks: Likewise.
    given: Likewise.
    given_of: What is given, evenly: of `melody`, `bass` and `chords`, with
      commas between.
    control_dropout: Chance that controls are left out, 0..1; see
      `tokens.control_dropout`. For tokenizers with controls.
    context_loss: Whether the context of an infilled part is learnt, too.
    room: Steps kept free for a stretch that a part is taken out of, which
      limit how many bars that may be; 0 takes an eighth of the context, of a
      grid, whose cells are told twice, a quarter.
  """

  causal: float = 1.0
  bars: float = 0.0
  tracks: float = 0.0
  given: float = 0.0
  given_of: str = 'melody,bass'
  control_dropout: float = 0.15
  context_loss: bool = False
  room: int = 0

  def __post_init__(self) -> None:
    shares = [getattr(self, name) for name in KINDS]
    if min(shares) < 0 or not sum(shares) > 0:
      raise ConfigError(
        'objective: causal, bars, tracks and given must be 0 or more, and one '
        f'of them above; they are {shares}'
      )
    if not 0 <= self.control_dropout < 1:
      raise ConfigError(
        f'objective.control_dropout {self.control_dropout} is not in [0, 1)'
      )
    if not self.lines or not set(self.lines) <= set(GIVEN):
      raise ConfigError(
        f'objective.given_of {self.given_of!r}; choose of ' + ', '.join(GIVEN)
      )
    if self.room < 0:
      raise ConfigError(f'objective.room {self.room} must be 0 or more')

  @property
  def lines(self) -> tuple[str, ...]:
    """What may be given."""
    words = (word.strip() for word in self.given_of.split(','))
    return tuple(word for word in words if word)

  @property
  def infills(self) -> bool:
    """Whether anything is ever taken out."""
    return self.bars + self.tracks + self.given > 0

  def only(self, kind: str) -> 'ObjectiveConfig':
    """Returns the config of one objective, without dropout."""
    shares: dict[str, Any] = {name: float(name == kind) for name in KINDS}
    return dataclasses.replace(self, control_dropout=0.0, **shares)


class Stretch(NamedTuple):
  """A stretch of a piece, as a row holds it.

  Attributes:
    ids: int32 [t, f].
    bars: int64 [b] the steps at which bars start.
    piece: Its number.
    start: Where the stretch starts in it.
    room: Steps that it may have in the row.
    complete: Whether its last bar is whole.
  """

  ids: Int32[np.ndarray, 't f']
  bars: Int64[np.ndarray, ' b']
  piece: int
  start: int
  room: int
  complete: bool


class Made(NamedTuple):
  """What a stretch has become.

  Attributes:
    ids: int32 [t, f].
    weights: int32 [t, f], 1 where an id counts as a target, else 0.
    labels: int32 [t, k], what the kinds that are asked say of the step behind
      each; `heard.UNKNOWN` where a part was taken out.
  """

  ids: Int32[np.ndarray, 't f']
  weights: Int32[np.ndarray, 't f']
  labels: Int32[np.ndarray, 't k']


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mixture:
  """The objectives of a stream of batches.

  Attributes:
    config: The mixture.
    codec: The vocabulary.
    told: One of `TOLD`, instead of what `bars` makes; '' for that.
    heard: Kinds of control that are asked, not told: see `tokens.heard`.

  Raises:
    ConfigError: The tokenization cannot tell what the mixture asks for.
  """

  config: ObjectiveConfig
  codec: Codec
  told: str = ''
  heard: tuple[str, ...] = ()

  def __post_init__(self) -> None:
    if self.config.infills:
      _ = self.infill
      _check_given(self.config, self.codec)

  @functools.cached_property
  def infill(self) -> Infill:
    """Takes parts out."""
    return Infill(self.codec)

  @property
  def changes(self) -> bool:
    """Whether a batch is another one than without a mixture."""
    controls = control_dropout.has_controls(self.codec)
    dropped = controls and self.config.control_dropout > 0
    return self.config.infills or dropped or bool(self.heard)

  @classmethod
  def from_dict(cls, values: Mapping[str, Any]) -> 'Mixture':
    """Returns what `dataclasses.asdict` made plain."""
    fields = tuple(
      Field(field['name'], tuple(Range(**part) for part in field['ranges']))
      for field in values['codec']['fields']
    )
    return cls(
      config=ObjectiveConfig(**values['config']),
      codec=Codec(fields),
      told=values['told'],
      heard=tuple(values['heard']),
    )

  def kinds(
    self, seed: int, epoch: int, pieces: Int[np.ndarray, ' p']
  ) -> Int64[np.ndarray, ' p']:
    """Returns the objective of each piece, an index into `KINDS`."""
    shares = np.array([getattr(self.config, name) for name in KINDS])
    edges = np.cumsum(shares) / shares.sum()
    word = _mixed(np.uint64(seed) * np.uint64(_TAG) + np.uint64(epoch))
    words = _mixed(word ^ _mixed(pieces.astype(np.uint64) + np.uint64(_TAG)))
    share = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
    found = np.searchsorted(edges, share, side='right')
    # However the sum was rounded, a weight of 0 is never drawn.
    return np.minimum(found, np.flatnonzero(shares)[-1])

  def room(self, context: int) -> int:
    """Returns the steps that an infilled stretch is given beside its own."""
    share = 4 if is_cells(self.codec) else 8
    return min(self.config.room or max(4, context // share), context // 2)

  def reserve(
    self, seed: int, epoch: int, pieces: int, context: int
  ) -> Int64[np.ndarray, ' p']:
    """Returns the steps to keep free beside each stretch of each piece."""
    found = self.kinds(seed, epoch, np.arange(pieces))
    return np.where(found > 0, self.room(context), 0).astype(np.int64)

  def make(self, stretch: Stretch, seed: int, epoch: int) -> Made:
    """Returns the steps that a stretch becomes.

    Args:
      stretch: What the plan says.
      seed: Of the run.
      epoch: Of the plan.
    """
    key = [seed, _TAG, epoch, stretch.piece]
    stretch, labels = self._asked(stretch)
    stretch, labels = self._dropped(stretch, labels, np.random.default_rng(key))
    kind = KINDS[int(self.kinds(seed, epoch, np.array([stretch.piece]))[0])]
    rng = np.random.default_rng([*key, stretch.start])
    bars = len(stretch.bars) - (not stretch.complete)
    if kind != 'causal' and bars > 0:
      made = self._taken(stretch, kind, bars, rng)
      if made is not None:
        return made
    counted = np.full(stretch.ids.shape, int(not self.told), np.int32)
    return Made(stretch.ids, counted, heard.following(labels))

  def _asked(
    self, stretch: Stretch
  ) -> tuple[Stretch, Int32[np.ndarray, 't k']]:
    """Returns the stretch without the controls that are asked, and these."""
    if not self.heard:
      return stretch, np.zeros((len(stretch.ids), 0), np.int32)
    stays, labels = heard.split(self.codec, stretch.ids, self.heard)
    return _only(stretch, stays), labels[stays]

  def _dropped(
    self,
    stretch: Stretch,
    labels: Int32[np.ndarray, 't k'],
    rng: np.random.Generator,
  ) -> tuple[Stretch, Int32[np.ndarray, 'u k']]:
    """Returns stretch and labels without the controls that are dropped."""
    chance = self.config.control_dropout
    if not (chance and control_dropout.has_controls(self.codec)):
      return stretch, labels
    kept = control_dropout.kept(self.codec, stretch.ids, chance, rng)
    return _only(stretch, kept), labels[kept]

  def _taken(
    self, stretch: Stretch, kind: str, bars: int, rng: np.random.Generator
  ) -> Made | None:
    """Returns the stretch with a part taken out; None if nothing fits."""
    count = _span(kind, bars, rng)
    place, chance = rng.random(), rng.random()
    while count:
      first = int(place * (bars - count + 1))
      span = first, first + count
      part = self._part(stretch, kind, span, chance)
      taken = self.infill.take_out(stretch.ids, stretch.bars, *span, part)
      if len(taken.context) + len(taken.filled) <= stretch.room:
        return self._made(stretch, span, taken)
      count //= 2
    return None

  def _part(
    self, stretch: Stretch, kind: str, span: tuple[int, int], chance: float
  ) -> Part:
    """Returns what is taken out; `chance` decides among several."""
    if kind == 'given':
      names = self.config.lines
      return Part(given=names[int(chance * len(names))])
    if kind == 'bars':
      return ALL
    edges = np.append(stretch.bars, len(stretch.ids))
    tracks = self.infill.tracks(stretch.ids[edges[span[0]] : edges[span[1]]])
    if len(tracks) < 2:
      return ALL
    # Of n tracks 1..n-1; the same chance picks how many and which.
    count = 1 + int(chance * (len(tracks) - 1))
    words = _mixed(np.arange(len(tracks), dtype=np.uint64) + _word(chance))
    chosen = np.argsort(words, kind='stable')[:count]
    return Part(tracks=tuple(sorted(tracks[i] for i in chosen.tolist())))

  def _made(
    self, stretch: Stretch, span: tuple[int, int], taken: Taken
  ) -> Made:
    if self.told == 'left':
      return self._left(stretch, span)
    weights = np.ones(taken.ids.shape, np.int32)
    if not self.config.context_loss or self.told:
      weights[: len(taken.context)] = 0
    filled = weights[len(taken.context) :]
    if is_cells(self.codec):
      filled[self._masked(taken.filled)] = 0
    if self.told:
      filled[self._is_frame(taken.filled)] = 0
    return Made(taken.ids, weights, self._unknown(taken.ids))

  def _unknown(self, ids: np.ndarray) -> Int32[np.ndarray, 't k']:
    """Returns no labels."""
    return np.full((len(ids), len(self.heard)), heard.UNKNOWN, np.int32)

  def _masked(self, ids: np.ndarray) -> np.ndarray:
    """Returns bool [t, f]: which ids are masks."""
    fields = range(ids.shape[1])
    return np.stack(
      [self.codec.holds('mask', ids[:, f], f) for f in fields], axis=1
    )

  def _is_frame(self, ids: np.ndarray) -> np.ndarray:
    """Returns bool [t]: bar lines, EOS and what the context keeps."""
    first = self.codec.fields[0]
    found = np.zeros(len(ids), np.bool_)
    for event in ('bar', 'eos', 'meter', 'cut', 'tempo'):
      found |= first.holds(event, ids[:, 0])
    # A position that a tempo alone stands at.
    after = np.append(ids[1:, 0], [0, 0])
    tempo = first.holds('tempo', after[:-1])
    shared = first.holds('program', after[1:]) | first.holds('chord', after[1:])
    found |= first.holds('position', ids[:, 0]) & tempo & ~shared
    return found | (control_dropout.kinds(self.codec, ids) >= 0)

  def _left(self, stretch: Stretch, span: tuple[int, int]) -> Made:
    """Returns the stretch up to the end of the span, the span counted."""
    begin = int(stretch.bars[span[0]])
    end = len(stretch.ids) - int(self._ended(stretch.ids))
    if span[1] < len(stretch.bars):
      end = int(stretch.bars[span[1]])
    ids = stretch.ids[:end]
    weights = np.zeros(ids.shape, np.int32)
    weights[begin:] = ~self._is_frame(ids[begin:])[:, None]
    return Made(ids, weights, self._unknown(ids))

  def _ended(self, ids: np.ndarray) -> bool:
    return bool(ids[-1, 0] == self.codec.id('eos'))


def _only(stretch: Stretch, stays: Bool[np.ndarray, ' t']) -> Stretch:
  """Returns the stretch of the steps that stay, bar lines among them."""
  bars = (np.cumsum(stays) - 1)[stretch.bars]
  return stretch._replace(ids=stretch.ids[stays], bars=bars)


def _check_given(config: ObjectiveConfig, codec: Codec) -> None:
  told = any(field.tells('chord') for field in codec.fields)
  if config.given and 'chords' in config.lines and not told:
    raise ConfigError(
      'objective.given_of has chords, which this tokenization does not tell; '
      'set tokenizer.chords=True (compound or remi), or leave them out'
    )


def _span(kind: str, bars: int, rng: np.random.Generator) -> int:
  """Returns how many bars something is taken out of, 1..bars."""
  share = rng.random()
  if kind == 'given' and rng.random() < 0.5:
    return bars
  if kind == 'bars':
    # As likely 1 to 2 bars as 8 to 16: most people ask for few.
    return int((max(1, bars // 2) + 1) ** share)
  return 1 + int(share * bars)


def _word(chance: float) -> np.uint64:
  """Returns a random word of a number in [0, 1)."""
  return np.uint64(int(chance * 2**53))


def _mixed(words: Any) -> Any:
  """Returns a random word that follows from each, by SplitMix64's finaliser.

  Steele et al., "Fast splittable pseudorandom number generators", OOPSLA
  2014; `numpy.random` cannot be vectorised over keys.
  """
  with np.errstate(over='ignore'):
    mixed = words + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
