"""Write music with a trained run or a bundle.

Examples:
  aurl generate runs/quickstart --n 4 --out out
  aurl generate my_bundle --bars 16 --temperature 0.9 --seed 7 --out out
  aurl generate runs/mine --prompt opening.mid --out out
  aurl generate runs/mine --prompt song.mid --rewrite 4:8 --given melody
  aurl generate runs/mine --control density=6 --control key=7 --guidance 2

The same seed gives the same bytes.
"""

import argparse
from typing import TYPE_CHECKING

from aurl_jax.cli import output

if TYPE_CHECKING:
  from aurl_jax.tokens.controls import Controls

_CONTROLS = ('key', 'density', 'polyphony', 'register', 'family', 'style')
"""As in `tokens.control_steps`; `family` may be given several times."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('model', metavar='MODEL', help='a run, bundle or name')
  parser.add_argument('--out', default='out', metavar='DIR')
  parser.add_argument('--n', type=int, help='pieces')
  parser.add_argument('--bars', type=int, help='bars of a piece')
  parser.add_argument('--steps', type=int, help='steps of a piece at most')
  parser.add_argument('--temperature', type=float)
  parser.add_argument('--top-k', type=int)
  parser.add_argument('--top-p', type=float)
  parser.add_argument('--min-p', type=float)
  parser.add_argument('--seed', type=int)
  parser.add_argument('--prompt', metavar='FILE', help='MIDI to continue')
  parser.add_argument(
    '--rewrite',
    type=_span,
    metavar='FIRST:END',
    help='bars of the prompt to write anew, from 0; END is not among them',
  )
  parser.add_argument(
    '--given',
    choices=('melody', 'bass', 'chords'),
    help='what of the rewritten bars stays',
  )
  parser.add_argument(
    '--control',
    type=_control,
    action='append',
    metavar='NAME=LEVEL',
    help='of the piece: ' + ', '.join(_CONTROLS),
  )
  parser.add_argument(
    '--guidance', type=float, help='how closely controls are followed (1)'
  )


_REQUEST = (
  'n',
  'bars',
  'steps',
  'temperature',
  'top_k',
  'top_p',
  'min_p',
  'seed',
  'prompt',
  'rewrite',
  'given',
  'guidance',
)


def _span(word: str) -> tuple[int, int]:
  first, _, end = word.partition(':')
  if not (first.isdigit() and end.isdigit()):
    raise argparse.ArgumentTypeError(f'{word!r} is no FIRST:END such as 4:8')
  return int(first), int(end)


def _control(word: str) -> tuple[str, int]:
  name, _, level = word.partition('=')
  if name not in _CONTROLS or not level.isdigit():
    raise argparse.ArgumentTypeError(
      f'{word!r} is no NAME=LEVEL; names are ' + ', '.join(_CONTROLS)
    )
  return name, int(level)


def _controls(told: list[tuple[str, int]]) -> 'Controls':
  """Returns the controls of a piece that the flags name."""
  from aurl_jax.tokens.controls import Controls, Levels

  levels = {name: level for name, level in told if name in Levels._fields}
  style = dict(told).get('style')
  families = sorted({level for name, level in told if name == 'family'})
  return Controls(
    piece=Levels(**levels), style=style, instruments=tuple(families)
  )


def run(args: argparse.Namespace) -> int:
  """Generates, writes the files and prints where they are."""
  from aurl_jax.experiment import generate

  asked = {name: getattr(args, name) for name in _REQUEST}
  changes = {name: value for name, value in asked.items() if value is not None}
  if args.control:
    changes['controls'] = _controls(args.control)
  result = generate.to_folder(args.model, args.out, changes)
  if args.json:
    output.emit_json(result)
  else:
    output.written(result)
  return 0
