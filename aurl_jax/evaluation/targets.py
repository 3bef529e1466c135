"""What the targets of a likelihood stand for: notes, and frames of voices.

A likelihood an id compares only models of one tokenization. These sums, over
batches of any size, give the units in which others compare too: bits a note,
and nats a voice and 16th as published for chorales. Functions of logits and
targets, traced inside the step that evaluates. Axes: `b` batch, `t` time,
`f` fields, `v` ids of a field.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from aurl_jax.tokens.bpe import Bpe
from aurl_jax.tokens.codec import Codec
from aurl_jax.tokens.grid import VoiceGrid
from aurl_jax.tokens.tokenizer import Tokenizer

Ratios = dict[str, tuple[Array, Array]]
"""Name -> (sum, what it is divided by in the end)."""

_NOTES = ('pitch', 'drum')
"""Events that each begin one note, whatever the tokenization."""


@dataclasses.dataclass(frozen=True)
class NoteCounts:
  """Bits a note: all that is told of the music, shared among its notes.

  Bars, meters, tempos and rests count in the numerator: a tokenization pays
  for each id that it needs. A note counts where it begins.

  Attributes:
    tokenizer: Whose ids the targets are.
  """

  tokenizer: Tokenizer

  @functools.cached_property
  def _told(self) -> tuple[np.ndarray, ...]:
    """int32 `[v]` for each field: how many notes begin with an id."""
    if isinstance(self.tokenizer, Bpe):
      (base,) = _begin(self.tokenizer.base.codec)
      merged = [base[list(ids)].sum() for ids in self.tokenizer.expansions]
      return (np.array(merged, np.int32),)
    return _begin(self.tokenizer.codec)

  def __call__(
    self,
    logits: Sequence[Float[Array, 'b t _']],
    targets: Int[Array, 'b t f'],
  ) -> Ratios:
    """Returns the sums of `bits_per_note`: bits, notes."""
    nats, notes = jnp.float32(0), jnp.int32(0)
    for field, (scores, told) in enumerate(
      zip(logits, self._told, strict=True)
    ):
      target = targets[..., field]
      nats += _lost(scores, _picked(scores, target), target != 0)
      notes += jnp.take(jnp.asarray(told), target).sum()
    return {'bits_per_note': (nats / math.log(2), notes)}


@dataclasses.dataclass(frozen=True)
class Frames:
  """Nats a voice and 16th, as published for the JSB chorales.

  There a frame holds the pitch of each voice, or a rest, and does not tell
  whether a pitch is struck or held: the chance of a pitch is that of its
  strike plus that of its hold. Beginnings and ends of pieces, which the
  published sets do not tell, do not count. Exact for music in which equal
  pitches that follow each other are one note, as in music made of frames;
  in other music the model knows of strikes what frames would not tell.

  Source: Boulanger-Lewandowski et al., ICML 2012 (the frames and splits);
  Huang et al., "Music Transformer", ICLR 2019 (the unit).

  Attributes:
    tokenizer: Whose ids the targets are.
  """

  tokenizer: VoiceGrid

  def __call__(
    self,
    logits: Sequence[Float[Array, 'b t _']],
    targets: Int[Array, 'b t f'],
  ) -> Ratios:
    """Returns the sums of `frames`: nats, voices times 16ths."""
    codec = self.tokenizer.codec
    nats, count = jnp.float32(0), jnp.int32(0)
    for field, scores in enumerate(logits):
      target = targets[..., field]
      struck = codec.span('pitch', field)[0]
      held = codec.span('hold', field)[0]
      sounds = codec.holds('pitch', target, field)
      goes_on = codec.holds('hold', target, field)
      pitch = jnp.where(goes_on, target - held, target - struck)
      both = jnp.logaddexp(
        _picked(scores, struck + pitch), _picked(scores, held + pitch)
      )
      sounds |= goes_on
      counted = sounds | codec.holds('rest', target, field)
      # A BOS step tells meters, of which no frame knows.
      counted &= ~codec.holds('bos', targets[..., 0])
      picked = jnp.where(sounds, both, _picked(scores, target))
      nats += _lost(scores, picked, counted)
      count += counted.sum(dtype=jnp.int32)
    return {'frames': (nats, count)}


def _begin(codec: Codec) -> tuple[np.ndarray, ...]:
  """Returns for each field which ids begin a note, int32 `[v]`."""
  ids = (np.arange(size) for size in codec.sizes)
  return tuple(
    np.sum([field.holds(name, every) for name in _NOTES], axis=0).astype(
      np.int32
    )
    for field, every in zip(codec.fields, ids, strict=True)
  )


def _picked(
  scores: Float[Array, 'b t v'], ids: Int[Array, 'b t']
) -> Float[Array, 'b t']:
  ids = jnp.clip(ids, 0, scores.shape[-1] - 1)
  return jnp.take_along_axis(scores, ids[..., None], axis=-1)[..., 0]


def _lost(
  scores: Float[Array, 'b t v'],
  picked: Float[Array, 'b t'],
  counted: Array,
) -> Float[Array, '']:
  """Sum of the nats of what counts."""
  nats = jax.scipy.special.logsumexp(scores, axis=-1) - picked
  return jnp.where(counted, nats, 0).sum()
