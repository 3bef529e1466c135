"""Write music with a trained run or a bundle.

Examples:
  aurl generate runs/quickstart --n 4 --out out
  aurl generate my_bundle --bars 16 --temperature 0.9 --seed 7 --out out
  aurl generate runs/mine --prompt opening.mid --out out
  aurl generate runs/mine --prompt song.mid --rewrite 4:8 --given melody
  aurl generate runs/mine --control density=6 --control key=7 --guidance 2
  aurl generate runs/mine --bars 8 --control density=3x4,6x4
  aurl generate runs/vae --turn density=+2 --prompt song.mid
  aurl generate pop --bars 8 --key 'D minor' --density 3-8 --meter 3/4
  aurl generate pop --continue song.mid --infill 5-8
  aurl generate pop --bars 16 --original 16
  aurl generate pop --continue x.mid --infill 5-8 --like y.mid --n 8 --seed 1
  aurl generate pop_dials --vary song.mid --strength 0.3 --n 4
  aurl generate pop_dials --between a.mid b.mid --n 8
  aurl generate pop --bars 8 --orchestrate violin,viola,cello --humanise
  aurl generate pop --form AABA --minutes 3

The same seed gives the same bytes.
"""

import argparse
import itertools
from typing import TYPE_CHECKING

from aurl_jax.cli import flags, output, remakes, tunes, wishes

if TYPE_CHECKING:
  from aurl_jax.tokens.controls import Controls

