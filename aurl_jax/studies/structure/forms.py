"""The form of a piece, by the letters of its sections.

Classes are those of textbooks (Caplin, "Classical Form", 1998; Covach, "Form in
Rock Music", 2005), told from letters and lengths alone: what a piece is called
here says how it returns to itself, not how it is composed.
"""

import itertools
import re

import numpy as np

from aurl_jax.music import theory
from aurl_jax.studies.structure.labels import Sections

CLASSES = theory.FORMS
_SINGLE = re.compile('[iox]')
_VARIED = 0.85
"""Mean likeness of returns below which a piece of one letter varies it."""
_KEYS = 2
"""Semitones by which a second theme returns in another key, at least."""


def told(sections: Sections, bars: int) -> str:
  """Returns letters and bars, e.g. `i4A8A8B8o4`, as in POP909's labels."""
  ends = np.append(sections.starts[1:], bars)
  sizes = (ends - sections.starts).tolist()
  pairs = zip(sections.letters, sizes, strict=True)
  return ''.join(f'{letter}{size}' for letter, size in pairs)


def classify(sections: Sections) -> str:
  """Returns one of `CLASSES`.

  Sections without a melody count only if there are no others; runs of a letter
  count once where said. `AABA` is that or its repetition, also with a last
  half; `rondo` has a letter that returns after two different others, each
  once; `verse-chorus` has two letters of which each returns after the other;
  `sonata-like` brings two letters, others or fragments behind them, and then
  both again, of which the second is transposed.
  """
  if not sections.letters:
    return 'empty'
  letters = [x for x in sections.letters if x[0].isupper()]
  if not letters:
    letters = [x for x in sections.letters if not _SINGLE.fullmatch(x)]
  if len(letters) < 2:
    return 'single'
  return _class(letters, sections)


def _class(letters: list[str], sections: Sections) -> str:
  """Returns the class of at least two letters."""
  different = len(set(letters))
  runs = [letter for letter, _ in itertools.groupby(letters)]
  if different == len(letters):
    return 'through-composed'
  if different == 1:
    likely = sections.like[1:].mean() < _VARIED
    return 'variations' if likely and len(letters) > 2 else 'strophic'
  if _aaba(letters):
    return 'AABA'
  if len(runs) == 2:
    return 'binary'
  if len(runs) == 3 and runs[0] == runs[2]:
    return 'ternary'
  if _sonata(sections):
    return 'sonata-like'
  if _rondo(runs):
    return 'rondo'
  return 'verse-chorus' if _alternates(runs) else 'mixed'


def _aaba(letters: list[str]) -> bool:
  """Whether letters are AABA, perhaps again, perhaps its last half again."""
  if len(letters) < 4 or letters[0] == letters[2]:
    return False
  one, other = letters[0], letters[2]
  once = [one, one, other, one]
  tails: tuple[list[str], ...] = ([], [other, one], [one])
  return any(
    letters == once * times + tail
    for times in range(1, 1 + len(letters) // 4)
    for tail in tails
  )


def _rondo(runs: list[str]) -> bool:
  """Whether the first letter returns after others of which each comes once."""
  refrain, couplets = runs[::2], runs[1::2]
  return (
    len(refrain) > 2
    and set(refrain) == {runs[0]}
    and len(set(couplets)) == len(couplets)
  )


def _alternates(runs: list[str]) -> bool:
  """Whether two letters each return after the other."""
  often = {x: runs.count(x) for x in runs}
  able = [x for x, count in often.items() if count > 1]
  for one, other in itertools.combinations(able, 2):
    pair = [x for x in runs if x in (one, other)]
    if len([x for x, _ in itertools.groupby(pair)]) > 3:
      return True
  return False


def _sonata(sections: Sections) -> bool:
  """Whether two themes return behind others, the second in another key."""
  rows = [
    (letter, int(turned))
    for letter, turned in zip(sections.letters, sections.turned, strict=True)
    if letter[0].isupper()
  ]
  names = [letter for letter, _ in rows]
  if not names:
    # No section has a melody: there is no theme.
    return False
  first = names[0]
  second = next((x for x in names if x != first), first)
  again = len(names) - 1 - names[::-1].index(first)
  early, late = rows[:again], rows[again:]
  between = [x for x, _ in early if x not in (first, second)]
  returned = [abs(turned) for x, turned in late if x == second]
  return bool(between and returned and max(returned) >= _KEYS)
