"""Read MIDI files and say what was found, what was repaired, what is odd.

Examples:
  aurl inspect song.mid
  aurl inspect --json broken/*.mid
  aurl inspect runs/quickstart

Of the folder of a run it says what each part of the network holds. With
--json, one line of JSON a file. The exit code is 2 if a file holds no music
that can be saved.
"""

import argparse
import dataclasses
import pathlib

from aurl_jax.cli import output


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument('files', nargs='+', metavar='FILE|RUN')


def run(args: argparse.Namespace) -> int:
  """Prints one report a file."""
  from aurl_jax.experiment import inspect

  status = 0
  for path in args.files:
    if pathlib.Path(path).is_dir():
      _run_folder(path, json=args.json)
      continue
    report = inspect.inspect(path)
    if args.json:
      output.emit_json(report)
    else:
      _show(report)
    if report['status'] == 'rejected':
      status = 2
  return status


def _run_folder(path: str, *, json: bool) -> None:
  """Shows what a run has told of its network when it began."""
  from aurl_jax.experiment import parameters
  from aurl_jax.experiment.workdir import Workdir

  folder = Workdir(pathlib.Path(path))
  folder.read_config()
  found = parameters.read(folder)
  if json:
    rows = [dataclasses.asdict(part) for part in found]
    output.emit_json({'run': path, 'parameters': rows})
    return
  print(path)
  print(parameters.table(found) if found else 'it has not begun')


def _show(report: dict) -> None:
  lists = ('issues', 'remarks')
  facts = {k: v for k, v in report.items() if k not in ('file', *lists)}
  output.facts(facts, title=report['file'])
  for name in lists:
    rows = [(x['code'], x['where'], x['action']) for x in report[name]]
    if rows:
      output.table((name.removesuffix('s'), 'where', 'action'), rows)
