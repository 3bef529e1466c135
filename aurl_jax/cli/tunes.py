"""Flags that say how a melody goes: shapes and motifs of bars.

They become a `Tune`. Bars in turn stand between `|`, and begin anew.
"""

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from aurl_jax.generation.tune import Motif, Tune


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the flags of a tune."""
  group = parser.add_argument_group(
    'melody',
    'The melody leans to these; bars in turn stand between |, an empty one is '
    'free, and they begin anew where there are more bars.',
  )
  add = group.add_argument
  add(
    '--contour',
    type=_bars,
    metavar='SHAPES',
    help="'convex | descending | | horizontal': how the melody of a bar goes",
  )
  add(
    '--motif',
    type=_motifs,
    metavar='NOTES',
    help="'0:0 1:2 2:4 | |': quarter notes from the bar's start, and semitones "
    'from its first note',
  )
  add(
    '--melody-voice',
    type=_voice,
    metavar='PROGRAM:VOICE',
    help='who has the melody (0:0, the first piano)',
  )
  add('--lean', type=float, metavar='NATS', help='how closely (6; 10 is close)')


def tune(args: argparse.Namespace) -> 'Tune | None':
  """Returns the tune that the flags come to; None without any.

  Raises:
    RequestError: A value out of its range.
  """
  if args.contour is None and args.motif is None:
    return None
  from aurl_jax.generation.tune import Tune

  told: dict[str, Any] = {
    'contour': args.contour,
    'motif': args.motif,
    'voice': args.melody_voice,
    'weight': args.lean,
  }
  return Tune(**{name: x for name, x in told.items() if x is not None})


def _bars(text: str) -> tuple[str, ...]:
  return tuple(part.strip() for part in text.split('|'))


def _motifs(text: str) -> 'tuple[Motif, ...]':
  """Returns the motif of each bar of `0:0 1:2 | `."""
  return tuple(tuple(map(_note, part.split())) for part in _bars(text))


def _note(word: str) -> tuple[float, int]:
  place, _, step = word.partition(':')
  try:
    return float(place), int(step)
  except ValueError:
    raise argparse.ArgumentTypeError(
      f'{word!r} is no QUARTERS:SEMITONES such as 1.5:-2'
    ) from None


def _voice(word: str) -> tuple[int, int]:
  program, _, voice = word.partition(':')
  if not (program.isdigit() and voice.isdigit()):
    raise argparse.ArgumentTypeError(f'{word!r} is no PROGRAM:VOICE as 73:0')
  return int(program), int(voice)
