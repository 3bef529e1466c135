"""`Live`: music bar by bar, for as long as it is wanted.

A page is what one context holds. It begins with the last bars of the page
before it (`generation.resume`), so that music has no end of its own. Two
programs begin pages, one goes on, and all stand ready before the first beat.
"""

import dataclasses
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from aurl_jax.deploy.composer import Composer
from aurl_jax.generation import decode, resume, wishing
from aurl_jax.generation.bars import Bars
from aurl_jax.generation.decode import Batch, Writer
from aurl_jax.generation.errors import DecodeError, RequestError
from aurl_jax.generation.prompt import Prompts
from aurl_jax.generation.request import LINES, Request
from aurl_jax.generation.stream import Flow
from aurl_jax.music.notes import Notes
from aurl_jax.music.window import Window

PAGE = 8
"""Bars that a page is asked for: wishes about up to eight have one shape."""
_BEYOND = 2
"""Of these the bars that are left to the next page, unless it is the last:
no note sounds on where a page ends."""
_CONTEXT = 1024
"""Steps of a page at most: attention costs its length."""
_BLOCK = 32
"""Steps that prompts are rounded up to, as in `generation.decode`."""
_STAND_IN = Notes.build(1, {'onset': 0, 'duration': 1, 'pitch': 60})
"""Tells that there is music before a page; which, its prompt tells."""
_NOT_LIVE = (
  'steps',
  'rewrite',
  *LINES,
  'beams',
  'speculate',
  'form',
  'minutes',
)
CHANGES = (
  'wish',
  'temperature',
  'top_k',
  'top_p',
  'typical_p',
  'min_p',
  'controls',
  'guidance',
  'original',
  'repeat',
)
"""What may be asked anew while music plays."""


class _Place(NamedTuple):
  """Where a page stands.

  Attributes:
    page: Its number.
    since: Bars since what is asked for was asked.
    left: Bars of the whole that are left; 0 for no end.
  """

  page: int = 0
  since: int = 0
  left: int = 0


