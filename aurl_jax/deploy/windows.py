"""A piece as stretches of bars that a model with latents can read.

Axes: `b` bars.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from aurl_jax.core.errors import TokenError
from aurl_jax.deploy.encoder import Encoder
from aurl_jax.generation.errors import RequestError
from aurl_jax.music import cut, time
from aurl_jax.music.notes import Notes


class Bars(NamedTuple):
  """The bars of a piece.

  Attributes:
    starts: Ticks at which they begin, and the tick behind the last, [b + 1].
    meters: Of each.
    whole: Whether each is as long as its meter, bool [b].
  """

  starts: np.ndarray
  meters: tuple[tuple[int, int], ...]
  whole: np.ndarray


class Window(NamedTuple):
  """Whole bars of one meter.

  Attributes:
    first: Number of the first bar.
    last: One past that of the last.
    start: Tick at which they begin.
    end: Tick behind them.
    meter: Of all of them.
    ids: Of their music alone, with what sounds on from before, `[t, f]`.
  """

  first: int
  last: int
  start: int
  end: int
  meter: tuple[int, int]
  ids: np.ndarray

  @property
  def bars(self) -> int:
    """How many bars it has."""
    return self.last - self.first


def bars_of(notes: Notes) -> Bars:
  """Returns the bars of a piece; the last is as long as its meter."""
  starts = time.bar_starts(notes)
  changes = time.meter_changes(notes)
  at = [change[0] for change in changes]
  held = [changes[i][1:] for i in np.searchsorted(at, starts, side='right') - 1]
  full = np.array([4 * notes.ticks_per_beat * n // d for n, d in held])
  edges = np.append(starts, starts[-1] + full[-1])
  return Bars(edges, tuple(held), np.diff(edges) == full)


def of(encoder: Encoder, notes: Notes) -> list[Window]:
  """Returns the windows of a piece, in order: as long as can be read.

  Bars that fit into none, since they are cut short or too dense, are left out.

  Args:
    encoder: Of the model.
    notes: The piece, as the model's tokenizer quantises it.
  """
  return [window for (window,) in shared(encoder, [notes])]


def shared(
  encoder: Encoder, pieces: Sequence[Notes]
) -> list[tuple[Window, ...]]:
  """Returns windows that stand at the same place of all pieces, one of each.

  Args:
    encoder: Of the model.
    pieces: As of `of`, whose bars are the same.
  """
  latent, bars = encoder.model.config.latent, bars_of(pieces[0])
  most = latent.slots * latent.beats * pieces[0].ticks_per_beat
  found: list[tuple[Window, ...]] = []
  first, count = 0, len(bars.meters)
  while first < count:
    last = _last(bars, first, most)
    windows: list[Window] = []
    while len(windows) < len(pieces) and last > first:
      made = [_window(encoder, notes, bars, (first, last)) for notes in pieces]
      windows = [window for window in made if window is not None]
      last -= 1
    if len(windows) == len(pieces):
      found.append(tuple(windows))
      first = windows[0].last
    else:
      first += 1
  return found


def read(encoder: Encoder, notes: Notes, what: str) -> list[Window]:
  """Returns `of`, at least one.

  Args:
    encoder: Of the model.
    notes: Any piece.
    what: What it is called in messages.

  Raises:
    RequestError: The tokenizer cannot hold it, or none of its bars fits the
      model (code `too_long`).
  """
  quantised = held(encoder, notes, what)
  found = of(encoder, quantised)
  if not found:
    latent = encoder.model.config.latent
    raise RequestError(
      f'the {what} has no bar that this model can read: whole ones of up to '
      f'{latent.slots * latent.beats} beats and {encoder.model.config.context} '
      'steps; take music of shorter or thinner bars, or another model',
      code='too_long',
    )
  return found


def held(encoder: Encoder, notes: Notes, what: str) -> Notes:
  """Returns a piece as the tokenizer holds it; raises as `read`."""
  try:
    return encoder.tokenizer.quantise(notes)
  except TokenError as error:
    cause = str(error).partition('; use ')[0]
    raise RequestError(
      f'this model cannot read the {what}: {cause}', code='prompt'
    ) from error


def _last(bars: Bars, first: int, most: int) -> int:
  """Returns one past the last bar of the longest window that begins here."""
  last = first
  while (
    last < len(bars.meters)
    and bars.whole[last]
    and bars.meters[last] == bars.meters[first]
    and bars.starts[last + 1] - bars.starts[first] <= most
  ):
    last += 1
  return last


def _window(
  encoder: Encoder, notes: Notes, bars: Bars, span: tuple[int, int]
) -> Window | None:
  """Returns some bars of a piece, None if the model cannot read them.

  A tokenization may not say the meter of an excerpt, and a dense bar may have
  more steps than the model's context.
  """
  first, last = span
  start, end = int(bars.starts[first]), int(bars.starts[last])
  part = cut.slice_ticks(notes, start, end, held=True)
  try:
    ids = encoder.tokenizer.encode(part)
  except TokenError:
    return None
  if len(ids) > encoder.model.config.context:
    return None
  return Window(first, last, start, end, bars.meters[first], ids)
