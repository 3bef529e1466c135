"""Ask people: blinded listening tests as a page from this machine.

Examples:
  aurl listen plan --kind ab --effect 0.65
  aurl listen new --kind ab --system a=DIR --system b=DIR --out test
  aurl listen new --kind turing --system a=DIR --reference DIR --out test
  aurl listen serve test --port 8000
  aurl listen analyze test --json
  aurl listen export test --out webmushra
  aurl listen mirex prompt.json,sample_01.json --out whole.mid

A test is a folder: excerpts under names that say nothing, all as loud as each
other, and the answers. `serve` needs no network; with --host 0.0.0.0 others in
the same network may take part. docs/HOW_TO_LISTEN.md is the guide.
"""

import argparse
import pathlib
from typing import Any

from aurl_jax.cli import output

KINDS = ('ab', 'mos', 'turing')


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's own verbs."""
  verbs = parser.add_subparsers(dest='action', metavar='WHAT', required=True)
  _plan(_verb(verbs, 'plan', 'how many listeners a test needs'))
  _new(_verb(verbs, 'new', 'make a test of folders of music'))
  serve = _verb(verbs, 'serve', 'hand a test out as a page')
  serve.add_argument('folder', metavar='TEST')
  serve.add_argument('--host', default='127.0.0.1', help='0.0.0.0: for others')
  serve.add_argument('--port', type=int, default=8000, help='0: any free one')
  analyze = _verb(verbs, 'analyze', 'say what listeners said')
  analyze.add_argument('folder', metavar='TEST')
  analyze.add_argument('--out', default='', metavar='DIR')
  analyze.add_argument('--seed', type=int, default=0)
  export = _verb(verbs, 'export', 'write a test for webMUSHRA')
  export.add_argument('folder', metavar='TEST')
  export.add_argument('--out', required=True, metavar='DIR')
  mirex = _verb(verbs, 'mirex', "MIREX's JSON to MIDI, or back")
  mirex.add_argument('source', metavar='FILE[,FILE]')
  mirex.add_argument('--out', required=True, metavar='FILE')
  mirex.add_argument(
    '--form', default='', help='of JSON: prompt, generation, lead_sheet, acc'
  )
  mirex.add_argument(
    '--no-pickup',
    action='store_true',
    help='the first bar of the MIDI file is no pickup',
  )


def _verb(verbs: Any, name: str, told: str) -> argparse.ArgumentParser:
  parser = verbs.add_parser(name, help=told, description=told)
  # The flag of the whole verb, in this place too.
  parser.add_argument('--json', action='store_true', default=argparse.SUPPRESS)
  assert isinstance(parser, argparse.ArgumentParser)
  return parser


def _plan(parser: argparse.ArgumentParser) -> None:
  parser.add_argument('--kind', choices=KINDS, default='ab')
  parser.add_argument(
    '--effect',
    type=float,
    required=True,
    help='ab, turing: chance of the preferred or right answer, such as 0.65; '
    'mos: points between two systems',
  )
  parser.add_argument('--power', type=float, default=0.8)
  parser.add_argument('--seconds', type=float, default=12.0, help='of a clip')
  parser.add_argument('--level', type=float, default=0.05)
  parser.add_argument(
    '--questions', type=int, default=1, help='comparisons that are made'
  )
  parser.add_argument(
    '--spread', type=float, default=1.0, help='deviation of a rating, points'
  )
  parser.add_argument(
    '--alike',
    type=float,
    default=0.1,
    help="correlation of a listener's answers",
  )
  parser.add_argument(
    '--trials', type=int, action='append', help='answers a listener'
  )


def _new(parser: argparse.ArgumentParser) -> None:
  parser.add_argument('--kind', choices=KINDS, default='ab')
  parser.add_argument(
    '--system',
    action='append',
    default=[],
    metavar='NAME=DIR',
    help="MIDI files, or MIREX's JSON; several times",
  )
  parser.add_argument('--reference', default='', metavar='DIR')
  parser.add_argument('--out', required=True, metavar='TEST')
  parser.add_argument('--pairs', type=int, default=10)
  parser.add_argument('--seconds', type=float, default=12.0)
  parser.add_argument('--bars', default='', metavar='FIRST-LAST')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument(
    '--ties', action='store_true', help='one may prefer neither'
  )
  parser.add_argument('--checks', type=int, default=2)
  parser.add_argument(
    '--heard', type=float, default=0.5, help='share to hear before an answer'
  )
  parser.add_argument(
    '--passing', type=float, default=0.75, help='share of checks to pass'
  )
  parser.add_argument('--most', type=int, default=500, help='listeners')
  parser.add_argument('--title', default='Listening test')
  parser.add_argument('--question', default='')
  parser.add_argument('--consent', default='', metavar='FILE', help='its text')
  parser.add_argument(
    '--plain', action='store_true', help='no sound font, sines only'
  )


