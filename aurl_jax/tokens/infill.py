"""Infilling: a part of a piece is taken out, and put back when it is written.

Bars that a part is taken out of begin with a `mask` in place of their bar;
meter, cut, controls, tempos and all that is not taken out stay where they
were. Behind the context stands `fill`, then what was taken out, bar by bar:

  remi      … ( Bar … )* ( Mask … )+ ( Bar … )* Fill ( Program [Voice] )*
              ( Bar … )+ EOS
  compound  the same in steps; a Fill for each track, with program and voice
  grid      cells whose fields of the voices taken out are `mask`; Fill; as
            many cells, whose other fields are `mask`; EOS

The value of `fill` tells whether the piece ends with the context (1) or goes
on (0). Tracks that it names are all that is taken out; without any it is
whatever the masked bars do not have. Bars behind `fill` are the masked ones in
turn: the first has the number, and the time, of the first `mask`.

Plain numpy, free of JAX, so that data workers start fast. Axes: `t` steps,
`f` fields. The grammars are in `infill_grammar` and `infill_cells`.
"""

import dataclasses
import functools
from typing import NamedTuple

import numpy as np

from aurl_jax.core import errors
from aurl_jax.tokens import infill_layouts as layouts
from aurl_jax.tokens.codec import Codec, Field, Range
from aurl_jax.tokens.infill_parts import Part, Track

__all__ = ['ALL', 'Infill', 'Part', 'Taken', 'Track', 'extended']

ALL = Part()
"""Everything but tempos."""


def extended(codec: Codec) -> Codec:
  """Returns a vocabulary with `mask` and `fill`; its other ids stay."""
  mask, fill = Range('mask', 0, 0), Range('fill', 0, 1)
  first, *rest = codec.fields
  fields = [Field(first.name, (*first.ranges, mask, fill))]
  for field in rest:
    more = (mask,) if layouts.is_cells(codec) else ()
    fields.append(Field(field.name, field.ranges + more))
  return Codec(tuple(fields))


class Taken(NamedTuple):
  """A piece, or a stretch of one, of which a part is taken out.

  Attributes:
    context: int32 [c, f] what is left, and the `fill` behind it: a prompt.
    filled: int32 [n, f] what is to be written, EOS included.
  """

  context: np.ndarray
  filled: np.ndarray

  @property
  def ids(self) -> np.ndarray:
    """Both, int32 `[c + n, f]`."""
    return np.concatenate([self.context, self.filled])


@dataclasses.dataclass(frozen=True)
class Infill:
  """Takes parts out of ids of a vocabulary, and puts them back.

  Attributes:
    codec: The vocabulary, with `mask` and `fill`.

  Raises:
    ConfigError: It has no such steps, or cannot have them.
  """

  codec: Codec

  def __post_init__(self) -> None:
    _ = self._layout

  @functools.cached_property
  def _layout(self) -> layouts.Layout:
    refuse(self.codec)
    if 'mask' not in self.codec.fields[0].starts:
      raise errors.ConfigError(
        'infilling needs steps that this vocabulary does not have; take '
        'a model that has learnt it, or train one with tokenizer.infill=True '
        'and objective.bars=0.3',
        code='no_infill',
      )
    return layouts.of(self.codec)

  @functools.cached_property
  def _eos(self) -> np.ndarray:
    step = np.zeros((1, len(self.codec.fields)), np.int32)
    step[0, 0] = self.codec.id('eos')
    return step

  def tracks(self, ids: np.ndarray) -> list[Track]:
    """Returns the (program, voice) of all notes, ascending.

    Of a grid they are (0, field) of the voices that sound.
    """
    return self._layout.tracks(ids)

  def take_out(
    self,
    ids: np.ndarray,
    bars: np.ndarray,
    first: int,
    last: int,
    part: Part = ALL,
  ) -> Taken:
    """Takes a part out of the bars `first` up to, but without, `last`.

    Args:
      ids: int32 [t, f], a piece or a stretch that ends where a bar does.
      bars: [b] the steps at which its bars start.
      first: Number of the first bar, from 0.
      last: One past that of the last; at most b.
      part: What of these bars.

    Raises:
      TokenError: There are no such bars (code `bars`), or the tokenization
        cannot tell the part (code `part`).
    """
    if not 0 <= first < last <= len(bars):
      raise errors.TokenError(
        f'bars {first}..{last} of a piece of {len(bars)} bars; choose some of '
        'those that it has',
        code='bars',
      )
    ends = ids[:, 0] == self._eos[0, 0]
    ended = bool(len(ids)) and bool(ends[-1])
    whole = len(ids) - ended
    begin = int(bars[first])
    end = int(bars[last]) if last < len(bars) else whole
    left, filled = self._layout.split(ids[begin:end], part)
    header = self._layout.header(part, ended)
    context = [ids[:begin], left, ids[end:whole], header]
    return Taken(
      np.concatenate(context).astype(np.int32),
      np.concatenate([filled, self._eos]).astype(np.int32),
    )

  def put_back(self, ids: np.ndarray) -> np.ndarray:
    """Returns the ids that a part was taken out of, int32 `[t, f]`.

    Total: of a fill that breaks off, what there is; bars that it does not
    have stay as the context has them. Ids without `fill` stay, but for masks.
    """
    layout = self._layout
    ids = np.asarray(ids, np.int32)
    found = np.flatnonzero(self.codec.holds('fill', ids[:, 0]))
    at = int(found[0]) if len(found) else len(ids)
    context, rest = ids[:at], ids[at:]
    ended = False
    if len(rest):
      ended = bool(self.codec.event(int(rest[0, 0]))[1])
      rest = rest[layout.header_size(rest) :]
    stops = (rest[:, 0] == self._eos[0, 0]) | (rest[:, 0] == 0)
    rest = rest[: int(np.argmax(stops)) if stops.any() else len(rest)]
    masked = np.flatnonzero(layout.masked(context))
    if len(masked):
      begin, end = int(masked[0]), layout.end(context, int(masked[-1]))
      joined = layout.join(context[begin:end], rest)
      after = layout.seam(joined, context[end:])
      context = np.concatenate([context[:begin], joined, after])
    if ended:
      context = np.concatenate([context, self._eos])
    return context.astype(np.int32)


def refuse(codec: Codec) -> None:
  """Raises ConfigError for a vocabulary that infilling makes no sense in."""
  first = codec.fields[0].starts
  if any('merged' in field.starts for field in codec.fields):
    raise errors.ConfigError(
      'merged ids may stand for parts of several notes and bars, so none can '
      'be taken out; train infilling on the base tokenizer',
      code='no_infill',
    )
  if 'shift' in first:
    raise errors.ConfigError(
      'performance events have no bars and tell time by what stands in '
      'between: nothing says how long a gap is; use compound with micro and '
      'pedal (aurl_jax.tokens.compound:Compound) for infilling',
      code='no_infill',
    )
