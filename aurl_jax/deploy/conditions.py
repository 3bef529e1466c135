"""Conditions of a prior: what a piece is, as one id of each kind, 0 for open.

    key         0..23, major by tonic, then minor     (`tokens.controls`)
    meter       '4/4', '3/4' … of `METERS`, that of its first bar
    density     level of notes a beat                 (`controls.DENSITY`)
    polyphony   level of notes that sound             (`controls.POLYPHONY`)
    register    octave of the mean pitch, 5 begins at C4
    style       0..63, whose meaning is the caller's

Ids of a prior are one more than these numbers. Axes: `c` kinds.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from jaxtyping import Int

from aurl_jax.core.coercion import suggest
from aurl_jax.core.errors import ConfigError
from aurl_jax.music import time
from aurl_jax.music.grid import Grid
from aurl_jax.music.notes import Notes
from aurl_jax.tokens import controls

METERS = (
  '4/4', '3/4', '2/4', '6/8', '2/2', '3/8', '9/8', '12/8', '5/4', '3/2', '4/2',
  '6/4', '7/8', '5/8', '7/4', '1/4',
)  # fmt: skip
"""Meters that a prior tells apart; a piece in another one leaves it open."""
_OCTAVES = 11
CLASSES: Mapping[str, int] = MappingProxyType(
  {
    'key': 24,
    'meter': len(METERS),
    'density': len(controls.DENSITY) + 1,
    'polyphony': len(controls.POLYPHONY) + 1,
    'register': _OCTAVES,
    'style': controls.STYLES,
  }
)
"""Kinds of conditions, and how many classes each has."""


def classes(names: Sequence[str]) -> tuple[int, ...]:
  """Returns how many classes each kind has.

  Raises:
    ConfigError: There is no such kind.
  """
  for name in names:
    if name not in CLASSES:
      raise ConfigError(
        f'there is no condition {name!r}; ' + suggest(name, list(CLASSES)),
        code='condition',
      )
  return tuple(CLASSES[name] for name in names)


def of(
  notes: Notes, grid: Grid, names: Sequence[str], style: int | None = None
) -> Int[np.ndarray, ' c']:
  """Returns the condition that a piece meets, int32, 0 where unknown.

  Args:
    notes: The piece.
    grid: To what it is quantised first.
    names: Which kinds.
    style: Number of its style, if it is known.

  Raises:
    ConfigError: There is no such kind, or style.

  Example:
    >>> chord = Notes.build(
    ...   4, {'onset': 0, 'duration': 16, 'pitch': [60, 64, 67]})
    >>> of(chord, Grid(), ('key', 'meter', 'style')).tolist()
    [1, 1, 0]
  """
  found = controls.of(notes, grid, style=style)
  _, above, below = time.meter_changes(notes)[0]
  meter = f'{above}/{below}'
  told = {
    'style': style,
    'meter': METERS.index(meter) if meter in METERS else None,
    **found.piece._asdict(),
  }
  return ids(names, {n: told[n] for n in names if told.get(n) is not None})


def ids(
  names: Sequence[str], told: Mapping[str, int | str]
) -> Int[np.ndarray, ' c']:
  """Returns the ids of what is asked for, int32, 0 for what is left open.

  Args:
    names: The kinds that a prior knows.
    told: Number of the class of some of them, from 0; the meter as text, too.

  Raises:
    ConfigError: The prior does not know such a kind, or there is no such
      class of it.

  Example:
    >>> ids(('key', 'meter'), {'meter': '3/4'}).tolist()
    [0, 2]
  """
  counts = dict(zip(names, classes(names), strict=True))
  for name in told:
    if name not in counts:
      raise ConfigError(
        f'this prior knows no condition {name!r} '
        f'({", ".join(names) or "it has none"}); leave it out, or fit one that '
        'does (aurl prior RUN --condition NAME)',
        code='condition',
      )
  numbers = {name: _number(name, value) for name, value in told.items()}
  for name, number in numbers.items():
    if not 0 <= number < counts[name]:
      raise ConfigError(
        f'condition {name}: {told[name]!r} is not in 0..{counts[name] - 1}',
        code='condition',
      )
  return np.array([numbers.get(name, -1) + 1 for name in names], np.int32)


def _number(name: str, value: int | str) -> int:
  """Returns the number of a class."""
  if isinstance(value, str):
    if name != 'meter' or value not in METERS:
      raise ConfigError(
        f'condition {name}: {value!r} is no number'
        + (f', nor one of {", ".join(METERS)}' if name == 'meter' else ''),
        code='condition',
      )
    return METERS.index(value)
  return int(value)
