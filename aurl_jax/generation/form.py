"""`Form`: the sections of a long piece, in order.

A section is a letter and a number of bars, as in the phrase labels of POP909
(Dai et al., "Automatic Analysis and Influence of Hierarchical Structure on
Melody, Rhythm and Harmony in Popular Music", CSMC and MuMe 2020): upper case
has a melody, lower case has none, `i` begins a piece and `o` ends it. A letter
that comes again brings back what stood there; `X`, `x`, `i` and `o` do not, and
neither does `b` bring back `B`: in POP909 they are no more alike than other
letters (mean similarity of bars 0.65 and 0.66, of returns 0.92).
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import NamedTuple

from aurl_jax.generation.errors import RequestError

WORDS = {
  'intro': 'i',
  'verse': 'A',
  'chorus': 'B',
  'refrain': 'B',
  'bridge': 'C',
  'prechorus': 'P',
  'instrumental': 'x',
  'interlude': 'x',
  'solo': 'x',
  'break': 'x',
  'outro': 'o',
  'coda': 'o',
}
"""What sections are called in words."""
_SINGLE = 'XxiIoO'
"""Letters that bring nothing back."""
_BARS, _EDGE = 8, 4
"""Bars of a section that tells none; of an intro or an outro."""
MOST = 400
"""Bars of a form."""
_LETTER = re.compile(r'([A-Za-z])(\d*)')
_WORD = re.compile(r'([a-z-]+?)[:=]?(\d*)')


class Section(NamedTuple):
  """A stretch of a piece.

  Attributes:
    label: A letter.
    bars: How many it has, at least 1.
  """

  label: str
  bars: int

  @property
  def melody(self) -> bool:
    """Whether it has a melody."""
    return self.label.isupper()

  @property
  def recalls(self) -> bool:
    """Whether it brings back what has stood under its letter."""
    return self.label not in _SINGLE


@dataclasses.dataclass(frozen=True)
class Form:
  """A plan of a piece.

  Attributes:
    sections: In order, at least one.

  Raises:
    RequestError: There is none, or they have more than `MOST` bars (code
      `form`).

  Example:
    >>> form = Form.parse('intro verse chorus:16 verse outro')
    >>> str(form), form.bars, form.starts
    ('i4A8B16A8o4', 40, (0, 4, 12, 28, 36))
  """

  sections: tuple[Section, ...]

  def __post_init__(self) -> None:
    if not self.sections:
      raise _error('it has no sections')
    for section in self.sections:
      if section.bars < 1:
        raise _error(f'section {section.label} has no bars')
    if self.bars > MOST:
      raise _error(f'it has {self.bars} bars, and {MOST} is the most')

  @classmethod
  def parse(cls, text: str) -> 'Form':
    """Returns the form that a text tells.

    Args:
      text: Letters (`AABA`), letters with bars (`i4A8A8B8o4`), which may stand
        apart, or `WORDS`, with bars behind a colon (`verse:16`). Without bars a
        section has 8, an intro or an outro 4.

    Raises:
      RequestError: It tells none (code `form`).
    """
    parts = [part for part in re.split(r'[\s,|]+', text.strip()) if part]
    return cls(tuple(s for part in parts for s in _sections(part)))

  def __str__(self) -> str:
    """Returns it as `parse` reads it."""
    return ''.join(
      f'{section.label}{section.bars}' for section in self.sections
    )

  @property
  def bars(self) -> int:
    """How many bars it has."""
    return sum(section.bars for section in self.sections)

  @property
  def starts(self) -> tuple[int, ...]:
    """The first bar of each section, from 0."""
    lengths = [section.bars for section in self.sections]
    return tuple(sum(lengths[:i]) for i in range(len(lengths)))

  def lasting(self, bars: float | int) -> 'Form':
    """Returns the form with its middle so many times that it fits best.

    An intro in front and an outro behind stay single.

    Example:
      >>> str(Form.parse('iABo').lasting(56))
      'i4A8B8A8B8A8B8o4'
    """
    first = int(self.sections[0].label in 'iI')
    last = len(self.sections) - int(self.sections[-1].label in 'oO')
    middle = self.sections[first:last]
    if not middle:
      return self
    once = sum(section.bars for section in middle)
    edges = self.bars - once
    times = max(1, round((bars - edges) / once))
    return Form(
      (*self.sections[:first], *middle * times, *self.sections[last:])
    )


def _sections(part: str) -> Sequence[Section]:
  """Returns the sections of a part of a text without spaces."""
  word = _WORD.fullmatch(part)
  if word and word[1].replace('-', '') in WORDS:
    return [_section(WORDS[word[1].replace('-', '')], word[2])]
  found = [_section(*match) for match in _LETTER.findall(part)]
  if ''.join(a + b for a, b in _LETTER.findall(part)) != part:
    raise _error(f'{part!r} is neither letters with bars nor a word')
  if len(part) > 3 and part.isalpha() and part.islower():
    raise _error(f'{part!r} is no section that is known')
  return found


def _section(label: str, bars: str) -> Section:
  usual = _EDGE if label in 'iIoO' else _BARS
  return Section(label, int(bars) if bars else usual)


def _error(cause: str) -> RequestError:
  return RequestError(
    f"the form cannot be read: {cause}; write letters such as 'AABA', letters "
    f"with bars such as 'i4A8A8B8o4', or words ({', '.join(WORDS)})",
    code='form',
  )
