"""Chord progressions as players write them: `Am7 | D7 | Gmaj7 | %`."""

from aurl_jax.core import errors
from aurl_jax.music import chords
from aurl_jax.music.chords import Chord

Bar = tuple[Chord, ...]
"""The chords of a bar, which share it evenly."""
_AGAIN = '%'


class ProgressionError(errors.AurlError):
  """A text that is no progression; says in which bar and why."""


def parse(text: str) -> tuple[Bar, ...]:
  """Reads a progression: bars between bar lines, chords between spaces.

  A lone `%` repeats the bar before it; beside chords, the chord before it.
  Bar lines at both ends may stand or not.

  Raises:
    ProgressionError: A bar is empty, or a `%` has nothing to repeat.
    ChordError: A symbol that `chords.parse` refuses.

  Example:
    >>> [[c.label() for c in bar] for bar in parse('Am7 D7 | G | %')]
    [['A:min7', 'D:7'], ['G:maj'], ['G:maj']]
  """
  inner = text.strip().removeprefix('|').removesuffix('|')
  bars: list[Bar] = []
  for number, part in enumerate(inner.split('|'), start=1):
    symbols = part.split()
    if not symbols:
      raise _error(text, number, 'is empty; write N for a bar without a chord')
    if symbols == [_AGAIN]:
      if not bars:
        raise _error(text, number, 'repeats a bar, and there is none before')
      bars.append(bars[-1])
    else:
      bars.append(_bar(text, number, symbols))
  return tuple(bars)


def bars(text: str) -> tuple[str, ...]:
  """Returns the bars of a progression as they are written, without a `%`.

  Raises:
    ProgressionError, ChordError: As `parse`.

  Example:
    >>> bars('| Am7 D7 | % | G % |')
    ('Am7 D7', 'Am7 D7', 'G %')
  """
  parse(text)
  inner = text.strip().removeprefix('|').removesuffix('|')
  found: list[str] = []
  for part in inner.split('|'):
    word = ' '.join(part.split())
    found.append(found[-1] if word == _AGAIN else word)
  return tuple(found)


def _bar(text: str, number: int, symbols: list[str]) -> Bar:
  found: list[Chord] = []
  for symbol in symbols:
    if symbol != _AGAIN:
      found.append(chords.parse(symbol))
    elif found:
      found.append(found[-1])
    else:
      raise _error(text, number, 'begins with % and goes on; write the chord')
  return tuple(found)


def _error(text: str, number: int, cause: str) -> ProgressionError:
  return ProgressionError(
    f'chords {text!r}: bar {number} {cause}', code='chords'
  )
