"""`Request`: what a piece shall be, in one value for every way in."""

import dataclasses
import math
import numbers
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from aurl_jax.core.errors import ConfigError
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.sampling import Sampler
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.controls import Controls
from aurl_jax.tokens.infill_parts import Part

_WHOLE = {
  'n': (1, 100_000),
  'bars': (0, 100_000),
  'steps': (0, 1 << 24),
  'top_k': (0, (1 << 31) - 1),
  'seed': (0, (1 << 63) - 1),
}
"""The ranges of the whole numbers of a request."""
OF_MODELS = ('bars', 'temperature', 'top_k', 'top_p', 'min_p')
"""What a model may have defaults of; the rest is the asker's affair."""
_STRONGEST = 20.0
"""Guidance beyond which nothing of the model is left."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
  """A wish for pieces.

  Attributes:
    n: Pieces.
    bars: Bars that each piece adds to its prompt; 0 leaves the end to the
      model.
    steps: Steps of a piece at most, prompt included; 0 takes the context.
    temperature: See `Sampler`; 0 is greedy.
    top_k: See `Sampler`.
    top_p: See `Sampler`.
    min_p: See `Sampler`.
    seed: Of the first piece; the others count on.
    prompt: Music to go on from: notes, or a MIDI file; None begins anew.
    meter: Numerator and denominator of the first bar; None leaves it to the
      model, or takes the tokenization's default where that has to know.
    tempo: Quarter notes a minute at the start; None likewise.
    rewrite: Bars of the prompt to write anew: the first, counted from 0, and
      one past the last; None for none. For models trained to infill.
    given: What of these bars stays: `melody`, `bass` or `chords`; '' leaves
      nothing but tempos.
    tracks: What of them is written anew: (program, voice) of tracks, 128 for
      drums, of a grid (0, number of the voice); empty takes all.
    controls: What the piece is to be like (`tokens.controls`), for models
      trained with controls; None leaves it to the model.
    guidance: How closely controls are followed: 1 is the model as it is, 1.5
      to 3 is usual; see `guidance.guided`.

  Raises:
    RequestError: A value out of its range.
  """

  n: int = 1
  bars: int = 0
  steps: int = 0
  temperature: float | int = 1.0
  top_k: int = 0
  top_p: float | int = 1.0
  min_p: float | int = 0.0
  seed: int = 0
  prompt: Notes | str | os.PathLike[str] | None = None
  meter: tuple[int, int] | None = None
  tempo: float | int | None = None
  rewrite: tuple[int, int] | None = None
  given: str = ''
  tracks: tuple[tuple[int, int], ...] = ()
  controls: Controls | None = None
  guidance: float | int = 1.0

  def __post_init__(self) -> None:
    for name, (low, high) in _WHOLE.items():
      value = getattr(self, name)
      if not _is_whole(value) or not low <= value <= high:
        raise RequestError(
          f'{name} must be a whole number in {low}..{high}, not {value!r}'
        )
      # Of numpy, say: a plain number from here on.
      object.__setattr__(self, name, int(value))
    for name in ('temperature', 'top_p', 'min_p', 'guidance'):
      value = getattr(self, name)
      if not _is_real(value):
        raise RequestError(f'{name} must be a number, not {value!r}')
      object.__setattr__(self, name, float(value))
    _check_start(self)
    _check_rewrite(self)
    if not 0 <= self.guidance <= _STRONGEST:
      raise RequestError(
        f'guidance must be in 0..{_STRONGEST:g}, not {self.guidance:g}'
      )
    if self.prompt is not None and (self.meter or self.tempo):
      raise RequestError('a prompt has its own meter and tempo; give neither')
    # Its constructor checks the values.
    _ = self.sampler

  @property
  def sampler(self) -> Sampler:
    """How ids are drawn."""
    return Sampler(
      temperature=self.temperature,
      top_k=self.top_k,
      top_p=self.top_p,
      min_p=self.min_p,
    )

  def prompt_notes(self) -> Notes | None:
    """Returns the music to go on from.

    Raises:
      MidiError: The file holds no music.
      RequestError: There is no such file, or the prompt has no notes.
    """
    if self.prompt is None:
      return None
    given = self.prompt
    if not isinstance(given, Notes):
      given = _read(pathlib.Path(given))
    if not len(given):
      raise RequestError('the prompt has no notes', code='prompt')
    return given


def _is_whole(value: Any) -> bool:
  return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_real(value: Any) -> bool:
  return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _check_start(request: Request) -> None:
  """Raises RequestError unless prompt, meter and tempo can be what they are."""
  meter, tempo, prompt = request.meter, request.tempo, request.prompt
  if meter is not None:
    pair = isinstance(meter, Sequence) and not isinstance(meter, str)
    if not pair or len(meter) != 2 or not all(map(_is_whole, meter)):
      raise RequestError(
        f'meter must be a pair of whole numbers such as (3, 4), not {meter!r}'
      )
  if tempo is not None and not (_is_real(tempo) and 0 < tempo < math.inf):
    raise RequestError(
      f'tempo must be a positive number of beats a minute, not {tempo!r}'
    )
  if not isinstance(prompt, Notes | str | os.PathLike | None):
    raise RequestError(
      f'the prompt must be Notes or a path of a MIDI file, not {prompt!r}'
    )


def _check_rewrite(request: Request) -> None:
  """Raises RequestError unless what is written anew can be meant."""
  if request.rewrite is None:
    if request.given or request.tracks:
      raise RequestError(
        'given and tracks tell what of the bars in rewrite is written anew; '
        'give rewrite too'
      )
    return
  try:
    first, last = request.rewrite
    fits = _is_whole(first) and _is_whole(last) and 0 <= first < last
  except (TypeError, ValueError):
    fits = False
  if not fits:
    raise RequestError(
      'rewrite must be a pair of bars, the first from 0 and one past the last, '
      f'such as (4, 8), not {request.rewrite!r}'
    )
  if request.prompt is None or request.bars:
    raise RequestError(
      'rewrite writes bars of a prompt anew; give a prompt, and no bars'
    )
  try:
    Part(given=request.given, tracks=request.tracks)
  except ConfigError as error:
    raise RequestError(str(error)) from error


def _read(path: pathlib.Path) -> Notes:
  try:
    return midi.read(path).notes
  except OSError as error:
    cause = 'there is no such file' if not path.exists() else error.strerror
    raise RequestError(
      f'the prompt {path} cannot be read: {cause}', code='prompt'
    ) from error
