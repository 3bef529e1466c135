"""A finding as something to ask for: the chord text of a wish.

`generation.wish.Wish(chords=...)` takes a progression such as
'Am7 | D7 | Gmaj7 | %', the chords of a bar sharing it evenly. Here a finding
becomes such a text; whether it binds or only leans is the wish's own matter.
"""

import itertools

import numpy as np

from aurl_jax.music import chords as chords_lib
from aurl_jax.studies.chords import progressions
from aurl_jax.studies.chords.finding import Harmony

_AGAIN = '%'
_STEPS = {name: step for step, name in enumerate(progressions._DEGREES)}


def text(
  harmony: Harmony, first: int = 0, count: int | None = None, parts: int = 4
) -> str:
  """Returns the chords of some bars as a progression.

  Args:
    harmony: A finding with bar lines.
    first: The first bar, from 0.
    count: How many bars; by default all that follow.
    parts: Most chords of a bar; a bar is told in 1, 2, 4 … equal parts, the
      fewest that tell it, each by the chord that sounds longest in it.

  Returns:
    Bars between bar lines, or '' without bars. A bar that repeats the one
    before it is '%'.

  Example:
    >>> c, g7 = (chords_lib.parse(text).index for text in ('C', 'G7'))
    >>> piece = Harmony(np.array([0., 3.]), np.array([3., 6.]),
    ...   np.array([c, g7]), np.full(2, -1), np.zeros(2, int),
    ...   np.array([0., 2., 4., 6.]))
    >>> text(piece)
    'C:maj | C:maj G:7 | G:7'
  """
  if parts < 1:
    raise ValueError(f'a bar has 1 part or more, not {parts}')
  lines = harmony.bars[first : None if count is None else first + count + 1]
  labels = harmony.labels()
  bars: list[str] = []
  for start, end in itertools.pairwise(lines):
    heard = _bar(harmony, labels, float(start), float(end), parts)
    bars.append(' '.join(heard))
  return ' | '.join(
    _AGAIN if row and bars[row - 1] == bar else bar
    for row, bar in enumerate(bars)
  )


def of_pattern(tokens: progressions.Tokens, key: int) -> str:
  """Returns a pattern of `progressions` as a text in a key, a chord a bar.

  Example:
    >>> of_pattern(('II:min7', 'V:7', 'I:maj'), key=7)
    'A:min7 | D:7 | G:maj'
  """
  bars = []
  for token in tokens:
    degree, _, quality = token.partition(':')
    if degree not in _STEPS:
      raise ValueError(f'{token!r} is no step and quality, such as V:7')
    root = (_STEPS[degree] + key) % 12
    label = chords_lib.Chord(root, quality or 'maj').label()
    bars.append(chords_lib.parse(label).label())
  return ' | '.join(bars)


def _bar(
  harmony: Harmony, labels: list[str], start: float, end: float, parts: int
) -> list[str]:
  """Returns the chords of a bar, in the fewest equal parts that tell it."""
  size = 1
  while size * 2 <= parts:
    size *= 2
  edges = np.linspace(start, end, size + 1)
  heard = [
    _longest(harmony, labels, float(low), float(high))
    for low, high in itertools.pairwise(edges)
  ]
  while len(heard) > 1 and heard[::2] == heard[1::2]:
    heard = heard[::2]
  return heard


def _longest(
  harmony: Harmony, labels: list[str], low: float, high: float
) -> str:
  """Returns what sounds longest in a stretch; N where nothing is told."""
  over = np.minimum(harmony.ends, high) - np.maximum(harmony.starts, low)
  if not len(over) or over.max() <= 0:
    return 'N'
  return labels[int(over.argmax())]