_CONTROLS = (
  *('key', 'density', 'polyphony', 'register', 'section', 'harmony', 'contour'),
  *('family', 'style', 'form'),
)
"""As in `tokens.control_steps`; `family` may be given several times."""
_OF_BARS = _CONTROLS[1:7]
_LINES = ('melody', 'accompaniment', 'bass')
"""As in `generation.request`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('model', metavar='MODEL', help='a run, bundle or name')
  parser.add_argument('--out', default='out', metavar='DIR')
  parser.add_argument('--n', type=int, help='pieces')
  parser.add_argument('--bars', type=int, help='bars of a piece')
  parser.add_argument('--steps', type=int, help='steps of a piece at most')
  parser.add_argument(
    '--form',
    help="sections of a long piece: AABA, i4A8B8A8o4, 'intro verse chorus'; "
    "'labelled', 'heard' or 'scores' draws one for --minutes",
  )
  parser.add_argument(
    '--minutes', type=float, help='how long it lasts; draws a form if none'
  )
  _add_sampling(parser)
  parser.add_argument('--seed', type=int)
  _add_music(parser)
  parser.add_argument(
    '--control',
    type=_control,
    action='append',
    metavar='NAME=LEVEL',
    help='of the piece: '
    + ', '.join(_CONTROLS)
    + '; NAME=4,4,,6x8 of its bars in turn: density, polyphony, register',
  )
  parser.add_argument(
    '--guidance', type=float, help='how closely controls are followed (1)'
  )
  flags.add_turn(parser)
  wishes.add_arguments(parser)
  tunes.add_arguments(parser)
  remakes.add_arguments(parser)


def _add_sampling(parser: argparse.ArgumentParser) -> None:
  """Adds the flags of how ids are drawn."""
  parser.add_argument('--temperature', type=float)
  parser.add_argument('--top-k', type=int)
  parser.add_argument('--top-p', type=float)
  parser.add_argument('--typical-p', type=float)
  parser.add_argument('--min-p', type=float)
  parser.add_argument(
    '--crowd',
    type=int,
    help='notes that begin at once beyond which a piece is drawn anew (any)',
  )
  parser.add_argument(
    '--repeat', type=int, help='steps that may stand twice at most (any)'
  )
  parser.add_argument(
    '--original',
    type=int,
    help='notes in a row that training music may not have, too (any)',
  )
  parser.add_argument(
    '--beams', type=int, help='search for the likeliest pieces, so wide'
  )
  parser.add_argument(
    '--diversity', type=float, help='how much beams differ, in nats (0)'
  )


def _add_music(parser: argparse.ArgumentParser) -> None:
  """Adds the flags of music that is there already."""
  parser.add_argument(
    '--continue',
    '--prompt',
    dest='prompt',
    metavar='FILE',
    help='MIDI to continue, or to write bars anew of',
  )
  parser.add_argument(
    '--excerpt',
    type=_bars_named,
    metavar='FIRST-LAST',
    help='the bars of it that are meant, from 1: 1-16',
  )
  for name in _LINES:
    parser.add_argument(
      f'--{name}', metavar='FILE', help='MIDI that stays, to write to'
    )
  anew = parser.add_mutually_exclusive_group()
  anew.add_argument(
    '--infill',
    type=_bars_named,
    dest='rewrite',
    metavar='FIRST-LAST',
    help='bars of it to write anew, as players count, from 1: 5-8, or 5',
  )
  anew.add_argument(
    '--rewrite',
    type=_span,
    metavar='FIRST:END',
    help='the same from 0; END is not among them',
  )
  parser.add_argument(
    '--given',
    choices=('melody', 'bass', 'chords'),
    help='what of the rewritten bars stays',
  )
  parser.add_argument(
    '--drafts',
    type=int,
    help='of them that are drawn, of which the one that goes on best is kept',
  )


_REQUEST = (
  *_LINES,
  'n',
  'bars',
  'steps',
  'temperature',
  'top_k',
  'top_p',
  'typical_p',
  'min_p',
  'crowd',
  'repeat',
  'original',
  'beams',
  'diversity',
  'seed',
  'prompt',
  'excerpt',
  'rewrite',
  'given',
  'drafts',
  'guidance',
  'form',
  'minutes',
)


def _span(word: str) -> tuple[int, int]:
  first, _, end = word.partition(':')
  if not (first.isdigit() and end.isdigit()):
    raise argparse.ArgumentTypeError(f'{word!r} is no FIRST:END such as 4:8')
  return int(first), int(end)


def _bars_named(word: str) -> tuple[int, int]:
  first, found, last = word.partition('-')
  fits = first.isdigit() and (last.isdigit() or not found)
  if not fits or not 1 <= int(first) <= int(last or first):
    raise argparse.ArgumentTypeError(f'{word!r} is no FIRST-LAST such as 5-8')
  return int(first) - 1, int(last or first)


def _control(word: str) -> tuple[str, int | tuple[int | None, ...]]:
  """Returns a name, and the level of the piece, or one of each bar."""
  name, _, told = word.partition('=')
  if name == 'family' and told and not told.isdigit():
    return name, _family(told)
  bars = [_bars(part) for part in told.split(',')]
  fits = None not in bars and (told.isdigit() or name in _OF_BARS)
  if name not in _CONTROLS or not told or not fits:
    raise argparse.ArgumentTypeError(
      f'{word!r} is no NAME=LEVEL; names are '
      + ', '.join(_CONTROLS)
      + '; of bars NAME=4,4,,6x8, for '
      + ', '.join(_OF_BARS)
    )
  if told.isdigit():
    return name, int(told)
  return name, tuple(level for part in bars for level in part or ())


def _family(name: str) -> int:
  """Returns the family of an instrument: `strings`, `cello`, `drums`."""
  from aurl_jax.music import instruments

  try:
    return instruments.family(name)
  except instruments.InstrumentError as error:
    raise argparse.ArgumentTypeError(str(error)) from error


def _bars(part: str) -> tuple[int | None, ...] | None:
  """Returns what `4`, `4x8` or nothing ask of bars; None for other words."""
  level, times, count = part.partition('x')
  if not part:
    return (None,)
  if not level.isdigit() or (times and not count.isdigit()):
    return None
  return (int(level),) * (int(count) if times else 1)


def _controls(
  told: list[tuple[str, int | tuple[int | None, ...]]],
) -> 'Controls':
  """Returns the controls that the flags name."""
  from aurl_jax.tokens.controls import Controls, Levels

  whole = {name: level for name, level in told if isinstance(level, int)}
  each = {name: bars for name, bars in told if not isinstance(bars, int)}
  levels = {n: level for n, level in whole.items() if n in Levels._fields}
  pieces = [level for name, level in told if name == 'family']
  rows = itertools.zip_longest(*each.values())
  return Controls(
    piece=Levels(**levels),
    style=whole.get('style'),
    form=whole.get('form'),
    instruments=tuple(sorted({n for n in pieces if isinstance(n, int)})),
    bars=tuple(Levels(**dict(zip(each, row, strict=True))) for row in rows),
  )


def run(args: argparse.Namespace) -> int:
  """Generates, writes the files and prints where they are."""
  from aurl_jax.experiment import generate, turning

  asked = {name: getattr(args, name) for name in _REQUEST}
  if args.form or args.minutes:
    # Those of a long piece are one, and no rules.
    for name in ('tempo', 'meter'):
      asked[name] = getattr(args, name)
      setattr(args, name, None)
  changes = {name: value for name, value in asked.items() if value is not None}
  if args.control:
    changes['controls'] = _controls(args.control)
  changes |= remakes.changes(args)
  if wished := wishes.wish(args):
    changes['wish'] = wished
  if asked_tune := tunes.tune(args):
    changes['tune'] = asked_tune
  if args.turn:
    by = dict(args.turn)
    result = turning.to_folder(args.model, args.out, by, changes)
  else:
    result = generate.to_folder(args.model, args.out, changes, quiet=args.json)
  if args.json:
    output.emit_json(result)
  else:
    output.written(result)
  return 0