class Live:
  """Music of a model as a stream of windows.

  Attributes:
    composer: The model.
    request: What is asked for by now. `bars` are those of the whole, 0 for no
      end; `seed` is that of the first page, from which the others count on.
      `retries` has no effect: what has sounded stands.
  """

  def __init__(self, composer: Composer, request: Request) -> None:
    """Settles what is asked for; compiles nothing yet.

    Args:
      composer: The model.
      request: For one piece.

    Raises:
      RequestError: It cannot be met, or not bar by bar (code `live`).
    """
    _check(composer, request)
    self.composer = composer
    self.request = wishing.settled(composer.tokenizer, request)
    self._context = min(composer.model.config.context, _CONTEXT)
    self._size = decode.lengths(1, self._context)[-1]
    self._width = max(_BLOCK, self._context // 2 // _BLOCK * _BLOCK)
    self._lock = threading.Lock()
    self._changed = 0
    self._known: Bars | None = None

  def warm(self) -> None:
    """Compiles all programs, by writing a bar and going on from it.

    Raises:
      RequestError: The request cannot be met.
      DecodeError: The model gives no numbers, or no bar.
    """
    bars = self._first(self.request, _Place(left=self.request.bars))
    if not bars.fill(bars.first):
      raise _stalled()
    self._next(self.request, bars, bars.first + 1, _Place()).write(1)
    self._known = bars

  def ask(self, **changes: Any) -> None:
    """Changes what the bars shall be like that are still to be begun.

    Returns when the program for that stands ready. Bars that are written
    ahead stay as they are, and so does the one being written.

    Args:
      **changes: Fields of `Request`, of `CHANGES`. Bars of a wish count from
        the first that it changes.

    Raises:
      RequestError: Another field, or what cannot be met; then all stays as it
        was.
    """
    other = sorted(changes.keys() - set(CHANGES))
    if other:
      raise RequestError(
        f'{", ".join(other)} cannot change while music plays; what can is '
        + ', '.join(CHANGES),
        code='live',
      )
    asked = dataclasses.replace(self.request, **changes)
    _check(self.composer, asked)
    asked = wishing.settled(self.composer.tokenizer, asked)
    if self._known is None:
      self.warm()
    bars = self._known
    assert bars is not None
    self._next(asked, bars, bars.first + 1, _Place()).write(1)
    with self._lock:
      self.request, self._changed = asked, self._changed + 1

  def windows(self) -> Iterator[Window]:
    """Yields the music: the first bar in parts, then bar by bar.

    Where it falls silent for a bar, since the model takes it for over, it
    begins anew.

    Raises:
      DecodeError: The model gives no numbers, or no bar.
    """
    request, changed = self.request, self._changed
    place, told, since = _Place(left=request.bars), 0, 0
    bars, total = self._first(request, place), request.bars
    while True:
      bar, over = bars.first, False
      # A change waits for a bar: there has to be something to go on from.
      while bar == bars.first or (
        bar < bars.stop and not over and changed == self._changed
      ):
        before = told
        for found in bars.windows(bar, told, parts=not told):
          told += found.last
          yield found
        if told == total:
          return
        if told == before:
          break
        over, bar = bars.silent(bar), bar + 1
      if bar == bars.first:
        raise _stalled()
      with self._lock:
        request, now = self.request, self._changed
      changed, since = now, since if changed == now else told
      left = max(0, total - told)
      place = _Place(place.page + 1, told - since, left)
      if over:
        bars = self._first(request, place)
      else:
        bars = self._next(request, bars, bar, place)

  def _first(self, request: Request, place: _Place) -> Bars:
    """Returns a page that begins the music, or begins it anew."""
    tokenizer = self.composer.tokenizer
    prompt = Prompts(tokenizer).prompt(request)
    if request.prompt is None:
      return self._page(request, prompt, place)
    prompt = resume.whole_bars(tokenizer, prompt)
    stop = len(tokenizer.bar_steps(prompt))
    prompt = resume.last_bars(tokenizer, prompt, stop, self._width)
    return self._page(request, prompt, place)

  def _next(
    self, request: Request, bars: Bars, stop: int, place: _Place
  ) -> Bars:
    """Returns a page that goes on from the bars before one."""
    tokenizer, width = self.composer.tokenizer, self._width
    prompt = resume.last_bars(tokenizer, bars.ids, stop, width)
    request = dataclasses.replace(
      request, prompt=_STAND_IN, meter=None, tempo=None
    )
    return self._page(request, prompt, place)

  def _page(self, request: Request, prompt: np.ndarray, place: _Place) -> Bars:
    """Returns a page of a prompt, which is whole bars or an opening."""
    tokenizer, begins = self.composer.tokenizer, request.prompt is None
    first = 0 if begins else len(tokenizer.bar_steps(prompt))
    count, writer, batch = self._asked(request, prompt, place)
    next_ = resume.bar_next(tokenizer, -1 if begins else len(prompt))
    writer = dataclasses.replace(
      writer, constraints=(*next_, *writer.constraints)
    )
    batch = dataclasses.replace(batch, least=0 if begins else self._width)
    ends = count == place.left
    stop = first + (count if ends else max(1, count - _BEYOND))
    flow = Flow(writer, batch)
    return Bars(tokenizer, flow, prompt, range(first, stop))

  def _asked(
    self, request: Request, prompt: np.ndarray, place: _Place
  ) -> tuple[int, Writer, Batch]:
    """Returns how many bars a page has room for, and what writes them."""
    padded = decode.power(len(prompt))
    if request.prompt is not None:
      padded = max(self._width, -(-len(prompt) // _BLOCK) * _BLOCK)
    steps = min(self._context, self._size - (padded - len(prompt)))
    count = min(PAGE, place.left or PAGE)
    while True:
      asked = dataclasses.replace(
        request,
        wish=tuple(w.from_bar(place.since, count) for w in request.wishes),
        bars=count,
        steps=steps,
        seed=request.seed + place.page,
      )
      try:
        return count, *self.composer.asked(asked, prompt)
      except RequestError as error:
        if error.code != 'steps' or count == 1:
          raise
        count -= 1


def _check(composer: Composer, request: Request) -> None:
  """Raises RequestError unless a request can be met bar by bar."""
  beside = [name for name in _NOT_LIVE if getattr(request, name)]
  if request.n > 1:
    beside.append('n')
  if request.controls is not None and request.controls.bars:
    beside.append('controls of bars')
  if beside:
    raise RequestError(
      f'{", ".join(beside)}: this is of whole pieces, and cannot be played as '
      'it is written; leave it out, or generate the piece',
      code='live',
    )
  if composer.model.config.has_latents:
    raise RequestError(
      'a model with latents writes pieces of one length, and cannot go on for '
      'ever; play one without, such as pop',
      code='live',
    )


def _stalled() -> DecodeError:
  return DecodeError(
    'the model comes to no bar line; ask for fewer rules, or take a model that '
    'has been trained for longer',
    code='stalled',
  )
