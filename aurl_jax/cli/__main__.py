"""The command `aurl`, the same as `python -m aurl_jax.cli`.

Exit codes: 0 done, 2 bad usage or input, 3 interrupted and resumable by the
same command, 1 a fault of ours.
"""

import argparse
import functools
import importlib
import json
import sys
from collections.abc import Sequence

from aurl_jax import __version__
from aurl_jax.core import guard

VERBS = {
  'prepare': 'turn a folder of MIDI into a data set',
  'inspect': 'read MIDI files and say what was found and repaired',
  'evaluate': 'hold what a model writes against music of people',
  'listen': 'ask people: blinded listening tests as a page',
  'bench': 'measure how fast and how large a model is',
  'analyze': 'hear chords, keys, sections and melody in music',
  'tokens': 'tokenise a file and say what that keeps and loses',
  'train': 'train a model, or go on with a run',
  'watch': 'show how a run goes, in the terminal or as a local page',
  'compare': 'write one page that shows runs side by side',
  'generate': 'write music with a run or a bundle',
  'play': 'play music while it is written, to a MIDI port',
  'serve': 'serve a model over HTTP, to many who ask at once',
  'demo': 'hear the models that come with the package, at once',
  'arrange': 'give music to other players, or play it as people do',
  'cache': 'look after the cache of prepared data',
  'prior': 'fit a prior to the latents of a run',
  'latents': 'draw the latent space of a run',
  'original': 'say what music shares with the training music of a model',
  'bundle': 'turn a run into one folder that anyone can load',
  'quantise': 'make a model smaller: its weights in 8 or 4 bits',
  'export': 'turn a bundle into ONNX or StableHLO, held against the model',
  'doctor': 'check devices, versions and data, and name the remedies',
}
"""Verb -> what it does; each is a module of `aurl_jax.cli`."""

_HEAVY = (
  'bench',
  'demo',
  'evaluate',
  'export',
  'generate',
  'latents',
  'listen',
  'play',
  'prepare',
  'prior',
  'quantise',
  'serve',
  'train',
)
"""Verbs that need seconds before they can say anything."""


def build_parser(verb: str | None = None) -> argparse.ArgumentParser:
  """Returns the parser; only `verb`'s module is imported, or all."""
  parser = argparse.ArgumentParser(
    prog='aurl', description='Symbolic music: from MIDI to a model and back.'
  )
  parser.add_argument('--version', action='version', version=__version__)
  verbs = parser.add_subparsers(dest='verb', metavar='VERB', required=True)
  for name, help_ in VERBS.items():
    part = verbs.add_parser(
      name, help=help_, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if verb in (None, name):
      module = importlib.import_module(f'aurl_jax.cli.{name}')
      told = module.__doc__ or ''
      part.description, _, part.epilog = told.partition('\n\n')
      module.add_arguments(part)
      part.add_argument(
        '--json', action='store_true', help='print JSON for machines'
      )
      part.set_defaults(run=module.run)
  return parser


def main(argv: Sequence[str] | None = None) -> int:
  """Runs one verb and returns the exit code; errors go to stderr."""
  words = list(sys.argv[1:] if argv is None else argv)
  if not words:
    build_parser('').print_help(sys.stderr)
    raise SystemExit(2)
  verb = words[0] if words[0] in VERBS else None
  args = build_parser(verb or '').parse_args(words)
  if verb in _HEAVY and not args.json and sys.stderr.isatty():
    print('loading …', file=sys.stderr, flush=True)
  tell = functools.partial(report, as_json=args.json)
  return guard.guarded(lambda: args.run(args), tell)


def report(message: str, code: str, *, as_json: bool = False) -> None:
  """Prints an error for people (stderr) or machines (stdout)."""
  if as_json:
    print(json.dumps({'error': {'code': code, 'message': message}}))
  else:
    print(f'aurl: {message}', file=sys.stderr)


if __name__ == '__main__':
  sys.exit(main())
