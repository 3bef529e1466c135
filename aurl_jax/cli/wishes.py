"""Flags that say in a musician's words what notes shall be like.

They become a `Wish`. Values of several bars in turn stand between commas.
"""

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from aurl_jax.generation.wish import Wish

_VALUES = ('1', '2', '4', '8', '16', '32')
"""Note values; other numbers of a rhythm are places in the bar."""
_BESIDE = {'chords': 'strict', 'instruments': 'ranges', 'polyphony': 'each'}
"""What goes with a rule that is given a weight."""
_OF_WISH = (
  'key',
  'chords',
  'strict',
  'instruments',
  'ranges',
  'polyphony',
  'each',
  'density',
  'rhythm',
  'meter',
  'tempo',
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the flags of a wish."""
  group = parser.add_argument_group(
    'rules',
    'Every bar that is added keeps them; values of bars in turn stand between '
    'commas, and begin anew where there are more bars.',
  )
  add = group.add_argument
  add('--key', type=_bars(str), help="'D minor', 'G mixolydian', …")
  add('--chords', help="'Am7 | D7 | Gmaj7 | %%'")
  add('--strict', action='store_true', help='chord tones between beats, too')
  add('--instruments', type=_names, help='who plays: piano,bass,drums')
  add(
    '--range',
    type=_range,
    action='append',
    dest='ranges',
    metavar='NAME=LOW-HIGH',
    help='who plays, and how low and high: flute=60-84',
  )
  add('--polyphony', type=_bars(int), help='pitched notes at once, at most')
  add('--each', type=int, help='the same in each track')
  add(
    '--density',
    type=_bars(_limits),
    metavar='LOW-HIGH',
    help='notes that begin in a bar: 3-8, 4- or 6',
  )
  add(
    '--rhythm',
    type=_bars(_rhythm),
    help="where notes begin: 8, 16, 8t (triplets), or quarters: '0 1.5 3'",
  )
  add('--meter', type=_bars(_meter), help='3/4')
  add('--tempo', type=_bars(float), help='quarter notes a minute')
  add(
    '--soft',
    type=_weight,
    action='append',
    default=[],
    metavar='RULE=NATS',
    help='lean to a rule instead: key=2 makes what keeps it likelier',
  )


def wish(args: argparse.Namespace) -> 'tuple[Wish, ...]':
  """Returns the wishes that the flags come to.

  Raises:
    RequestError: A value out of its range.
  """
  from aurl_jax.generation.errors import RequestError
  from aurl_jax.generation.wish import Wish

  told = {name: getattr(args, name) for name in _OF_WISH}
  if told['ranges']:
    told['ranges'] = tuple(told['ranges'])
  asked = {name: value for name, value in told.items() if value}
  found: dict[float | None, dict[str, Any]] = {}
  weights = dict(args.soft)
  for rule, beside in _BESIDE.items():
    weights[beside] = weights.get(rule)
  for name, value in asked.items():
    found.setdefault(weights.get(name), {})[name] = value
  missing = [rule for rule, _ in args.soft if weights[rule] not in found]
  if missing:
    raise RequestError(
      f'--soft {missing[0]} is of a rule that is not asked for; give '
      f'--{missing[0]} too',
      code='wish',
    )
  return tuple(Wish(**rules, weight=weight) for weight, rules in found.items())


def _bars(read: Any) -> Any:
  """Returns what reads one value, or a tuple of one a bar."""

  def read_all(word: str) -> Any:
    found = tuple(read(part.strip()) for part in word.split(','))
    return found if len(found) > 1 else found[0]

  # What argparse calls a value that cannot be read.
  read_all.__name__ = getattr(read, '__name__', 'value').strip('_')
  return read_all


def _names(word: str) -> tuple[str | int, ...]:
  parts = [part.strip() for part in word.split(',')]
  return tuple(int(part) if part.isdigit() else part for part in parts)


def _two(word: str, sign: str) -> tuple[int, int]:
  low, found, high = word.partition(sign)
  if not (found and low.strip().isdigit() and high.strip().isdigit()):
    raise argparse.ArgumentTypeError(f'{word!r} is no pair such as 3{sign}8')
  return int(low), int(high)


def _meter(word: str) -> tuple[int, int]:
  return _two(word, '/')


def _limits(word: str) -> tuple[int, int | None]:
  """Reads `3-8`, `3-` or `3`."""
  if word.isdigit():
    return int(word), int(word)
  if word.endswith('-') and word[:-1].isdigit():
    return int(word[:-1]), None
  return _two(word, '-')


def _range(word: str) -> tuple[str | int, tuple[int, int]]:
  name, _, limits = word.rpartition('=')
  if not name:
    raise argparse.ArgumentTypeError(f'{word!r} is no NAME=LOW-HIGH')
  return _names(name)[0], _two(limits, '-')


def _weight(word: str) -> tuple[str, float]:
  rule, found, weight = word.partition('=')
  names = set(_OF_WISH) - set(_BESIDE.values())
  if not found or rule not in names:
    raise argparse.ArgumentTypeError(
      f'{word!r} is no RULE=NATS such as key=2; rules are '
      + ', '.join(name for name in _OF_WISH if name in names)
    )
  return rule, float(weight)


def _rhythm(word: str) -> str | tuple[float, ...]:
  """Reads a note value, or places in quarter notes."""
  parts = word.split()
  try:
    places = tuple(float(part) for part in parts)
  except ValueError:
    return word
  return word if len(parts) == 1 and word in _VALUES else places
