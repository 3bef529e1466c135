"""Flags of what is made of music that is there already."""

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from aurl_jax.generation.remake import Arrange


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the flags of `aurl generate`."""
  group = parser.add_argument_group(
    'other music', 'What is made of music that is there already.'
  )
  add = group.add_argument
  add('--like', metavar='FILE', help='write in the style of this music')
  add('--likeness', type=float, help='how near to it, 0 to 1 (0.7)')
  add('--vary', metavar='FILE', help='write new versions of this music')
  add('--strength', type=float, help='how much becomes new, 0 to 1 (0.4)')
  add(
    '--between',
    nargs=2,
    metavar=('FILE', 'FILE'),
    help='write what lies between two pieces, --n of them',
  )
  add_arrange(parser, '--orchestrate')


def add_arrange(parser: argparse.ArgumentParser, players: str) -> None:
  """Adds the flags of an arrangement; `players` is what names who plays."""
  group = parser.add_argument_group(
    'arrangement', 'How what has been written is played.'
  )
  group.add_argument(
    players,
    type=_names,
    dest='players',
    metavar='NAMES',
    help='who plays instead: violin,violin,viola,cello',
  )
  group.add_argument(
    '--humanise',
    type=float,
    nargs='?',
    const=1.0,
    metavar='HOW_MUCH',
    help='timing and loudness of people; 1 is as much as they (1)',
  )


def changes(args: argparse.Namespace) -> dict[str, Any]:
  """Returns the fields of a `Request` that the flags come to.

  Raises:
    RequestError: A value out of its range, or a flag without its music.
  """
  from aurl_jax.generation.errors import RequestError
  from aurl_jax.generation.remake import Between, Like, Vary

  found: dict[str, Any] = {}
  for share, music in (('likeness', 'like'), ('strength', 'vary')):
    if getattr(args, share) is not None and getattr(args, music) is None:
      raise RequestError(
        f'--{share} tells how --{music} is meant; give --{music} FILE, too',
        code=music,
      )
  if args.vary and args.between:
    raise RequestError(
      '--vary and --between each make other pieces; ask for one of them',
      code='remake',
    )
  if args.like:
    far = () if args.likeness is None else (args.likeness,)
    found['like'] = Like(args.like, *far)
  if args.vary:
    far = () if args.strength is None else (args.strength,)
    found['remake'] = Vary(args.vary, *far)
  if args.between:
    found['remake'] = Between(*args.between)
  if asked := arrange(args):
    found['arrange'] = asked
  return found


def arrange(args: argparse.Namespace) -> 'Arrange | None':
  """Returns the arrangement that the flags ask for, if any.

  Raises:
    RequestError: As of `Arrange`.
  """
  from aurl_jax.generation.remake import Arrange

  if not args.players and args.humanise is None:
    return None
  return Arrange(instruments=args.players or (), human=args.humanise or 0.0)


def _names(word: str) -> tuple[str | int, ...]:
  parts = [part.strip() for part in word.split(',')]
  return tuple(int(part) if part.isdigit() else part for part in parts)