def run(args: argparse.Namespace) -> int:
  """Does what is asked for and prints what came of it."""
  action = {
    'plan': _run_plan,
    'new': _run_new,
    'serve': _run_serve,
    'analyze': _run_analyze,
    'export': _run_export,
    'mirex': _run_mirex,
  }[args.action]
  return action(args)


def _run_plan(args: argparse.Namespace) -> int:
  from aurl_jax.experiment import listen

  rows = listen.plan(
    args.kind,
    args.effect,
    power=args.power,
    trials=args.trials or listen.TRIALS,
    seconds=args.seconds,
    spread=args.spread,
    alike=args.alike,
    level=args.level,
    questions=args.questions,
  )
  if args.json:
    output.emit_json(rows)
    return 0
  told = [
    (
      row['trials'],
      row['minutes'],
      row['listeners'],
      _share(row['power']),
      _share(row['simulated']),
    )
    for row in rows
  ]
  head = ('trials each', 'minutes', 'listeners', 'power', 'simulated')
  output.table(head, told)
  return 0


def _run_new(args: argparse.Namespace) -> int:
  from aurl_jax.experiment import progress
  from aurl_jax.listening import make

  wish = make.Wish(
    kind=args.kind,
    systems=_systems(args.system),
    reference=args.reference,
    pairs=args.pairs,
    seconds=args.seconds,
    bars=_bars(args.bars),
    seed=args.seed,
    ties=args.ties,
    checks=args.checks,
    heard=args.heard,
    passing=args.passing,
    most=args.most,
    title=args.title,
    question=args.question,
    consent=_text(args.consent),
    plain=args.plain,
  )
  with progress.bar('rendering', quiet=args.json) as told:
    test = make.make(wish, args.out, told)
  facts = {
    'test': args.out,
    'kind': test.kind,
    'systems': list(test.systems),
    'trials': len(test.trials),
    'clips': len(test.clips),
    'loudness': round(test.loudness, 2),
    'synthesiser': test.synthesiser,
  }
  if args.json:
    output.emit_json(facts)
  else:
    output.facts(facts | {'next': f'aurl listen serve {args.out}'})
  return 0


def _run_serve(args: argparse.Namespace) -> int:
  from aurl_jax.listening import server

  with server.serve(args.folder, host=args.host, port=args.port) as served:
    port = served.server_address[1]
    host = f'[{args.host}]' if ':' in args.host else args.host
    address = f'http://{host}:{port}/'
    if args.json:
      output.emit_json({'address': address})
    else:
      print(f'{address}  (Ctrl-C ends)', flush=True)
    try:
      served.serve_forever()
    except KeyboardInterrupt:
      print()
  return 0


def _run_analyze(args: argparse.Namespace) -> int:
  from aurl_jax.experiment import listen

  report = listen.analyze(args.folder, args.out, seed=args.seed)
  if args.json:
    output.emit_json(report)
    return 0
  output.facts(report['listeners'], title=report['test']['title'])
  found = report['results']
  rows = [
    (name, *_contrast(row)) for name, row in found.get('contrasts', {}).items()
  ]
  if rows:
    head = ('', 'mean', 'low', 'high', 'p', 'Holm')
    output.table(head, rows)
  output.facts({'why': found.get('why'), 'page': report['page']})
  return 0


def _contrast(row: dict[str, Any]) -> tuple[str, ...]:
  numbers = (*row['mean'], row['p'], row['corrected'])
  return tuple(f'{number:.3g}' for number in numbers)


def _run_export(args: argparse.Namespace) -> int:
  from aurl_jax.listening import webmushra

  facts = webmushra.export(args.folder, args.out)
  if args.json:
    output.emit_json(facts)
  else:
    output.facts(facts)
  return 0


def _run_mirex(args: argparse.Namespace) -> int:
  from aurl_jax.experiment import listen

  facts = listen.convert(
    args.source, args.out, args.form, pickup=not args.no_pickup
  )
  if args.json:
    output.emit_json(facts)
  else:
    output.facts(facts)
  return 0


def _systems(words: list[str]) -> dict[str, str]:
  from aurl_jax.core.errors import DataError

  found = {}
  for word in words:
    name, _, folder = word.partition('=')
    if not name or not folder or name in found:
      raise DataError(
        f'--system {word}: write NAME=DIR, each name once', code='systems'
      )
    found[name] = folder
  return found


def _bars(word: str) -> tuple[int, int] | None:
  from aurl_jax.core.errors import DataError

  if not word:
    return None
  first, _, last = word.partition('-')
  if not (
    first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last)
  ):
    raise DataError(
      f'--bars {word}: write FIRST-LAST, such as 1-8', code='bars'
    )
  return int(first), int(last)


def _text(path: str) -> str:
  from aurl_jax.core.errors import DataError

  if not path:
    return ''
  try:
    return pathlib.Path(path).expanduser().read_text('utf-8').strip()
  except (OSError, UnicodeDecodeError) as error:
    raise DataError(
      f'--consent {path}: it cannot be read as text: {error}', code='consent'
    ) from error


def _share(value: float) -> str:
  return f'{100 * value:.0f} %'
