r"""Train a model on a folder of MIDI, or go on with a run.

Examples:
  aurl train --data ~/midi --workdir runs/mine
  aurl train --data ~/midi --from pop --workdir runs/mine
  aurl train --config quickstart --workdir runs/quickstart
  aurl train --config base --data ~/midi --workdir runs/big \
    --set model.width=512 --set train.steps=20000

The same command again goes on from the last checkpoint. Exit code 3 means:
interrupted, nothing lost, run it again.
"""

import argparse
import os
import pathlib

from aurl_jax.cli import output
from aurl_jax.core import files
from aurl_jax.core.errors import DataError


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds this verb's flags."""
  parser.add_argument(
    '--config',
    metavar='PAGE',
    help='a page by path or shipped name (default: base, with --from '
    'finetune, or the stored one)',
  )
  parser.add_argument(
    '--data', metavar='FOLDER', help='MIDI to train on; several with : between'
  )
  parser.add_argument(
    '--from',
    dest='begin_from',
    metavar='MODEL',
    help='begin with the parameters, sizes and tokenizer of a run, a bundle '
    'or a shipped model',
  )
  parser.add_argument(
    '--workdir', default='runs/train', metavar='DIR', help='the run'
  )
  parser.add_argument(
    '--set',
    action='append',
    default=[],
    metavar='KEY=VALUE',
    help='override a key of the page, as section.key=value',
  )


def _source(asked: str) -> str:
  """Returns the folders asked for from the root on; they have to be there."""
  # Said before the libraries load.
  names = files.parts(asked)
  for name in names:
    if not pathlib.Path(name).exists():
      raise DataError(
        f'{name} does not exist; give a folder that holds MIDI files',
        code='no_folder',
      )
  return os.pathsep.join(str(pathlib.Path(name).resolve()) for name in names)


def run(args: argparse.Namespace) -> int:
  """Trains to the end and prints the last figures."""
  overrides = list(args.set)
  if args.data:
    overrides.append(f'data.source={_source(args.data)}')
  from aurl_jax.experiment import beginning, pages, train, workdir

  folder = workdir.Workdir(pathlib.Path(args.workdir))
  other = args.begin_from
  if other and pathlib.Path(other).is_dir():
    other = str(pathlib.Path(other).resolve())
  config = None
  if args.config or not folder.holds_run:
    page = args.config or (beginning.page(other) if other else 'base')
    config = pages.load(pages.find(page))
    if other:
      config = beginning.like(config, other)
    config = pages.override(config, overrides)
  elif overrides or other:
    overrides += [f'train.begin_from={other}'] if other else []
    config = pages.override(folder.read_config(), overrides)
  result = train.run(config, folder, quiet=args.json)
  if args.json:
    output.emit_json(result)
  else:
    output.facts(result)
  return 0
