"""Play music while it is written, to a MIDI port.

Examples:
  aurl play --list-ports
  aurl play chorale --bars 16 --tempo 96 --port FluidSynth
  aurl play pop --key 'D minor' --virtual --port aurl --out played.mid
  aurl play pop --bars 64 --dry

Without --bars the music has no end; Ctrl-C ends it, with all notes off. --dry
plays to nobody, without waiting, and tells how far ahead of their time bars
are on this machine.
"""

import argparse

from aurl_jax.cli import output, wishes

_REQUEST = (
  'bars',
  'temperature',
  'top_k',
  'top_p',
  'typical_p',
  'min_p',
  'seed',
  'prompt',
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  add = parser.add_argument
  add('model', nargs='?', metavar='MODEL', help='a run, bundle or name')
  add('--list-ports', action='store_true', help='show the MIDI ports')
  add(
    '--port', default='', metavar='NAME', help='or a part of it (the first one)'
  )
  add('--virtual', action='store_true', help='make the port')
  add('--dry', action='store_true', help='play to nobody, without waiting')
  add('--out', default='', metavar='FILE', help='keep what was played: x.mid')
  add('--bars', type=int, default=0, help='how long (without an end)')
  add(
    '--late',
    choices=('repeat', 'hold'),
    default='repeat',
    help='what to do when a bar is not there in time: play the last one again, '
    'or wait (repeat)',
  )
  add('--ahead', type=int, default=2, help='bars that may wait (2)')
  add('--continue', dest='prompt', metavar='FILE', help='MIDI to go on from')
  add('--seed', type=int)
  add('--temperature', type=float)
  add('--top-k', type=int)
  add('--top-p', type=float)
  add('--typical-p', type=float)
  add('--min-p', type=float)
  wishes.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
  """Plays, and prints how it went."""
  from aurl_jax.core.errors import ConfigError

  if args.list_ports:
    return _list(args.json)
  if not args.model:
    raise ConfigError('tell which model plays, such as pop, or --list-ports')
  from aurl_jax.experiment import play, progress

  asked = {name: getattr(args, name) for name in _REQUEST}
  changes = {name: value for name, value in asked.items() if value is not None}
  if wished := wishes.wish(args):
    changes['wish'] = wished
  names = play.Stage._fields
  stage = play.Stage(**{name: getattr(args, name) for name in names})
  progress.say(
    f'{args.model} compiles its programs before the first beat, a minute or so',
    quiet=args.json,
  )
  facts = play.run(args.model, changes, stage)
  if args.json:
    output.emit_json(facts)
  else:
    output.facts(facts)
  return 0


def _list(as_json: bool) -> int:
  from aurl_jax.music import ports

  names = ports.names()
  if as_json:
    output.emit_json(names)
  else:
    output.table(('port',), [(name,) for name in names])
  return 0
