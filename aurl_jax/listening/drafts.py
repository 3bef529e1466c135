"""Which trials a test has: pairs or pieces, checks among them, and practice."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from aurl_jax.listening.design import SCALE

_WORDS = {'first': 'A', 'second': 'B', 'human': 'human', 'machine': 'machine'}
_POOR = 2
"""The highest rating of noise by who attends."""


class Key(NamedTuple):
  """A clip: whose it is, its place among the pieces, and if it is noise."""

  system: str
  place: int
  spoilt: bool = False


class Draft(NamedTuple):
  """A trial before names are blinded; `right` may be a clip.

  Attributes:
    clips: What is heard.
    pair: Which pair of pieces it is about, or which piece.
    check: One of `design.CHECKS`, or ''.
    right: What passes the check.
    ask: What the page says besides.
    kept: Whether answers are kept; False for practice.
  """

  clips: tuple[Key, ...]
  pair: str = ''
  check: str = ''
  right: str | Key = ''
  ask: str = ''
  kept: bool = True


def drafts(
  kind: str,
  chosen: Mapping[str, Sequence[Any]],
  pairs: int,
  checks: int,
  ties: bool,
  rng: np.random.Generator,
) -> list[Draft]:
  """Returns all trials of a test.

  Args:
    kind: One of `design.KINDS`.
    chosen: System -> its pieces.
    pairs: How many of them are judged; the next one is the practice, or the
      last of these where a system has no more.
    checks: How many.
    ties: Whether one may have no preference.
    rng: Draws the pieces of checks.
  """
  spare = pairs if min(map(len, chosen.values())) > pairs else pairs - 1
  judged = range(pairs)
  found = [
    Draft(clips, pair=pair) for clips, pair in _judged(kind, chosen, judged)
  ]
  found += _checks(kind, tuple(chosen), judged, checks, ties, rng)
  names = tuple(chosen)
  heard = names[:2] if kind == 'ab' else names[-1:]
  clips = tuple(Key(name, spare) for name in heard)
  return [*found, Draft(clips, kept=False)]


def _judged(
  kind: str, chosen: Mapping[str, Sequence[Any]], judged: range
) -> list[tuple[tuple[Key, ...], str]]:
  if kind == 'ab':
    return [
      ((Key(one, place), Key(other, place)), f'{one}/{other}/{place}')
      for one, other in itertools.combinations(chosen, 2)
      for place in judged
    ]
  return [
    ((Key(name, place),), f'{name}/{place}')
    for name in chosen
    for place in judged
  ]


def _checks(
  kind: str,
  names: tuple[str, ...],
  judged: range,
  count: int,
  ties: bool,
  rng: np.random.Generator,
) -> list[Draft]:
  """Returns checks, of each kind in turn."""
  kinds = ('told', 'spoilt', 'same') if ties else ('told', 'spoilt')
  found = []
  for number in range(count):
    one, other = (names * 2)[number % len(names) :][:2]
    place = int(rng.choice(judged))
    check = kinds[number % len(kinds)]
    clip = Key(one, place)
    if check == 'told':
      right = _wanted(kind, rng)
      clips = (clip, Key(other, place)) if kind == 'ab' else (clip,)
      what = SCALE[int(right) - 1] if kind == 'mos' else _WORDS[right]
      ask = f'This one only checks that you read: please answer “{what}”.'
      found.append(Draft(clips, check=check, right=right, ask=ask))
    elif check == 'same':
      found.append(Draft((clip, clip), check=check, right='none'))
    elif kind == 'ab':
      noise = Key(one, place, True)
      found.append(Draft((clip, noise), check=check, right=clip))
    else:
      right = str(_POOR) if kind == 'mos' else 'machine'
      found.append(Draft((Key(one, place, True),), check=check, right=right))
  return found


def _wanted(kind: str, rng: np.random.Generator) -> str:
  """Returns the answer that a page asks for."""
  if kind == 'mos':
    # Neither the middle nor what noise would get.
    return str(rng.choice([4, 5]))
  options = ('first', 'second') if kind == 'ab' else ('human', 'machine')
  return str(rng.choice(options))
