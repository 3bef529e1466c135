"""`Wish`: what a piece shall be like, in a musician's words."""

import dataclasses
import math
import numbers
from collections.abc import Callable
from typing import Any

from aurl_jax.generation.errors import RequestError
from aurl_jax.music import progressions

Strings = str | tuple[str, ...]
Pair = tuple[int, int]
Named = str | int
_HEAVIEST = 100
"""Nats beyond which a weight is as good as a rule."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wish:
  """Rules that notes keep, all at once. What is left out is free.

  Values that may differ from bar to bar are one value, or a tuple of one a
  bar; what is shorter than the piece begins anew, so that four bars of chords
  go round. Bars count from the first that is written.

  Attributes:
    key: A key or a mode, such as 'D minor' (`music.scales`); '' is any.
    chords: A progression, such as 'Am7 | D7 | Gmaj7 | %'
      (`music.progressions`); see `harmony` for what it asks of notes.
    strict: Whether between beats, too, only tones of the chord may begin.
    instruments: Who plays, by name or program (`music.instruments`). Without
      any, all may, but for drums where a key or chords are asked for.
    ranges: (instrument, (lowest, highest pitch)), in place of what such an
      instrument can play. Without `instruments`, these play.
    polyphony: Pitched notes that may sound at once, 1..32; 0 is any number.
    each: The same in each track.
    density: Least and most notes that begin in a bar, drums among them; None
      in place of the most is any number.
    rhythm: Where notes begin: a note value such as '8' or '8t' (triplets), or
      a tuple of places in quarter notes from the bar's start.
    meter: Numerator and denominator. Chords, rhythm and a least density need
      to know it, and take 4/4 where it is left out.
    tempo: Quarter notes a minute; the nearest that the grid has.
    weight: None holds every note to these rules. A number of nats makes what
      keeps them so much likelier instead: 1 to 3 lean to them, 10 is close to
      always. What cannot be kept is then not refused.

  Raises:
    RequestError: A value of another form.

  Example:
    >>> Wish(key='G', chords='G | D7', density=(2, None), rhythm='8').each
    0
  """

  key: Strings = ''
  chords: str = ''
  strict: bool = False
  instruments: tuple[Named, ...] = ()
  ranges: tuple[tuple[Named, Pair], ...] = ()
  polyphony: int | tuple[int, ...] = 0
  each: int = 0
  density: Any = ()
  rhythm: Any = ''
  meter: Any = ()
  tempo: Any = ()
  weight: float | int | None = None

  def __post_init__(self) -> None:
    for name, (takes, form) in _FORMS.items():
      value = getattr(self, name)
      if not takes(value):
        raise RequestError(f'{name} must be {form}, not {value!r}', code='wish')

  def label(self, rule: str) -> str:
    """Returns what reports call a rule of this wish.

    Example:
      >>> Wish(key='C').label('key'), Wish(key='C', weight=2).label('key')
      ('key', 'key, weight 2')
    """
    return rule if self.weight is None else f'{rule}, weight {self.weight:g}'

  def bars(self, name: str) -> tuple[Any, ...]:
    """Returns a value that may differ from bar to bar, as a tuple.

    Example:
      >>> Wish(meter=(3, 4)).bars('meter'), Wish(tempo=(80, 90)).bars('tempo')
      (((3, 4),), (80, 90))
    """
    value = getattr(self, name)
    return (value,) if _ONE[name](value) else tuple(value)

  def from_bar(self, first: int, count: int) -> 'Wish':
    """Returns what it asks of so many bars from one on, counted from 0.

    Example:
      >>> Wish(chords='Am7 | D7 | %', tempo=(80, 90)).from_bar(2, 2)
      Wish(key='', chords='D7 | Am7', ... tempo=(80, 90), weight=None)
    """
    changes: dict[str, Any] = {}
    for name in _ONE:
      told = self.bars(name)
      if len(told) > 1:
        bars = range(first, first + count)
        changes[name] = tuple(told[bar % len(told)] for bar in bars)
    if self.chords:
      written = progressions.bars(self.chords)
      bars = range(first, first + count)
      changes['chords'] = ' | '.join(
        written[bar % len(written)] for bar in bars
      )
    return dataclasses.replace(self, **changes)


def _whole(low: int, high: int) -> Callable[[Any], bool]:
  def takes(value: Any) -> bool:
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return whole and low <= value <= high

  return takes


def _pair(value: Any) -> bool:
  return _tuple_of(_whole(0, 1 << 15))(value) and len(value) == 2


def _limits(value: Any) -> bool:
  """Whether a value is the least and the most notes of a bar."""
  if not isinstance(value, tuple) or len(value) != 2:
    return False
  least, most = value
  count = _whole(0, 1 << 15)
  return count(least) and (most is None or (count(most) and least <= most))


def _real(value: Any) -> bool:
  real = isinstance(value, numbers.Real) and not isinstance(value, bool)
  return real and 0 <= value < math.inf


def _weight(value: Any) -> bool:
  return value is None or (_real(value) and value <= _HEAVIEST)


def _places(value: Any) -> bool:
  """Whether a value names where notes begin in a bar."""
  return isinstance(value, str) or (bool(value) and _tuple_of(_real)(value))


def _text(value: Any) -> bool:
  return isinstance(value, str)


def _tuple_of(takes: Callable[[Any], bool]) -> Callable[[Any], bool]:
  return lambda value: isinstance(value, tuple) and all(map(takes, value))


def _bars_of(takes: Callable[[Any], bool]) -> Callable[[Any], bool]:
  """Whether a value is one of a kind, or a tuple of one a bar."""
  return lambda value: takes(value) or _tuple_of(takes)(value)


def _named(value: Any) -> bool:
  return isinstance(value, str) or _whole(0, 128)(value)


def _range(value: Any) -> bool:
  if not isinstance(value, tuple) or len(value) != 2 or not _named(value[0]):
    return False
  return _pair(value[1]) and 0 <= value[1][0] <= value[1][1] <= 127


_ONE: dict[str, Callable[[Any], bool]] = {
  'key': _text,
  'polyphony': _whole(0, 32),
  'density': _limits,
  'rhythm': _places,
  'meter': _pair,
  'tempo': _real,
}
_FORMS: dict[str, tuple[Callable[[Any], bool], str]] = {
  'key': (_bars_of(_text), "a name such as 'D minor', or a tuple of them"),
  'chords': (_text, "a text such as 'Am7 | D7 | Gmaj7 | %'"),
  'strict': (lambda value: isinstance(value, bool), 'True or False'),
  'instruments': (_tuple_of(_named), 'a tuple of names or programs'),
  'ranges': (
    _tuple_of(_range),
    "a tuple of (instrument, (lowest, highest)), as ('flute', (60, 84))",
  ),
  'polyphony': (_bars_of(_ONE['polyphony']), '0..32, or a tuple of that'),
  'each': (_whole(0, 32), '0..32'),
  'density': (
    _bars_of(_limits),
    'the least and the most notes of a bar, the most None for any, or a tuple '
    'of such pairs',
  ),
  'rhythm': (
    _bars_of(_places),
    "a note value such as '8', a tuple of places, or a tuple of those",
  ),
  'meter': (_bars_of(_pair), 'a pair such as (3, 4), or a tuple of pairs'),
  'tempo': (_bars_of(_real), 'a number, or a tuple of numbers'),
  'weight': (_weight, 'None, or a number of nats in 0..100'),
}
