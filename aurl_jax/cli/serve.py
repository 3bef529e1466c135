r"""Serve a model over HTTP, to many who ask at once.

Examples:
  aurl serve pop
  AURL_TOKEN=$(cat token) aurl serve my_bundle --port 9000 --slots 16
  aurl serve pop --host 0.0.0.0 --host-name music.example --token-file tokens
  aurl serve pop --sound-font orchestra.sf2
  curl -H "Authorization: Bearer $AURL_TOKEN" --json '{"bars": 4}' \
    http://127.0.0.1:8000/v1/generate

It listens to this machine alone, and asks for a token, unless told otherwise.
Its studio, a page to write music in, is at /studio/; the address that is
printed beside a made token opens it.
SIGTERM lets it finish what it has taken. docs/HOW_TO_SERVE.md has the routes.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  add = parser.add_argument
  add('model', metavar='MODEL', help='a run, bundle or name')
  add('--host', default='127.0.0.1', help='address to listen at (127.0.0.1)')
  add('--port', type=int, default=8000, help='0 takes any free one (8000)')
  add(
    '--token-file',
    default='',
    metavar='FILE',
    help='tokens that may ask, one a line (AURL_TOKEN, or one that is made)',
  )
  add(
    '--host-name',
    action='append',
    default=[],
    metavar='NAME',
    help='by which others call this machine; several times for several',
  )
  add(
    '--origin',
    action='append',
    default=[],
    metavar='URL',
    help='of pages that may ask, such as https://a.example; likewise',
  )
  add(
    '--sound-font',
    default='',
    metavar='FILE',
    help='.sf2, .sf3 or .dls, by which the studio plays (AURL_SOUNDFONT)',
  )
  add('--slots', type=int, default=64, help='pieces written at once (64)')
  add('--waiting', type=int, default=512, help='pieces that may wait (512)')
  add('--seconds', type=float, default=120.0, help='a request may take (120)')
  add('--cores', type=int, default=0, help='of the CPU that are used (all)')


def run(args: argparse.Namespace) -> int:
  """Serves until it is told to end."""
  from aurl_jax.experiment import serve

  stand = serve.Stand(
    host=args.host,
    port=args.port,
    token_file=args.token_file,
    host_names=tuple(args.host_name),
    origins=tuple(args.origin),
    sound_font=args.sound_font,
    slots=args.slots,
    waiting=args.waiting,
    seconds=args.seconds,
    cores=args.cores,
  )
  serve.run(args.model, stand, quiet=args.json)
  return 0
