"""Watch a run: how far it is, what it loses, what it takes.

Examples:
  aurl watch runs/mine
  aurl watch runs/mine --web --port 8123
  aurl watch runs/mine --once

It only reads files, so it may be started and stopped at any time. With --web
the page is on this machine's own address, 127.0.0.1, and nowhere else.
"""

import argparse
import pathlib

from aurl_jax.cli import output


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('run_folder', metavar='RUN')
  parser.add_argument('--web', action='store_true', help='as a web page')
  parser.add_argument(
    '--port', type=int, default=0, help='of the page (default: any free one)'
  )
  parser.add_argument('--once', action='store_true', help='one look, and out')
  parser.add_argument(
    '--every', type=float, default=2.0, metavar='SECONDS', help='between looks'
  )


def run(args: argparse.Namespace) -> int:
  """Shows the run until it is over, or until Ctrl-C."""
  import rich.console

  from aurl_jax.experiment import snapshot, watch, workdir

  folder = workdir.Workdir(pathlib.Path(args.run_folder))
  if args.json:
    seen = snapshot.read(folder)
    facts = dict(watch.facts(seen))
    told = {'state': seen.state, 'step': seen.step, 'steps': seen.steps}
    output.emit_json(told | {'facts': facts})
  elif args.web:
    _serve(folder, args.port)
  else:
    console = rich.console.Console()
    try:
      watch.watch(folder, console, every=args.every, once=args.once)
    except KeyboardInterrupt:
      console.print('the run goes on')
  return 0


def _serve(folder: object, port: int) -> None:
  from aurl_jax.experiment import web, workdir

  assert isinstance(folder, workdir.Workdir)
  with web.serve(folder, port) as server:
    address = f'http://127.0.0.1:{server.server_address[1]}/'
    print(f'{address}  (Ctrl-C ends)', flush=True)
    try:
      server.serve_forever()
    except KeyboardInterrupt:
      print()
