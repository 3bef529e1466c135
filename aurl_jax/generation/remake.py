"""What a request does with music that is there already, in a value each.

`Like` writes in the style of a reference, `Vary` a new version of a piece,
`Between` what lies between two. `Arrange` is of any piece that has been
written: who plays it, and how humanly.
"""

import dataclasses
import math
import numbers
from typing import Any

from aurl_jax.generation import source
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.source import Music
from aurl_jax.music import instruments as instruments_lib
from aurl_jax.music.notes import Notes

_MOST_HUMAN = 3.0


@dataclasses.dataclass(frozen=True)
class Like:
  """New music in the style of other music.

  A model with latents draws them and goes from there towards those of the
  reference; one that knows controls is asked for those that the reference
  meets.

  Attributes:
    music: The reference.
    likeness: How near to go, 0..1: 0 is music without it. With latents 1 is
      the reference as the model hears it; with controls 0.5 asks for them, 1
      follows them with guidance 2.

  Raises:
    RequestError: A value out of its range.
  """

  music: Music
  likeness: float | int = 0.7

  def __post_init__(self) -> None:
    source.check('music to be like', self.music)
    _check_share('likeness', self.likeness)

  def notes(self) -> Notes:
    """Returns the reference; raises as `source.read`."""
    return source.read('music to be like', self.music)


@dataclasses.dataclass(frozen=True)
class Vary:
  """A new version of a piece, with its form, bars and meters.

  Attributes:
    music: The piece.
    strength: How much becomes new, 0..1: 0 gives the piece back.

  Raises:
    RequestError: A value out of its range.
  """

  music: Music
  strength: float | int = 0.4

  def __post_init__(self) -> None:
    source.check('music to vary', self.music)
    _check_share('strength', self.strength)

  def notes(self) -> Notes:
    """Returns the piece; raises as `source.read`."""
    return source.read('music to vary', self.music)


@dataclasses.dataclass(frozen=True)
class Between:
  """Pieces on the way from one piece to another.

  Attributes:
    first: Where the way begins.
    last: Where it ends. `Request.n` pieces are written at even distances, both
      ends among them; one is the middle.

  Raises:
    RequestError: One is no music.
  """

  first: Music
  last: Music

  def __post_init__(self) -> None:
    source.check('first music', self.first)
    source.check('last music', self.last)

  def notes(self) -> tuple[Notes, Notes]:
    """Returns both pieces; raises as `source.read`."""
    return (
      source.read('first music', self.first),
      source.read('last music', self.last),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arrange:
  """Who plays what has been written, and how humanly.

  Attributes:
    instruments: Names or programs (`music.instruments`), one a player; ()
      leaves those that there are. See `music.orchestrate`.
    human: How much timing and loudness are those of people
      (`generation.humanise`), 0..3: 1 is as they play, 0 leaves the notes
      where they are.

  Raises:
    RequestError: There is no such instrument (code `instruments`), nothing is
      asked for, or a value is out of its range.
  """

  instruments: tuple[str | int, ...] = ()
  human: float | int = 0.0

  def __post_init__(self) -> None:
    if not isinstance(self.instruments, tuple):
      raise RequestError(
        f'instruments must be a tuple of names, not {self.instruments!r}'
      )
    _check_real('human', self.human, _MOST_HUMAN)
    if not (self.instruments or self.human):
      raise RequestError(
        'an arrangement needs players or some humanity; give instruments, or '
        'human above 0',
        code='arrange',
      )
    _ = self.programs

  @property
  def programs(self) -> tuple[int, ...]:
    """The programs of the instruments, 128 of drums."""
    try:
      return tuple(instruments_lib.program(name) for name in self.instruments)
    except instruments_lib.InstrumentError as error:
      raise RequestError(str(error), code='instruments') from error


def _check_share(name: str, value: Any) -> None:
  _check_real(name, value, 1.0)


def _check_real(name: str, value: Any, most: float) -> None:
  fits = isinstance(value, numbers.Real) and not isinstance(value, bool)
  if not (fits and math.isfinite(value) and 0 <= value <= most):
    raise RequestError(f'{name} must be in 0..{most:g}, not {value!r}')
